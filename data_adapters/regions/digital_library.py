"""Digital libraries and repositories, whose records are views and downloads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.mapping.adapter import MappedAdapter, open_mapped
from data_adapters.mapping.platform import Platform

DIGITAL_LIBRARY = Platform(
    name="digital_library",
    needs=("events",),
    has=("learners", "resources", "enrolments", "events"),
    constants={"resources": {"kind": "content"}, "events": {"verb": "experienced"}},
)


def open(settings: Mapping[str, Any], folder: Path) -> MappedAdapter:
    """Open a digital library; see `data_adapters.base.open_adapter`."""
    return open_mapped(settings, folder, DIGITAL_LIBRARY)
