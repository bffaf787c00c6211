"""A raw column as text or as a number, whatever type the platform's table gives it."""

from __future__ import annotations

from data_adapters.sources.quoting import identifier, literal

FLOATS = ("FLOAT", "DOUBLE", "DECIMAL")
#: Up to this size a float tells every whole number from the next.
EXACT = 2**53


def column(name: str) -> str:
    """Name a column of the platform's row."""
    return f"src.{identifier(name)}"


def text(name: str, type_: str) -> str:
    """SQL of a column as text: no blanks around it, nothing left is NULL, and 7.0 is 7.

    A whole number loses its `.0`, for an id is the same id in a table where some are missing
    (which makes pandas write floats) as in one where none is. NaN is a missing value, and no id
    of the many learners who have none.
    """
    value = column(name)
    if type_.startswith(FLOATS):
        real = f"TRY_CAST({value} AS DOUBLE)"
        return (
            f"CASE WHEN isnan({real}) THEN NULL"
            f" WHEN {value} = trunc({value}) AND abs({value}) <= {EXACT}"
            f" THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE CAST({value} AS VARCHAR) END"
        )
    if type_ == "VARCHAR":
        return f"nullif(trim({value}), '')"
    return f"CAST({value} AS VARCHAR)"


def number(name: str, type_: str, decimal: str = ".") -> str:
    """SQL of a column as a finite number; NULL where it is none."""
    value = column(name)
    if "INT" in type_ and not type_.startswith("INTERVAL"):
        return f"CAST({value} AS DOUBLE)"
    if type_ == "VARCHAR" and decimal != ".":
        value = f"replace(replace({value}, '.', ''), {literal(decimal)}, '.')"
    elif not type_.startswith(FLOATS):
        value = text(name, type_)
    return finite(f"TRY_CAST({value} AS DOUBLE)")


def finite(real: str) -> str:
    """SQL of a number, NULL where it is not finite: NaN is how pandas writes a missing one."""
    return f"CASE WHEN isfinite({real}) THEN {real} END"
