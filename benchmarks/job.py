"""How long does the whole OULAD job take in simulation, phase by phase?

    python benchmarks/job.py --data ../shared/data/oulad [--json FILE]

One `edufed run`, as a user starts it, with an output folder of its own (so no feature is cached)
and all 20 rounds (patience 20). `whole` is the wall time of the command; what is not in a phase is
start-up (imports, Ray), drawing the report and the end of Ray.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from result import save, show

SETTINGS = ["data=oulad", "scenario.rounds=20", "scenario.patience=20"]


def measure(data: Path, out: Path) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Run the job in `out`; return a row a phase, and the goals."""
    edufed = str(Path(sys.executable).parent / "edufed")
    began = time.perf_counter()
    subprocess.run(
        [edufed, "run", *SETTINGS, f"data.path={data.resolve()}", f"out={out}"], check=True
    )
    whole = time.perf_counter() - began
    report = json.loads((out / "report.json").read_text())
    rows = [
        {"phase": phase["phase"], "seconds": round(phase["seconds"], 2)}
        for phase in report["phases"]
    ]
    rows.append({"phase": "start-up, report, end", "seconds": round(whole - _sum(rows), 2)})
    rows.append({"phase": "whole", "seconds": round(whole, 2)})
    median = round(statistics.median(r["seconds"] for r in report["rounds"]), 3)
    rounds = len(report["rounds"])
    rows.append({"phase": f"one round (median of {rounds})", "seconds": median})
    return rows, {"round_seconds": {"value": median, "goal": "< 1.5", "holds": median < 1.5}}


def _sum(rows: list[dict[str, Any]]) -> float:
    return float(sum(row["seconds"] for row in rows))


def main(
    data: Annotated[Path, typer.Option(help="Folder of OULAD.")] = Path("../shared/data/oulad"),
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows, goals = measure(data, Path(folder) / "out")
    show("The OULAD job, 13 sites, 20 rounds", rows, goals)
    if json_file is not None:
        save(json_file, f"python benchmarks/job.py --data {data}", rows, goals)


if __name__ == "__main__":
    typer.run(main)
