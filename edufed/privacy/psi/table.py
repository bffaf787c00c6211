"""Garbled cuckoo tables: key-value tables that show neither keys nor which values are real.

Each key has three slots, and the xor of what stands in them is its value; a key that was not put in
gives something random (Pinkas, Rosulek, Trieu & Yanai 2020, doi:10.1007/978-3-030-45724-2_25). With
values that look random to who has the table, so does the whole table: it shows its size alone.

Keys are three words of 64 bits each, already uniform (a hash).
"""

from __future__ import annotations

import math
import os
import struct

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

#: Slots for each key, and some more for small tables. Below 1.23 no table could be filled.
_SLACK = 1.3
_SPARE = 48
_TRIES = 100
_SALT = struct.Struct("<Q")


class TableError(ValueError):
    """A table that is damaged; the message is one line."""


def table_size(count: int) -> int:
    """Bytes of a table of `count` keys."""
    return _SALT.size + 8 * _slots(count)


def build(keys: Words, values: Words) -> bytes:
    """Build a table.

    Parameters
    ----------
    keys : uint64 array, shape (n, 3)
        Distinct rows.
    values : uint64 array, shape (n,)
    """
    slots = _slots(len(keys))
    for _ in range(_TRIES):
        salt = os.urandom(_SALT.size)
        where = _where(keys, slots, salt)
        layers = _peel(where, slots)
        if layers is not None:
            return salt + _fill(where, values, slots, layers).tobytes()
    raise TableError("a key stands twice in a table")


def look_up(table: bytes, keys: Words) -> Words:
    """Read the values of `keys`, shape (n, 3): an uint64 array of shape (n,).

    Raises
    ------
    TableError
        The table has a size that no table has.
    """
    content = np.frombuffer(table, np.uint8)[_SALT.size :]
    if len(table) < table_size(0) or len(content) % 24:
        raise TableError(f"a table cannot have {len(table)} bytes")
    filled = content.view("<u8")
    where = _where(keys, len(filled), table[: _SALT.size])
    return np.bitwise_xor.reduce(filled[where], axis=1)


def _slots(count: int) -> int:
    return 3 * math.ceil((_SLACK * count + _SPARE) / 3)


def _where(keys: Words, slots: int, salt: bytes) -> npt.NDArray[np.int64]:
    """Slots of each key, shape (n, 3): one in each third of the table."""
    third = slots // 3
    mixed = keys ^ np.uint64(_SALT.unpack(salt)[0])
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return (mixed % np.uint64(third)).astype(np.int64) + np.arange(3) * third


_Layer = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _peel(where: npt.NDArray[np.int64], slots: int) -> list[_Layer] | None:
    """Take off keys that have a slot of their own, layer by layer: (keys, that slot).

    None where some keys are left, each of whose slots another one needs.
    """
    users = np.bincount(where.ravel(), minlength=slots)
    which = np.zeros(slots, np.int64)  # xor of the keys that use a slot: its key, when it is one
    np.bitwise_xor.at(which, where, np.arange(len(where))[:, None])
    layers: list[_Layer] = []
    left = len(where)
    candidates = np.flatnonzero(users == 1)
    while left and len(candidates):
        taken, first = np.unique(which[candidates], return_index=True)
        layers.append((taken, candidates[first]))
        left -= len(taken)
        freed = where[taken]
        np.subtract.at(users, freed, 1)
        np.bitwise_xor.at(which, freed, taken[:, None])
        touched = np.unique(freed)
        candidates = touched[users[touched] == 1]
    return None if left else layers


def _fill(where: npt.NDArray[np.int64], values: Words, slots: int, layers: list[_Layer]) -> Words:
    filled = np.frombuffer(os.urandom(8 * slots), "<u8").copy()
    for keys, own in reversed(layers):
        # Layers filled later do not touch these slots, so what a key needs stays as it is.
        filled[own] ^= np.bitwise_xor.reduce(filled[where[keys]], axis=1) ^ values[keys]
    return filled
