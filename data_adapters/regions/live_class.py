"""Live classes: video conferences and virtual classrooms, whose records are attendance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.mapping.adapter import MappedAdapter, open_mapped
from data_adapters.mapping.platform import Platform

LIVE_CLASS = Platform(
    name="live_class",
    needs=("events",),
    has=("learners", "resources", "enrolments", "events"),
    constants={"resources": {"kind": "live"}, "events": {"verb": "attended"}},
)


def open(settings: Mapping[str, Any], folder: Path) -> MappedAdapter:
    """Open a platform of live classes; see `data_adapters.base.open_adapter`."""
    return open_mapped(settings, folder, LIVE_CLASS)
