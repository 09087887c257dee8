"""Near-duplicates: neighbours compared pixel by pixel. Imports the workspace and below."""
