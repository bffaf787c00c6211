"""Which education type a site's learners are in."""

from __future__ import annotations

from clients.site import Site

#: Adapters of one platform, and the education type that it is.
_OF_ADAPTER = {"oulad": "higher"}
TYPES = ("community", "vocational", "higher", "basic")
MIXED = "mixed"


def education_of(site: Site) -> str:
    """Return one of `TYPES`, or `MIXED` where the site's YAML says none or several."""
    adapter = site.settings.adapter
    name = str(adapter.get("name"))
    said = adapter.get("education") or (name if name in TYPES else _OF_ADAPTER.get(name))
    return str(said) if said in TYPES else MIXED
