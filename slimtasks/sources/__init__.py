"""Gets images into the engine: the one that is to be slimmed or squashed, and the tracer."""
