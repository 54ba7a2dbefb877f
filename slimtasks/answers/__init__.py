"""Answers about images, out of the files below build/ and without an engine: what stays, what goes, what differs."""
