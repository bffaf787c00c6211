"""What the checks found, as counts: nothing here names or shows a learner."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """Where a rejected row stands: its place in the table as read, from 1, and the column."""

    row: int
    column: str


@dataclass(frozen=True)
class TableQuality:
    """One table's counts.

    Attributes
    ----------
    rows : int
        As read, rejected ones included.
    rejected : int
        The sum of `reasons`: a row with several faults counts under the first.
    reasons : dict of str to int
    duplicates : int
        Rows rejected because an earlier row has their key.
    missing_columns : tuple of str
        Canonical columns that the table lacks.
    missing_values : dict of str to int
        Missing values by column, in rows that no check of their own rejects.
    warnings : dict of str to int
        Values that the source layer changed or took as missing; their rows stay.
    examples : dict of str to tuple of Example
        A few places by reason. For the site's own report: they do not travel.
    """

    rows: int
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    missing_columns: tuple[str, ...] = ()
    missing_values: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[Example, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class QualityReport:
    """One site's data quality.

    Attributes
    ----------
    tables : dict of str to TableQuality
        Canonical tables in their order, then source tables that lost rows before.
    missing_tables : tuple of str
    time_range : tuple of float, optional
        First and last day of events, after course start.
    outcomes : dict of str to int
        Final outcomes "passed", "not_passed" and "unknown".
    learners, courses : int
        How many are left after the checks.
    """

    tables: dict[str, TableQuality]
    missing_tables: tuple[str, ...]
    time_range: tuple[float, float] | None
    outcomes: dict[str, int]
    learners: int
    courses: int

    @property
    def rows(self) -> int:
        """Rows as read, over all tables."""
        return sum(table.rows for table in self.tables.values())

    @property
    def rejected(self) -> int:
        """Rows in quarantine, over all tables."""
        return sum(table.rejected for table in self.tables.values())

    def compact(self, site: str) -> dict[str, Any]:
        """Return the site's entry under "quality" in the run report."""
        reasons = {
            f"{name}.{reason}": count
            for name, table in self.tables.items()
            for reason, count in table.reasons.items()
        }
        return {"site": site, "rows": self.rows, "rejected": self.rejected, "reasons": reasons}

    def to_dict(self, *, examples: bool = False) -> dict[str, Any]:
        """Return everything as plain types; the examples, on request, for the site's own eyes."""
        plain = asdict(self)
        if not examples:
            for table in plain["tables"].values():
                del table["examples"]
        return {"rows": self.rows, "rejected": self.rejected, **plain}
