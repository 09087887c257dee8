"""Check sets, their bounds and the operating point. Imports the workspace and below."""
