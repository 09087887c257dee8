"""What analysts have seen, and their limits. Imports the workspace and below."""
