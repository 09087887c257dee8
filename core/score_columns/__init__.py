"""Scores that other models gave: read from files, kept by column, seen in one direction. Imports `workspace` and below."""
