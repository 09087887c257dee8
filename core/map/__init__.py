"""The map: UMAP layout, lasso grid, pixels, islands. Imports the workspace and below."""
