"""Lassoscope's Panel server and command line, over `core`."""
