"""The real `edufed` command as a process, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_adapters.province import ProvinceSettings

COMMAND = str(Path(sys.executable).with_name("edufed"))
#: A province that trains in seconds. One actor alone, as imports take longer than the work.
SMALL = (
    "data.regions=3",
    "+data.adapter.learners=1500",
    "scenario.rounds=3",
    "federation.cpus_per_site=2",
)
#: Far more than a busy machine needs.
PATIENCE_S = 900.0


@dataclass(frozen=True)
class Ran:
    """A job that ended."""

    code: int
    said: str
    out: Path

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.out / "report.json").read_text(encoding="utf-8"))

    @property
    def page(self) -> str:
        return (self.out / "report.html").read_text(encoding="utf-8")

    def model_of(self, site: str) -> Path:
        """Where a site keeps the job's model."""
        return self.out / "sites" / site / "models" / self.report["job"]["id"]


def environment(**more: str) -> dict[str, str]:
    """What a process gets to see: nothing that pytest put there for itself."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    return kept | {"COLUMNS": "200"} | more


def edufed(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def run(*settings: str, out: Path) -> Ran:
    """Run a job on the small province that lies beside `out`."""
    done = edufed("run", f"out={out}", f"data.path={province(out)}", *settings, cwd=out.parent)
    return Ran(done.returncode, done.stderr, out)


def province(out: Path) -> Path:
    """Where jobs with neighbouring folders share their province."""
    return out.parent / "province"


def site_of(ran: Ran, region: int) -> Path:
    """Write the YAML of one of the job's sites, as if it were a real one: same data, same state."""
    name = f"region-{region:02d}"
    settings = ProvinceSettings(learners=1500, regions=3).model_dump(mode="json")
    site = {
        "name": name,
        "state": f"{ran.out.name}/sites/{name}",
        "adapter": {
            **settings,
            "name": "province",
            "path": "province",
            "region": region,
            "platform": "mooc",
        },
    }
    file = ran.out.parent / f"{ran.out.name}-{name}.yaml"
    file.write_text(yaml.safe_dump(site), encoding="utf-8")
    return file


def marked(mark: str) -> list[str]:
    """Command lines of the running processes whose environment holds `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended meanwhile, or is not ours
            continue
    return found


def wait_for(true: Any, seconds: float, what: str) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.1)
