"""Gets the image that is to be slimmed, or the tree that is to be squashed."""
