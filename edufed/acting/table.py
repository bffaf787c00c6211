"""A list in a table of the platform's database: all of it or nothing, and each issue once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from edufed.acting.issue import Issue
from edufed.records import DataError

_KEY = ("job_id", "site", "list", "issued_on", "row")
#: Longest text in a column of the key: databases that index text want to know.
_KEY_TEXT = 190


def write_lists(url: Any, table: str, lists: Sequence[tuple[Issue, pd.DataFrame]]) -> list[bool]:
    """Put lists into a table, which is made where there is none: all of them, or none.

    Parameters
    ----------
    url : sqlalchemy.URL
    table : str
        Its name, after ``SCHEMA.`` where it is not in the default one.
    lists : sequence of (Issue, pandas.DataFrame)
        Of one kind, not yet stamped.

    Returns
    -------
    list of bool
        False where the same issue is there already: then nothing of it is written.

    Raises
    ------
    DataError
        The database cannot be reached or written to, or the table there has not the columns.
    """
    schema, _, name = table.rpartition(".")
    try:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise DataError(f"no driver for {url.drivername} is installed; install one") from None
    try:
        with closing(engine.connect()) as connection, connection.begin():
            return [_write(connection, schema or None, name, *one) for one in lists]
    except SQLAlchemyError as error:
        raise DataError(_said(url, table, error)) from None


def _write(
    connection: sa.Connection, schema: str | None, name: str, issue: Issue, frame: pd.DataFrame
) -> bool:
    stamped = issue.stamp(frame)
    target = _table(connection, schema, name, stamped)
    if _there(connection, target, issue):
        return False
    if len(stamped):
        connection.execute(sa.insert(target), _rows(stamped))
    return True


def read_table(url: Any, table: str) -> pd.DataFrame:
    """Read a table as it is.

    Raises
    ------
    DataError
        The database does not give it.
    """
    schema, _, name = table.rpartition(".")
    source = sa.table(sa.quoted_name(name, quote=True), schema=schema or None)
    try:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with closing(engine.connect()) as connection:
            found = connection.execute(sa.select(sa.text("*")).select_from(source))
            return pd.DataFrame(found.fetchall(), columns=list(found.keys()))
    except (NoSuchModuleError, ModuleNotFoundError):
        raise DataError(f"no driver for {url.drivername} is installed; install one") from None
    except SQLAlchemyError as error:
        raise DataError(_said(url, table, error)) from None


def _table(
    connection: sa.Connection, schema: str | None, name: str, frame: pd.DataFrame
) -> sa.Table:
    columns = [
        sa.Column(column, _type(frame[column], column), primary_key=column in _KEY)
        for column in frame.columns
    ]
    target = sa.Table(name, sa.MetaData(), *columns, schema=schema)
    inspector = sa.inspect(connection)
    if not inspector.has_table(name, schema=schema):
        target.create(connection)
        return target
    there = {column["name"] for column in inspector.get_columns(name, schema=schema)}
    if missing := [column for column in frame.columns if column not in there]:
        raise DataError(
            f"table {name}: has no column {missing[0]}, which the list has; name another table"
        )
    return target


def _type(values: pd.Series[Any], column: str) -> sa.types.TypeEngine[Any]:
    if pd.api.types.is_bool_dtype(values):
        return sa.Boolean()
    if pd.api.types.is_integer_dtype(values):
        return sa.BigInteger()
    if pd.api.types.is_float_dtype(values):
        return sa.Double()
    return sa.String(_KEY_TEXT) if column in _KEY else sa.Text()


def _there(connection: sa.Connection, target: sa.Table, issue: Issue) -> bool:
    columns = target.c
    same = sa.and_(
        columns["job_id"] == issue.job_id,
        columns["site"] == issue.site,
        columns["list"] == issue.kind,
        columns["issued_on"] == issue.issued_on,
    )
    return connection.execute(sa.select(sa.literal(1)).where(same).limit(1)).first() is not None


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    values = frame.astype(object).where(frame.notna(), None)
    return [
        {str(name): getattr(value, "item", lambda v=value: v)() for name, value in row.items()}
        for row in values.to_dict("records")
    ]


def _said(url: Any, table: str, error: SQLAlchemyError) -> str:
    # The database's own message may quote values, hosts and names of users.
    kind = type(getattr(error, "orig", None) or error).__name__
    return (
        f"table {table}: the {url.get_backend_name()} database does not take or give it ({kind});"
        " check the URL, the table, and that the account may use it"
    )
