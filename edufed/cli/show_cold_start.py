"""A finished cold start as `edufed run` prints it."""

from __future__ import annotations

from typing import Any, cast

from rich.console import Console
from rich.table import Table

from edufed.cli.figures import number, span
from server.report.contract import Report


def print_cold_start(console: Console, report: Report) -> None:
    """Print how good lists for new learners are, by their number of own uses."""
    said = cast(dict[str, Any], report.more["cold_start"])
    table = Table(title=f"cold_start on {report.job.data}, at {said['platform']}, test learners")
    table.add_column("learners")
    table.add_column("own uses", justify="right")
    table.add_column("model")
    for name in ("NDCG@10", "95 %", "HR@10", "coverage", "together above it by"):
        table.add_column(name, justify="right")
    for part in said["figures"]:
        apart = {row["over"]: row for row in part["differences"]}
        for row in part["models"]:
            other = apart.get(row["model"])
            table.add_row(
                f"{part['group']}, {part['learners']}",
                str(part["seen"]),
                row["model"],
                number(row["ndcg_at_10"]),
                span(row["low"], row["high"]),
                *map(number, (row["hr_at_10"], row["coverage"])),
                _apart(other),
            )
    console.print(table)
    console.print(
        f"{said['lists']} newcomers' lists are at {said['platform']}, in its state folder:"
        f" lists/{report.job.id}.csv",
        highlight=False,
        soft_wrap=True,
    )


def _apart(other: dict[str, Any] | None) -> str:
    if other is None or other["low"] is None:
        return ""
    return f"{other['gain']:+.3f} ({other['low']:+.3f} to {other['high']:+.3f})"
