"""Education types."""
