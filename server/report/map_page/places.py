"""Where a region of a private map is drawn: there it goes by its site's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Place = TypeVar("Place")


def at_sites(places: Mapping[str, Place], data: Mapping[str, Any]) -> dict[str, Place]:
    """Return `places` with those of sites beside: each stands where its data's region does.

    Parameters
    ----------
    places : mapping of str to Place
        By name of the region.
    data : mapping
        The job's data settings; `sites` may say of which region each is.
    """
    region_of = {site["name"]: site["adapter"].get("region") for site in data.get("sites") or []}
    beside = {site: places[region] for site, region in region_of.items() if region in places}
    return {**beside, **places}
