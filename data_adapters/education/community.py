"""Community education: courses for adults, open to all, at no one level."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.mapping.adapter import MappedAdapter, open_mapped
from data_adapters.mapping.platform import Platform

COMMUNITY = Platform(
    name="community",
    education="community",
    needs=("enrolments",),
    # No constant level: a course may be literacy (ISCED 0) as well as a lecture (ISCED 6).
)


def open(settings: Mapping[str, Any], folder: Path) -> MappedAdapter:
    """Open a community school; see `data_adapters.base.open_adapter`."""
    return open_mapped(settings, folder, COMMUNITY)
