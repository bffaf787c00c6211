"""Real numbers as whole ones, so that a secure sum of them is exact to 2^-40.

Secure aggregation rounds to 24 binary digits after the point, too coarse for a mean of few
learners, and wraps beyond 2^39. Whole numbers within its range it adds exactly. So a real number
stands as three whole ones in base 2^28, the last worth 2^-40; sums of up to 1000 sites' parts
stay within the range, and so does every value up to 2^43.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: What one of each part is worth.
WORTH = (2.0**16, 2.0**-12, 2.0**-40)
#: Values up to this size can be split.
LARGEST = 2.0**43


def split(values: Float64Array) -> IntArray:
    """Return whole numbers, shape (..., 3), that stand for `values` to 2^-41.

    Raises
    ------
    ValueError
        A value is not finite or larger than `LARGEST`.
    """
    if not (np.abs(values) <= LARGEST).all():  # NaN fails too
        raise ValueError(f"a sum is not finite or larger than {LARGEST:.3g}")
    parts = []
    rest = values.astype(np.float64)
    for worth in WORTH[:-1]:
        whole = np.trunc(rest / worth)  # towards 0, so that no digit is lost below
        parts.append(whole)
        rest = rest - whole * worth  # exact: worths are powers of two
    parts.append(np.rint(rest / WORTH[-1]))
    return np.stack(parts, axis=-1).astype(np.int64)


def join(parts: IntArray) -> Float64Array:
    """Return the values, shape (...), that sums of `split` parts stand for."""
    # The small parts first: together they round once.
    small = parts[..., 1] * WORTH[1] + parts[..., 2] * WORTH[2]
    return np.asarray(parts[..., 0] * WORTH[0] + small, np.float64)
