"""Harmless images to try it with: garments and rendered notices. Imports `store.files` and below."""
