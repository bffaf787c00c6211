"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Sizes differ from example to example and machines are shared: time is measured in benchmarks.
settings.register_profile("edufed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("edufed")

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data sets, or skip: they are never part of the repository."""
    folder = Path(os.environ.get("EDUFED_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "oulad").is_dir():
        pytest.skip("the real data sets are absent; set EDUFED_DATA to their folder")
    return folder
