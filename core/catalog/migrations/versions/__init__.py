"""The migrations, each frozen once released."""
