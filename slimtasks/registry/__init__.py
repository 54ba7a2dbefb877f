"""What leaves the house: images in the form that registries have them in, and the way there (OCI distribution-spec)."""
