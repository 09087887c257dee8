"""What a workspace knows, in one database: tables, records, topics, label book. Imports `store` and below."""
