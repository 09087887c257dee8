"""`python -m dashboard` is `lassoscope`."""

from dashboard.cli import main

main()
