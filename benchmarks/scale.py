"""What does a simulated job cost against the number of sites, and against learners?

    python benchmarks/scale.py [--sites 10 --sites 100 --sites 1000] [--learners 10000 ...]
        [--json FILE]

Each line is one `edufed run` on the province: two rounds, no baselines. Against sites, every site
has 50 learners; against learners, there are five sites. The province is generated beforehand.
Memory is the largest sum over the command and its children, looked at five times a second, of what
each has for itself and its part of what they share (PSS). Processor seconds are those of the same
processes: where other work shares the machine, they say more than seconds on the clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from result import save, show

from data_adapters.province import ProvinceSettings, write_region

LEARNERS_A_SITE, SITES = 50, 5
LOOK_S = 0.2


def measure(sites: int, learners: int, folder: Path) -> dict[str, Any]:
    """Run one job on a fresh province of `learners` at `sites` sites."""
    province = folder / "province"
    settings = ProvinceSettings(learners=learners, regions=sites)
    for region in range(sites):
        write_region(settings, province, region)
    out = folder / "out"
    command = [
        *(str(Path(sys.executable).parent / "edufed"), "run", "research=false"),
        *(f"data.regions={sites}", f"+data.adapter.learners={learners}", f"data.path={province}"),
        *("scenario.rounds=2", f"out={out}", "task.min_cohort=5"),
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    peak, used = 0, dict[int, float]()
    while process.poll() is None:
        peak = max(peak, _look(process.pid, used))
        time.sleep(LOOK_S)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    report = json.loads((out / "report.json").read_text())
    phases = {phase["phase"]: phase["seconds"] for phase in report["phases"]}
    return {
        "sites": sites,
        "learners": learners,
        "features_s": round(phases["features"], 1),
        "statistics_s": round(phases["statistics"], 1),
        "round_s": round(report["rounds"][-1]["seconds"], 2),
        "evaluation_s": round(phases["evaluation"], 1),
        "whole_s": round(seconds, 1),
        "cpu_s": round(sum(used.values()), 1),
        "peak_mib": round(peak / 2**20),
        "mb_up": round(report["totals"]["bytes_up"] / 1e6, 1),
    }


def _look(pid: int, used: dict[int, float]) -> int:
    """Bytes that a process and its children have now; note the processor seconds of each."""
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_full_info().pss
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        used[process.pid] = times.user + times.system
    return total


def main(
    sites: Annotated[list[int], typer.Option(help="Numbers of sites.")] = [10, 100, 1000],  # noqa: B006
    learners: Annotated[list[int], typer.Option(help="Numbers of learners.")] = [  # noqa: B006
        10_000,
        100_000,
        1_000_000,
    ],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
) -> None:
    plan = [(n, n * LEARNERS_A_SITE) for n in sites] + [(SITES, n) for n in learners]
    rows = []
    for n_sites, n_learners in plan:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(n_sites, n_learners, Path(folder)))
        print(rows[-1], flush=True)
    show("A simulated job of two rounds on the province", rows, {})
    if json_file is not None:
        save(json_file, "python benchmarks/scale.py", rows, {})


if __name__ == "__main__":
    typer.run(main)
