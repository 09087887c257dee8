"""What a study varies unless told otherwise. Imports nothing: `lassoscope --help` shows it."""

BUDGETS = (10, 20, 50, 100, 200)
FEATURE_TITLES = {
    "encoder": "the encoder's embeddings",
    "untrained": "the same network untrained",
    "pixels": "PCA of the pixels",
}
FEATURES = tuple(FEATURE_TITLES)
