"""Higher education: universities and polytechnics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.mapping.adapter import MappedAdapter, open_mapped
from data_adapters.mapping.platform import Platform

HIGHER = Platform(
    name="higher",
    education="higher",
    needs=("enrolments", "outcomes"),
    # Bachelor or equivalent, ISCED 2011 level 6; other programmes map their own.
    constants={"outcomes": {"level": 6}},
)


def open(settings: Mapping[str, Any], folder: Path) -> MappedAdapter:
    """Open a university or polytechnic; see `data_adapters.base.open_adapter`."""
    return open_mapped(settings, folder, HIGHER)
