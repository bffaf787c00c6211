"""Turn a platform's own tables into learning records. Runs at the site, never elsewhere."""
