"""Transfer between education types: knowledge moves as a model, never as rows.

Pure functions on arrays; the protocol is in `clients/transfer.py` and
`server/strategies/transfer.py`, and docs/transfer.md says when to trust what comes of it.
"""
