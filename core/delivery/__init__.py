"""A model that leaves: bundles, and scores by them. Imports `evidence`, `encoders` and below."""
