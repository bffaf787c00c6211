"""Bad rows, added beside the good ones and counted, so that what governance finds can be checked.

Every bad row is a copy of a good one, spoilt in one way. Take out the bad rows, and what is left
is the table as it was.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_adapters.province.learners import IntArray

#: Ways to be bad, by table.
REASONS: dict[str, tuple[str, ...]] = {
    "learners": ("duplicate",),
    "enrolments": ("duplicate", "unknown_learner"),
    # Equal events are no mistake to the schema, which gives them no key.
    "events": ("out_of_range", "unknown_learner", "bad_date"),
    "outcomes": ("out_of_range", "unknown_learner"),
}
#: Ids per chunk that belong to no learner.
STRANGERS = 1024
#: What a missing date becomes in careless exports: 1 January 1970, seen from these courses.
EPOCH = -19_754.0


def strangers(chunk: int) -> IntArray:
    """Return learner numbers that no region has, shape (STRANGERS,)."""
    first = (1 << 39) + chunk * STRANGERS
    return np.arange(first, first + STRANGERS)


def soil(
    rng: np.random.Generator, name: str, table: pa.Table, unknown: pa.Array, share: float
) -> tuple[pa.Table, Counter[str]]:
    """Add bad rows to a table.

    Parameters
    ----------
    rng : numpy.random.Generator
    name : str
        Canonical name of the table.
    table : pyarrow.Table
    unknown : pyarrow.Array
        Learner ids that belong to nobody. Where `table` has dictionary-encoded ids, they stand
        at the end of its dictionary.
    share : float
        Bad rows wanted, as a share of the good ones; reasons have equal parts of it.

    Returns
    -------
    table : pyarrow.Table
        The good rows, then the bad ones.
    counts : Counter
        Bad rows by reason.
    """
    counts: Counter[str] = Counter()
    parts = [table]
    for reason in REASONS[name]:
        number = int(share / len(REASONS[name]) * table.num_rows + rng.random())
        bad = _spoil(rng, table, reason, unknown, number) if number else table.slice(0, 0)
        counts[reason] = bad.num_rows
        parts.append(bad)
    return pa.concat_tables(parts), counts


def _spoil(
    rng: np.random.Generator, table: pa.Table, reason: str, unknown: pa.Array, number: int
) -> pa.Table:
    target = next((name for name in ("score", "duration_s") if name in table.column_names), "")
    rows = np.arange(table.num_rows)
    if reason == "out_of_range":
        rows = np.flatnonzero(table[target].is_valid().to_numpy())
    number = min(number, len(rows), len(unknown))
    # Without return: a row copied twice would be a duplicate as well.
    bad = table.take(pa.array(np.sort(rng.choice(rows, number, replace=False))))
    if reason == "unknown_learner":
        return _replace(bad, "learner_id", _nobody(bad["learner_id"], unknown, number))
    if reason == "bad_date":
        return _replace(bad, "time", pc.add(pc.multiply(bad["time"], 0.0), EPOCH))
    if reason == "out_of_range" and target == "score":  # percent where a share belongs
        return _replace(bad, "score", pc.multiply(pc.max_element_wise(bad["score"], 0.02), 100.0))
    if reason == "out_of_range":
        return _replace(bad, "duration_s", pc.add(pc.multiply(bad["duration_s"], 0.0), -1.0))
    return bad


def _replace(table: pa.Table, column: str, values: pa.ChunkedArray | pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def _nobody(ids: pa.ChunkedArray, unknown: pa.Array, number: int) -> pa.Array:
    if not pa.types.is_dictionary(ids.type):
        return unknown.slice(0, number)
    dictionary = ids.chunk(0).dictionary
    first = len(dictionary) - len(unknown)
    indices = pa.array(np.arange(first, first + number, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(indices, dictionary)
