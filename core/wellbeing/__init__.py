"""The exposure of analysts to pictures, and their limits. Imports the workspace and below."""
