"""Views that read one another: what a view means must not change while tables are checked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import duckdb

from data_adapters.governance.checks import quoted
from data_adapters.governance.table import rows_of
from edufed.records import TABLES


def part_from_others(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> None:
    """Hold each view that reads another canonical table, which will soon mean the checked one."""
    views = rows_of(connection, "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal")
    reads = {name: _tables_read(connection, sql.partition(" AS ")[2]) for name, sql in views}
    for table in tables:
        reached: set[str] = set()
        ahead = set(reads.get(table, ()))
        while ahead:
            reached |= ahead
            ahead = {name for view in ahead for name in reads.get(view, ())} - reached
        if (reached - {table}) & TABLES.keys():
            connection.execute(f"CREATE TABLE held_{table} AS SELECT * FROM {quoted(table)}")
            connection.execute(f"DROP VIEW {quoted(table)}")
            connection.execute(f"ALTER TABLE held_{table} RENAME TO {quoted(table)}")


def _tables_read(connection: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    """Names in the FROM clauses of a query, as they are written."""
    ((parsed,),) = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    names: set[str] = set()
    nodes: list[Any] = [json.loads(parsed)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                names.add(node["table_name"].lower())
            node = list(node.values())
        if isinstance(node, list):
            nodes += node
    return names
