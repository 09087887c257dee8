"""Files on disk: atomic writes, SQLite, thumbnails, tables, the lock, error messages. Imports `images` and below."""
