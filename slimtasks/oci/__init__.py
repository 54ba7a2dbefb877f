"""OCI images as files: reading what an engine saves, and writing layers, configs and archives."""
