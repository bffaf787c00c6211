"""Tables and columns that the site's policy keeps from jobs: gone before anything is checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from data_adapters.governance.checks import literal, quoted
from data_adapters.governance.table import rows_of
from edufed.records import DataError, LearningRecords


def withhold(records: LearningRecords, allowed: Mapping[str, Collection[str]]) -> None:
    """Leave of each canonical table the allowed columns; without any, the table is dropped.

    Parameters
    ----------
    records : LearningRecords
        Fresh from an adapter, no table of it a view of another (`part_from_others`).
    allowed : mapping of str to collection of str
        Canonical columns by table.

    Raises
    ------
    DataError
        No table is left.
    """
    connection = records.connection
    for table in records.present():
        have = records.columns(table)
        left = [column for column in have if column in allowed.get(table, ())]
        if len(left) == len(have) > 0:
            continue
        ((kind,),) = rows_of(
            connection,
            f"SELECT table_type FROM information_schema.tables WHERE table_name = {literal(table)}",
        )
        what = "VIEW" if kind == "VIEW" else "TABLE"
        if left:
            columns = ", ".join(map(quoted, left))
            whole = quoted(f"whole_{table}")
            connection.execute(f"ALTER {what} {quoted(table)} RENAME TO {whole}")
            connection.execute(f"CREATE VIEW {quoted(table)} AS SELECT {columns} FROM {whole}")
        else:
            connection.execute(f"DROP {what} {quoted(table)}")
    if not records.present():
        raise DataError("policy.data leaves none of the site's tables; allow or map another")
