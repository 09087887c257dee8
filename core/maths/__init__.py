"""Arithmetic without state: precision and recall, logistic regression, representatives, uncertainty, the two halves."""
