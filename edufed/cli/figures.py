"""Tables of figures, as they are printed at the end of a job."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table


def figures_table(
    title: str, first: str, numbers: Iterable[str], *, no_wrap: bool = False
) -> Table:
    """Begin a table: a first column of names, which `no_wrap` keeps whole, then numbers."""
    table = Table(title=title)
    table.add_column(first, no_wrap=no_wrap)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def number(value: float | None) -> str:
    """Write a figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def span(low: float | None, high: float | None) -> str:
    """Write an interval."""
    return f"{number(low)} to {number(high)}"
