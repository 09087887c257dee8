"""Near-duplicates: neighbours laid over each other, pixel by pixel. Imports the workspace and below."""
