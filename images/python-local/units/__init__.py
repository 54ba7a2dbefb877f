"""Changes units, and counts what was asked."""
