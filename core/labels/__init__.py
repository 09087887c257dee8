"""Labels: give, undo, import, export, label in bulk. Imports the workspace and below."""
