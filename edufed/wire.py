"""What a message carries: named arrays, and one JSON object beside them.

Both travel in one record, the arrays as bytes (safetensors): Flower fetches each record, each array
and each of its chunks by a request of its own, and every request is signed, checked and looked up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from flwr.app import ConfigRecord, RecordDict
from safetensors import SafetensorError
from safetensors.numpy import load, save

Arrays = dict[str, npt.NDArray[Any]]

#: Name of the record in a message, and of what it holds.
CONTENT, META, ARRAYS = "content", "meta", "arrays"

#: Prefixes that tell a model's arrays in a message from the federation's sums.
WEIGHT, SUM = "weight/", "sum/"


class WireError(Exception):
    """A message does not hold what its type promises."""


def prefixed(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Return `arrays` with `prefix` before each name."""
    return {prefix + name: array for name, array in arrays.items()}


def unprefixed(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Return those of `arrays` whose name starts with `prefix`, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def as_array(message: bytes) -> npt.NDArray[np.uint8]:
    """Return a protocol's message as an array, as it travels among others."""
    return np.frombuffer(message, dtype=np.uint8)


def pack(
    meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]] | None = None
) -> RecordDict:
    """Put a JSON object and named arrays into a message's content.

    Parameters
    ----------
    meta : mapping
        Anything JSON can say, NaN and infinity aside.
    arrays : mapping of str to numpy array, optional
    """
    text = json.dumps(dict(meta), allow_nan=False, separators=(",", ":"))
    together = save({name: np.asarray(a, order="C") for name, a in (arrays or {}).items()})
    return RecordDict({CONTENT: ConfigRecord({META: text, ARRAYS: together})})


def unpack(content: RecordDict) -> tuple[dict[str, Any], Arrays]:
    """Take a message's content apart again.

    Returns
    -------
    meta : dict
    arrays : dict of str to numpy array

    Raises
    ------
    WireError
        The content was not made by `pack`.
    """
    try:
        record = content[CONTENT]
        assert isinstance(record, ConfigRecord)
        text, together = record[META], record[ARRAYS]
        assert isinstance(text, str)
        assert isinstance(together, bytes)
        meta = json.loads(text)
        arrays = {name: array.copy() for name, array in load(together).items()}  # to be written to
    except (
        KeyError,
        ValueError,
        AssertionError,
        TypeError,
        RecursionError,
        SafetensorError,
    ) as error:
        raise WireError(f"not a message of ours: {type(error).__name__}") from None
    if not isinstance(meta, dict):
        raise WireError("not a message of ours: expected a JSON object")
    return meta, arrays


def size(content: RecordDict) -> int:
    """Bytes of a message's payload, without Flower's envelope."""
    return sum(record.count_bytes() for record in content.config_records.values())
