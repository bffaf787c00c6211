"""Open Badges 3.0: credentials that a site signs, and that any other can check."""
