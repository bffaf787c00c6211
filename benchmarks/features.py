"""How fast are features at a cutoff, and how much memory do they take, against plain pandas?

    python benchmarks/features.py --data ../shared/data/oulad [--json FILE]

Every line of the table is measured in a process of its own, from files to matrices, imports not
counted, the median of three runs; memory is the process's peak, imports included. The pandas
lines are `features_pandas.py`, whose values are compared with ours: `plain` makes the same
learning records first as ours does, `tuned` uses what only this data set allows. The thirteen
sites each read the one national file here, which no site would: that reading is most of their time.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

CUTOFF = 60.0
RUNS = 3
WAYS = ("EduFed", "pandas plain", "pandas tuned")
JOBS = ("13 sites, one by one", "all regions as one site")
REGIONS = (
    "East Anglian Region",
    "East Midlands Region",
    "Ireland",
    "London Region",
    "North Region",
    "North Western Region",
    "Scotland",
    "South East Region",
    "South Region",
    "South West Region",
    "Wales",
    "West Midlands Region",
    "Yorkshire Region",
)


@dataclass(frozen=True)
class Line:
    """One way of one job, as measured."""

    job: str
    way: str
    seconds: float
    cpu_seconds: float
    times_ours: float
    peak_mib: int
    difference: float | None


def measure(way: str, job: str, data: Path, values: Path) -> dict[str, float]:
    """Build the features once in this process, from files to matrices, and keep the values."""
    if way == "EduFed":
        from data_adapters.base import open_adapter
        from edufed.features import build

        def site(region: str | None) -> tuple[np.ndarray, np.ndarray]:
            settings = {"name": "oulad", "path": str(data)}
            if region is not None:
                settings["region"] = region
            matrix = build(open_adapter(settings, data).read(CUTOFF), CUTOFF)
            return (matrix.learner_id + "@" + matrix.course_id).astype(str), matrix.values
    else:
        import features_pandas

        def site(region: str | None) -> tuple[np.ndarray, np.ndarray]:
            tables = features_pandas.read_oulad(data, CUTOFF, region, way == "pandas tuned")
            frame = features_pandas.features(tables, CUTOFF)
            keys = ["@".join(map(str, key)) for key in frame.index]
            return np.array(keys), frame.to_numpy(dtype=np.float32)

    began, began_cpu = time.perf_counter(), time.process_time()
    sites = [site(region) for region in (REGIONS if job == JOBS[0] else (None,))]
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    keys, matrix = (np.concatenate(part) for part in zip(*sites, strict=True))
    np.savez(values, keys=keys, values=matrix)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak}


def largest_difference(ours: Path, theirs: Path) -> float:
    """Largest difference between two runs' values, relative to values above 1; same rows."""
    a, b = np.load(ours), np.load(theirs)
    x, y = a["values"][np.argsort(a["keys"])], b["values"][np.argsort(b["keys"])]
    if (np.sort(a["keys"]) != np.sort(b["keys"])).any() or (np.isnan(x) != np.isnan(y)).any():
        return float("inf")
    return float(np.nanmax(np.abs(x - y) / np.maximum(np.abs(y), 1.0)))


def main(
    data: Annotated[Path, typer.Option(help="Folder of the OULAD Parquet files.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
    only: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    data = data.resolve()
    if only:
        way, job, values = only.split("|")
        print(json.dumps(measure(way, job, data, Path(values))))
        return
    lines = run_all(data)
    goals = judge(lines)
    show(lines, goals)
    if json_file is not None:
        report = {
            "command": "python benchmarks/features.py --data DIR",
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
            f"{platform.python_version()}",
            "rows": [asdict(line) for line in lines],
            "goals": goals,
        }
        partial = json_file.with_suffix(".partial")
        partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, json_file)


def run_all(data: Path) -> list[Line]:
    """Measure every way of every job."""
    runs: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = {(w, j): Path(folder) / f"{w}-{j}.npz" for j in JOBS for w in WAYS}
        # Lines take turns, so that a busy machine slows all of them.
        for _ in range(RUNS):
            for (way, job), file in files.items():
                command = [sys.executable, __file__, "--data", str(data)]
                command += ["--only", f"{way}|{job}|{file}"]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs.setdefault((way, job), []).append(json.loads(done.stdout))
        lines = []
        for (way, job), measured in runs.items():
            seconds = statistics.median(run["seconds"] for run in measured)
            ours = statistics.median(run["seconds"] for run in runs["EduFed", job])
            # The tuned way numbers courses, so its keys are its own.
            plain = way == "pandas plain"
            lines.append(
                Line(
                    job=job,
                    way=way,
                    seconds=round(seconds, 2),
                    cpu_seconds=round(statistics.median(run["cpu_seconds"] for run in measured), 2),
                    times_ours=round(seconds / ours, 2),
                    peak_mib=round(max(run["peak_mib"] for run in measured)),
                    difference=largest_difference(files["EduFed", job], files[way, job])
                    if plain
                    else None,
                )
            )
    return lines


def judge(lines: list[Line]) -> dict[str, dict[str, object]]:
    """Hold what was measured against the goals."""
    peak = max(line.peak_mib for line in lines if line.way == "EduFed")
    plain = {line.job: line for line in lines if line.way == "pandas plain"}
    speed_up = plain[JOBS[1]].times_ours
    difference = max(line.difference or 0.0 for line in plain.values())
    return {
        "features_peak_mib": {"value": peak, "goal": "< 2048", "holds": peak < 2048},
        "features_speed_up": {"value": speed_up, "goal": ">= 5", "holds": speed_up >= 5},
        "features_equal_pandas": {
            "value": difference,
            "goal": "<= 1e-5",
            "holds": difference <= 1e-5,
        },
    }


def show(lines: list[Line], goals: dict[str, dict[str, object]]) -> None:
    table = Table(title=f"OULAD features at day {CUTOFF:.0f}, 10.6 million click rows")
    for column in fields(Line):
        table.add_column(column.name, justify="left" if column.name in ("job", "way") else "right")
    for line in lines:
        table.add_row(*("" if value is None else f"{value}" for value in astuple(line)))
    console = Console(width=120)
    console.print(table)
    for name, goal in goals.items():
        console.print(f"{name}: {goal['value']} ({goal['goal']}: {goal['holds']})")


if __name__ == "__main__":
    typer.run(main)
