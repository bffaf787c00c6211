"""Where a platform's rows come from."""
