"""What tests of whole jobs in this process share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import flower_run


@pytest.fixture(scope="module")
def in_a_run() -> Iterator[None]:
    """Have Flower's messages belong to a run: for a module with `usefixtures`."""
    with flower_run():
        yield


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the module's jobs generate their province."""
    return tmp_path_factory.mktemp("province")
