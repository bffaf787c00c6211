"""What a message carries: named arrays, and one JSON object beside them.

Both travel in one record, the arrays as bytes (safetensors): Flower fetches each record, each array
and each of its chunks by a request of its own, and every request is signed, checked and looked up.
Arrays that are mostly zeros, such as a small site's histograms, travel compressed (zlib).
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from flwr.app import ConfigRecord, RecordDict
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edufed.arrays import Arrays

#: Name of the record in a message, and of what it holds; `SQUEEZED` says which arrays are
#: compressed, with the dtype and shape that they have when they are not.
CONTENT, META, ARRAYS, SQUEEZED = "content", "meta", "arrays", "squeezed"
#: Bytes of the smallest array that is worth compressing, and zlib's fastest level.
_WORTH, _LEVEL = 4096, 1
_KINDS = frozenset(np.dtype(kind).str for kind in ("b1", "u1", "i4", "i8", "u4", "u8", "f4", "f8"))
#: Bytes that a message's compressed arrays may come to: a few bytes can stand for a gigabyte.
MOST_BYTES = 2**30

#: Prefixes that tell a model's arrays in a message from the federation's sums.
WEIGHT, SUM = "weight/", "sum/"


class WireError(Exception):
    """A message does not hold what its type promises."""


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
    sent = {name: np.asarray(array, order="C") for name, array in (arrays or {}).items()}
    squeezed = {name: array for name, array in sent.items() if _mostly_zeros(array)}
    forms = {name: [array.dtype.str, array.shape] for name, array in squeezed.items()}
    together = save(sent | {name: _squeeze(array) for name, array in squeezed.items()})
    return RecordDict(
        {CONTENT: ConfigRecord({META: text, ARRAYS: together, SQUEEZED: json.dumps(forms)})}
    )


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
        text, together, forms = record[META], record[ARRAYS], record[SQUEEZED]
        assert isinstance(text, str)
        assert isinstance(together, bytes)
        assert isinstance(forms, str)
        meta = json.loads(text)
        arrays = {name: array.copy() for name, array in load(together).items()}  # to be written to
        arrays |= _opened(arrays, json.loads(forms))
    except (
        KeyError,
        ValueError,
        AssertionError,
        TypeError,
        RecursionError,
        AttributeError,
        MemoryError,
        SafetensorError,
        zlib.error,
    ) as error:
        raise WireError(f"not a message of ours: {type(error).__name__}") from None
    if not isinstance(meta, dict):
        raise WireError("not a message of ours: expected a JSON object")
    return meta, arrays


def size(content: RecordDict) -> int:
    """Bytes of a message's payload, without Flower's envelope."""
    return sum(record.count_bytes() for record in content.config_records.values())


def _mostly_zeros(array: npt.NDArray[Any]) -> bool:
    if array.nbytes < _WORTH or array.dtype.str not in _KINDS:
        return False
    return 2 * int(np.count_nonzero(_bytes(array))) < array.nbytes


def _bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


def _squeeze(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(zlib.compress(_bytes(array).data, _LEVEL), dtype=np.uint8)


def _opened(arrays: Arrays, forms: dict[str, Any]) -> Arrays:
    """Decompress the arrays named in `forms`; ValueError where they are not as it says."""
    opened: Arrays = {}
    left = MOST_BYTES
    for name, (kind, shape) in forms.items():
        if kind not in _KINDS or not all(isinstance(n, int) and n > 0 for n in shape):
            raise ValueError("no such array")
        nbytes = np.dtype(kind).itemsize * math.prod(shape)
        left -= nbytes
        if left < 0:
            raise ValueError("too large")
        # One byte more than there should be, to find out if there is.
        content = zlib.decompressobj().decompress(arrays[name].tobytes(), nbytes + 1)
        if len(content) != nbytes:
            raise ValueError("not as long as it says")
        opened[name] = np.frombuffer(bytearray(content), dtype=kind).reshape(shape)
    return opened
