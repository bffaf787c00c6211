"""The mathematics of the regional quality map: sums by cell, what follows from them, what is told.

Pure functions; both sides of the site boundary use them. `clients/quality_map.py` and
`server/strategies/quality_map.py` are the protocol.
"""
