"""Random orders that nobody can predict."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt


def drawn_order(count: int) -> npt.NDArray[np.int64]:
    """Draw a permutation of 0..count-1 from the operating system's randomness."""
    return np.argsort(np.frombuffer(os.urandom(8 * count), np.uint64), kind="stable")
