"""What a running image uses, and the files themselves: gate, sidecar, tracing sources, extraction."""
