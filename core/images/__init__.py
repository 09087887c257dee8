"""Picture files: decode them as a browser does, treat them for privacy, tell copies and text apart. Knows no workspace."""
