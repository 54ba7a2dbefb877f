"""The tasks that doit runs."""
