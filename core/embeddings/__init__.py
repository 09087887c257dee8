"""Embeddings: the matrix on disk, one encoder's value with its map, scores, neighbours. Imports `store` and below."""
