"""What every benchmark leaves behind: a table for people, JSON for machines."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def show(title: str, rows: list[dict[str, Any]], goals: dict[str, dict[str, Any]]) -> None:
    """Print rows as a table, and each goal with whether it holds."""
    table = Table(title=title)
    for column in rows[0]:
        table.add_column(column, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*("–" if value is None else f"{value}" for value in row.values()))
    console = Console()
    console.print(table)
    for name, goal in goals.items():
        console.print(f"{name}: {goal['value']} (goal {goal['goal']}: {goal['holds']})")


def save(
    file: Path, command: str, rows: list[dict[str, Any]], goals: dict[str, dict[str, Any]]
) -> None:
    """Write the result as JSON, whole or not at all."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    result = {"command": command, "machine": machine, "rows": rows, "goals": goals}
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, file)
