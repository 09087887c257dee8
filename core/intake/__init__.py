"""Ingest images: find files, decode them on all cores, commit. Imports the workspace and below."""
