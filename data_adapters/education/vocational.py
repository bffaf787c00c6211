"""Vocational education: training for a trade, at school or beside work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.mapping.adapter import MappedAdapter, open_mapped
from data_adapters.mapping.platform import Platform

VOCATIONAL = Platform(
    name="vocational",
    education="vocational",
    needs=("enrolments", "outcomes"),
    # Upper secondary, ISCED 2011 level 3, where most initial training is; a college whose
    # training is post-secondary maps its own.
    constants={"outcomes": {"level": 3}},
)


def open(settings: Mapping[str, Any], folder: Path) -> MappedAdapter:
    """Open a vocational school; see `data_adapters.base.open_adapter`."""
    return open_mapped(settings, folder, VOCATIONAL)
