"""Ray beneath a simulation: what is said when it does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from edufed.cli.engine import Engine
from edufed.config import compose_job
from server.federation import JobError

try:
    Engine(compose_job(["out=unused"])).wait()
except JobError as error:
    print(error)
"""


@pytest.mark.e2e
def test_a_ray_that_does_not_start_is_one_line(tmp_path: Path, root: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "RAY_TMPDIR": str(file / "ray"), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("Ray, which runs simulations, did not start: ")
    assert line.endswith("; try again when the machine is less busy")
