from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from launching import Launched, install_toy


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an installation of EduFed whose apps are toys."""
    return install_toy(tmp_path_factory.mktemp("installed") / "toy")


@pytest.fixture(scope="session")
def launch(
    installation: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Launched]]:
    """Make federations of real processes; every process is ended with the session."""
    launched: list[Launched] = []

    def make(**settings: Any) -> Launched:
        launched.append(Launched(tmp_path_factory.mktemp("launched"), installation, **settings))
        return launched[-1]

    yield make
    for federation in launched:
        federation.close()


@pytest.fixture(scope="session")
def federation(launch: Callable[..., Launched]) -> Launched:
    """Two sites; one answers by a resident worker, one by a process for each message."""
    launched = launch()
    sites = [launched.site("north"), launched.site("south", worker="subprocess")]
    launched.server()
    for site in sites:
        launched.client(site)
    launched.wait_for_sites("north", "south")
    return launched
