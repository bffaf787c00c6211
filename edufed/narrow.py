"""Whole numbers in the smallest type that holds them, for files that would else be mostly zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_TYPES = (np.uint8, np.uint16, np.uint32)


def narrowed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return whole numbers, none of them negative, in fewer bytes each; other arrays as they are.

    The values are the same, whatever is done with them; `widened` gives int64 back.
    """
    if array.dtype != np.int64 or not array.size or array.min() < 0:
        return array
    for kind in _TYPES:
        if array.max() <= np.iinfo(kind).max:
            return array.astype(kind)
    return array


def widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what `narrowed` made smaller as int64."""
    return array.astype(np.int64) if array.dtype in _TYPES else array
