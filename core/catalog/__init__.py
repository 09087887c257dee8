"""The workspace's database: tables, records, topics, label book. Imports `store` and below."""
