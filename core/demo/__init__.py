"""Harmless demo images: garments and rendered notices. Imports `store` and below."""
