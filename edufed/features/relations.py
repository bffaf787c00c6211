"""A site's tables with every canonical column, so that one SQL text fits every site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pandera.pandas import Column

from edufed.records import TABLES, LearningRecords

#: pandera's name of a column type, without its unit or storage -> DuckDB's.
SQL_TYPES = {
    "string": "VARCHAR",
    "float64": "DOUBLE",
    "Int64": "INTEGER",
    "boolean": "BOOLEAN",
    "datetime64": "TIMESTAMP",
}


@contextmanager
def whole_tables(records: LearningRecords) -> Iterator[None]:
    """Offer each canonical table as the temporary view `all_TABLE`, whatever the site has.

    A column that the site lacks is NULL, a table that it lacks has no rows. The views, and
    any temporary table named `at_cutoff_*`, are gone afterwards.
    """
    connection = records.connection
    try:
        for table, schema in TABLES.items():
            have = records.columns(table)
            columns = ", ".join(
                f"CAST({_quoted(name) if name in have else 'NULL'} AS {_sql_type(column)})"
                f" AS {_quoted(name)}"
                for name, column in schema.columns.items()
            )
            rows = f"FROM {_quoted(table)}" if have else "WHERE false"
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW all_{table} AS SELECT {columns} {rows}"
            )
        yield
    finally:
        for table in TABLES:
            connection.execute(f"DROP VIEW IF EXISTS all_{table}")
        made = connection.execute("""
            SELECT table_name FROM duckdb_tables()
            WHERE temporary AND starts_with(table_name, 'at_cutoff_')
        """).fetchall()
        for (name,) in made:
            connection.execute(f"DROP TABLE IF EXISTS {name}")


def _sql_type(column: Column) -> str:
    return SQL_TYPES[str(column.dtype).partition("[")[0]]


def _quoted(name: str) -> str:
    return f'"{name}"'
