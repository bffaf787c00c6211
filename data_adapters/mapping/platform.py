"""What is known of a kind of platform before its YAML is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edufed.records import TABLES, DataError


@dataclass(frozen=True)
class Platform:
    """A kind of platform: which tables it has, and what holds of all its rows.

    Attributes
    ----------
    name : str
        As in `data_adapters.base.MODULES`.
    needs : tuple of str
        Canonical tables without which it is of no use.
    has : tuple of str
        Canonical tables that it may have.
    constants : dict of table to dict of column to value
        Values for columns that a site's YAML does not map.
    education : str, optional
        The education type, where the kind is one.
    """

    name: str
    needs: tuple[str, ...]
    has: tuple[str, ...] = tuple(TABLES)
    constants: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    education: str | None = None

    def complete(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """Put the constants of this kind of platform into a site's `tables`."""
        missing = [table for table in self.needs if table not in tables]
        if missing:
            raise DataError(
                f"adapter.tables: a site of kind {self.name} needs {', '.join(missing)}; map it"
            )
        beyond = [table for table in tables if table in TABLES and table not in self.has]
        if beyond:
            raise DataError(
                f"adapter.tables: a site of kind {self.name} has no {', '.join(beyond)};"
                f" it may have {', '.join(self.has)}; map the rest in a site of another kind"
            )
        return {name: self._with_constants(name, parts) for name, parts in tables.items()}

    def _with_constants(self, table: str, parts: Any) -> Any:
        if isinstance(parts, list):
            return [self._with_constants(table, part) for part in parts]
        if not isinstance(parts, Mapping) or not isinstance(parts.get("columns"), Mapping):
            return parts  # the settings' own check will say what is wrong with it
        constants = {
            column: {"constant": value} for column, value in self.constants.get(table, {}).items()
        }
        return {**parts, "columns": {**constants, **parts["columns"]}}
