"""The first spec of an image that nobody has described yet: what it says of itself, what it did, what to ask."""
