"""Copyright notices: found by their words and by text on dark. Imports `map` and below."""
