"""The version that reports, caches and bundles name."""

from __future__ import annotations

import tomllib
from pathlib import Path

from edufed import __version__

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_code_and_the_package_name_one_version() -> None:
    assert tomllib.loads(PYPROJECT.read_text())["project"]["version"] == __version__
