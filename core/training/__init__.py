"""MSN training: loop, model, views, batches, presets, runs. Imports `encoders` and below."""
