"""Open online courses: videos, exercises and forums, often told as xAPI statements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.mapping.adapter import MappedAdapter, open_mapped
from data_adapters.mapping.platform import Platform

MOOC = Platform(
    name="mooc",
    needs=("events",),
    constants={"resources": {"kind": "video"}, "events": {"verb": "interacted"}},
)


def open(settings: Mapping[str, Any], folder: Path) -> MappedAdapter:
    """Open a platform of open courses; see `data_adapters.base.open_adapter`."""
    return open_mapped(settings, folder, MOOC)
