"""Embeddings: the matrix on disk, one encoder's embeddings with their map, scores, neighbours. Imports `catalog` and below."""
