"""Privacy parts, each usable and testable alone."""
