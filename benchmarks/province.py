"""How long does the embedded province take to generate, and how much memory, against learners?

    OMP_NUM_THREADS=1 python benchmarks/province.py [--json FILE]

Every line is a process of its own that writes a whole province of five regions to a temporary
folder: imports are not in the seconds, but are in the process's peak memory. Where other work
shares the machine, `cpu_seconds` say more than `seconds`.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from data_adapters.province import ProvinceSettings, write_province

DEFAULT = ProvinceSettings().learners
TEN_MILLION = 10_000_000


def measure(learners: int, folder: Path) -> dict[str, Any]:
    """Write one province in this process."""
    began, cpu = time.perf_counter(), time.process_time()
    write_province(ProvinceSettings(learners=learners), folder)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    summaries = [json.loads(file.read_text()) for file in folder.glob("*/truth/truth.json")]
    events = sum(rows["events"] for summary in summaries for rows in summary["rows"].values())
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    return {
        "learners": learners,
        "events": events,
        "mib_on_disk": round(size / 2**20, 1),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "learners_per_cpu_second": round(learners / cpu),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def goals_of(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Compare what was measured with what is wanted."""
    least, most = rows[1], rows[-1]
    ratio = round(most["peak_mib"] / least["peak_mib"], 3)
    hours = round(TEN_MILLION / most["learners_per_cpu_second"] / 3600, 2)
    default = rows[0]["seconds"]
    memory = f"peak memory, {most['learners']} learners over {least['learners']}"
    return {
        "default province, seconds": {"value": default, "goal": "< 10", "holds": default < 10},
        memory: {"value": ratio, "goal": "<= 1.25", "holds": ratio <= 1.25},
        "10 million learners, CPU hours, by the rate of the last line": {
            "value": hours,
            "goal": "<= 2",
            "holds": hours <= 2,
        },
    }


def main(
    learners: Annotated[list[int], typer.Option(help="Sizes; the default size is added.")] = [  # noqa: B006
        10_000,
        100_000,
        1_000_000,
    ],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
    only: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    if only:
        print(json.dumps(measure(learners[0], Path(only))))
        return
    rows = []
    for size in [DEFAULT, *sorted(learners)]:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--learners", str(size), "--only", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json.loads(done.stdout))
    goals = goals_of(rows)
    show(rows, goals)
    if json_file is not None:
        report = {
            "command": "OMP_NUM_THREADS=1 python benchmarks/province.py",
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
            f"{platform.python_version()}",
            "rows": rows,
            "goals": goals,
        }
        partial = json_file.with_suffix(".partial")
        partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, json_file)


def show(rows: list[dict[str, Any]], goals: dict[str, dict[str, Any]]) -> None:
    table = Table(title="Generating the province")
    for column in rows[0]:
        table.add_column(column, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*(f"{value:,}" for value in row.values()))
    console = Console()
    console.print(table)
    for name, goal in goals.items():
        console.print(f"{name}: {goal['value']} ({goal['goal']}: {goal['holds']})")


if __name__ == "__main__":
    typer.run(main)
