"""Copyright notices: read, named by what they say, collected. Imports `map` and below."""
