"""The changes of the tables, each frozen as it was when it was written."""
