"""Matrix products modulo 2^46, exactly, by floating-point matrix products of 16-bit limbs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.privacy.products.lattice import PLAIN_BITS, PLAIN_MASK, Words

_LIMB = 16
#: Products of two limbs of 16 bits over this many rows stay below 2^53.
_ROWS = 1 << 16


def product(matrix: npt.NDArray[np.integer], vectors: Words) -> Words:
    """Compute Aᵀv modulo 2^46.

    Parameters
    ----------
    matrix : integer array, shape (rows, features)
        Signed, or modulo 2^46.
    vectors : uint64 array, shape (rows, labels)
        Modulo 2^46.

    Returns
    -------
    uint64 array, shape (features, labels)
    """
    total = np.zeros((matrix.shape[1], vectors.shape[1]), np.uint64)
    for start in range(0, len(matrix), _ROWS):
        right = _limbs(vectors[start : start + _ROWS])
        for at, left in enumerate(_limbs(matrix[start : start + _ROWS])):
            for other in range(len(right) - at):
                part = (left.T @ right[other]).astype(np.int64).view(np.uint64)
                total += part << np.uint64(_LIMB * (at + other))
    return total & PLAIN_MASK


def _limbs(values: npt.NDArray[np.integer]) -> list[npt.NDArray[np.float64]]:
    if values.dtype == np.int16:
        return [values.astype(np.float64)]
    words = values.astype(np.uint64)
    return [
        ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64)
        for shift in range(0, PLAIN_BITS, _LIMB)
    ]
