"""Filters: conditions that choose images, their masks, orders of images, and named views. The user interface is not here."""
