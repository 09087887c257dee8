"""The map: UMAP layout, lasso grid, rendering, clusters. Imports `duplicates` and below."""
