"""Named arrays: what messages, models and kept files are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


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


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return the SHA-256 of named arrays, the same wherever it is computed."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(json.dumps([name, str(array.dtype), array.shape]).encode())
        found.update(array.tobytes())
    return found.digest()
