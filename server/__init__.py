"""The coordinator side: the ServerApp. It has no way to read a record."""
