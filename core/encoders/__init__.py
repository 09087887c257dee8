"""From pictures to embeddings: the ViT, shipped and public weights, the registry. Imports `duplicates` and below."""
