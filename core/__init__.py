"""Lassoscope's computation: no user interface is imported from here."""
