"""A platform's tables made into learning records by YAML alone.

Read in this order: `how` (the words a mapping may use), `settings` (a site's mapping),
`expressions` and `tables` (their SQL), `reading` (what could not be read), `adapter`.
"""
