"""Makes an image of files: which layer each goes into, the config, the image file, its place in the engine."""
