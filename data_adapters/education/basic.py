"""Basic education: schools for children and young people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.mapping.adapter import MappedAdapter, open_mapped
from data_adapters.mapping.platform import Platform

BASIC = Platform(
    name="basic",
    education="basic",
    needs=("enrolments", "outcomes"),
    # Lower secondary, ISCED 2011 level 2, where basic education ends; primary and upper
    # secondary schools map their own.
    constants={"outcomes": {"level": 2}},
)


def open(settings: Mapping[str, Any], folder: Path) -> MappedAdapter:
    """Open a school; see `data_adapters.base.open_adapter`."""
    return open_mapped(settings, folder, BASIC)
