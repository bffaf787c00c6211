"""Platform kinds inside a region."""
