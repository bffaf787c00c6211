"""Random numbers from the AES-256 stream of a 32-byte key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.privacy.masks import add_masks
from edufed.privacy.products.ring import LIMBS, Limbs

#: Coin pairs of the centred binomial: variance 21/2, standard deviation 3.24, as in SEAL.
_COINS = 21


def words(key: bytes, count: int) -> npt.NDArray[np.uint64]:
    """Uniform 64-bit words, shape (count,). A key is for one call."""
    drawn = np.zeros(count, "<u8")
    add_masks(drawn, added=[key])
    return drawn


def uniform(key: bytes, *shape: int) -> Limbs:
    """Coefficients uniform modulo 2^128, shape (*shape, LIMBS)."""
    return words(key, 2 * int(np.prod(shape))).view("<u2").reshape(*shape, LIMBS)


def ternary(key: bytes, *shape: int) -> npt.NDArray[np.int64]:
    """Uniform in -1, 0, 1 (but for 2^-64)."""
    drawn = words(key, int(np.prod(shape))) % np.uint64(3)
    return drawn.astype(np.int64).reshape(shape) - 1


def noise(key: bytes, *shape: int) -> npt.NDArray[np.int64]:
    """Centred binomial with standard deviation 3.24."""
    drawn = words(key, int(np.prod(shape)))
    mask = np.uint64((1 << _COINS) - 1)
    heads = np.bitwise_count(drawn & mask).astype(np.int64)
    tails = np.bitwise_count((drawn >> np.uint64(_COINS)) & mask).astype(np.int64)
    return (heads - tails).reshape(shape)
