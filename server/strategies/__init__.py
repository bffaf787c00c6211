"""One module per scenario; its namesake in `clients` is the other half of the protocol."""
