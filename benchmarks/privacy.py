"""What privacy costs, measured in one run.

    python benchmarks/privacy.py --json FILE

prints a table for each question: secure sums against plain ones and Flower's SecAgg+ helpers,
encrypted sums, and DP-SGD against plain training.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import privacy_dp
import privacy_he
import privacy_secagg
from rich.console import Console
from rich.table import Table

LENGTHS = (100_000, 1_000_000)
SITES = (3, 10, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args()
    console = Console(width=140)
    rows, goals = secure_sums(console)
    rows += encrypted_sums(console)
    rows += private_training(console)
    result = {
        "command": "python benchmarks/privacy.py",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
        "rows": rows,
        "goals": goals,
    }
    for name, goal in goals.items():
        sign = "holds" if goal["holds"] else "MISSED"
        console.print(f"{name}: {goal['value']:.3f} (goal {goal['goal']}): {sign}")
    if options.json:
        temporary = options.json.with_suffix(".part")
        temporary.write_text(json.dumps(result, indent=1))
        os.replace(temporary, options.json)


def secure_sums(console: Console) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows = [
        method(length, sites)
        for length in LENGTHS
        for sites in SITES
        for method in (privacy_secagg.plain, privacy_secagg.edufed, privacy_secagg.flower)
    ]
    _table(
        console,
        "One secure sum: a site's messages, megabytes and seconds a round (set-up once a job)",
        [
            "method",
            "values",
            "sites",
            "messages",
            "set-up",
            "MB up",
            "MB down",
            "s a site",
            "s set-up",
            "s coordinator",
            "a third dropped",
        ],
        [
            [
                row["method"],
                f"{row['values']:,}",
                str(row["sites"]),
                str(row["messages_round"]),
                str(row["messages_setup"]),
                f"{row['bytes_up'] / 1e6:.3f}",
                f"{row['bytes_down'] / 1e6:.3f}",
                f"{row['seconds_site']:.4f}",
                f"{row['seconds_setup']:.4f}",
                f"{row['seconds_coordinator']:.3f}",
                f"{row['seconds_third_dropped']:.3f}" if "seconds_third_dropped" in row else "",
            ]
            for row in rows
        ],
    )
    seconds = privacy_secagg.masking()
    _table(
        console,
        "Masking 1,000,000 values for 10 sites, processor time, median of 11",
        ["step", "milliseconds"],
        [[name, f"{value * 1e3:.1f}"] for name, value in seconds.items()],
    )
    rows += [{"part": "masking", "step": name, "seconds": value} for name, value in seconds.items()]
    ratio = max(
        row["bytes_masked"] / (8 * row["values"]) for row in rows if row.get("method") == "EduFed"
    )
    speedup = seconds["Flower, quantise and mask"] / seconds["EduFed, encode and mask"]
    return rows, {
        "masked_bytes_ratio": {"value": ratio, "goal": "<= 1.1", "holds": ratio <= 1.1},
        "masking_speedup": {"value": speedup, "goal": ">= 3", "holds": speedup >= 3},
    }


def encrypted_sums(console: Console) -> list[dict[str, Any]]:
    rows = [privacy_he.encrypted(length, sites) for length in LENGTHS for sites in SITES]
    _table(
        console,
        "One encrypted sum (CKKS): a site's megabytes and seconds a round",
        [
            "method",
            "values",
            "sites",
            "messages",
            "MB up",
            "of float64",
            "MB down",
            "s encrypt",
            "s open",
            "s coordinator",
            "largest error",
        ],
        [
            [
                row["method"],
                f"{row['values']:,}",
                str(row["sites"]),
                str(row["messages_round"]),
                f"{row['bytes_up'] / 1e6:.3f}",
                f"{row['bytes_up'] / (8 * row['values']):.2f}",
                f"{row['bytes_down'] / 1e6:.3f}",
                f"{row['seconds_encrypt']:.3f}",
                f"{row['seconds_open']:.3f}",
                f"{row['seconds_coordinator']:.3f}",
                f"{row['largest_error']:.1e}",
            ]
            for row in rows
        ],
    )
    return rows


def private_training(console: Console) -> list[dict[str, Any]]:
    rows = privacy_dp.private_training(time.process_time)
    _table(
        console,
        "DP-SGD against plain training (Adam both), 176 columns, samples a processor second",
        ["model", "batch", "plain", "DP-SGD", "times slower"],
        [
            [
                row["model"],
                str(row["batch"]),
                f"{row['samples_a_second_plain']:,.0f}",
                f"{row['samples_a_second_private']:,.0f}",
                f"{row['times_slower']:.1f}",
            ]
            for row in rows
        ],
    )
    return rows


def _table(console: Console, title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(title=title)
    for at, column in enumerate(columns):
        table.add_column(column, justify="left" if at == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
