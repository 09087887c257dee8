"""Lassoscope's computation: no user interface is imported from here."""

from core.caches import provide_caches

provide_caches()
