"""Turns the container image that was built into the image that should ship."""

__version__ = "0.1.0"
