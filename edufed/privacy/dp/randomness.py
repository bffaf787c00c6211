"""Randomness that nobody can predict, and Gaussian noise on a grid.

Opacus' `secure_mode` needs torchcsprng, which torch no longer has, and torch's own generator is a
Mersenne twister: whoever sees enough of its output knows the rest, noise included. So uniform
numbers come from the operating system's generator and become Gaussian by the inverse of the
normal distribution function.

Floating-point numbers near a sum betray it by the gaps between them (Mironov 2012; Jin et al.
2022). So a sum is rounded to a grid first, and the noise is a whole number of grid steps.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Float64Array = npt.NDArray[np.float64]

#: Grid steps in one standard deviation of noise, where no grid is given: 2^30.
_STEPS = 30
#: Coarsest grid, relative to the deviation, on which rounded noise is as good as Gaussian.
COARSEST = 2.0**-12


class RandomSource:
    """Uniform and Gaussian numbers from random bytes.

    Parameters
    ----------
    read : callable
        Gives n random bytes; the operating system's cryptographically secure generator unless
        given. Anything else is for tests alone: `RandomSource.repeatable`.
    """

    def __init__(self, read: Callable[[int], bytes] = os.urandom) -> None:
        self._read = read

    @classmethod
    def repeatable(cls, seed: int) -> RandomSource:
        """Return a source that gives the same numbers again, so protects nobody: for tests."""
        return cls(np.random.default_rng(seed).bytes)

    def uniform(self, size: int) -> Float64Array:
        """Numbers strictly between 0 and 1, 52 random bits each, shape (size,)."""
        words = np.frombuffer(self._read(8 * size), np.uint64)
        return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def normal(self, size: int) -> Float64Array:
        """Standard normal numbers, shape (size,); none is beyond 8.2, where 2e-16 would be."""
        numbers: Float64Array = ndtri(self.uniform(size))
        return numbers

    def below(self, chance: float, size: int) -> npt.NDArray[np.bool_]:
        """Independent yes or no with the `chance` of yes, shape (size,): a Poisson sample."""
        return self.uniform(size) < chance


def grid_for(deviation: float) -> float:
    """Grid, a power of two, fine beside noise of this deviation."""
    return float(2.0 ** (math.floor(math.log2(deviation)) - _STEPS))


def widened(sensitivity: float, size: int, grid: float) -> float:
    """Most that one learner can change a sum of `size` values once it is rounded to the grid.

    Rounding moves each of two neighbouring sums by at most half a step in every value, so
    sqrt(size) steps between them in Euclidean length.
    """
    return sensitivity + grid * math.sqrt(size)


def add_noise(
    values: npt.NDArray[np.floating], deviation: float, source: RandomSource, grid: float
) -> Float64Array:
    """Round `values` to the grid and add Gaussian noise that is a whole number of its steps.

    The noise is a Gaussian rounded to the grid. Its probabilities and those of the discrete
    Gaussian (Canonne et al. 2020) differ by a factor within 1 ± z²/24 · (grid/deviation)² at z
    deviations: 2e-7 at most on the coarsest grid, 1e-17 on that of `grid_for`.

    Parameters
    ----------
    values : float array
    deviation : float
        Of the noise in each value, already for the sensitivity that `widened` gives.
    source : RandomSource
    grid : float
        A power of two.

    Returns
    -------
    float64 array, shape of `values`

    Raises
    ------
    ValueError
        The grid is too coarse for noise this small.
    """
    if not 0 < grid <= deviation * COARSEST:
        raise ValueError(
            f"noise of deviation {deviation:.3g} is too small for a grid of {grid:.3g}:"
            " use more binary digits or more noise"
        )
    noise = np.rint(source.normal(values.size) * (deviation / grid)).reshape(values.shape)
    return (np.rint(values.astype(np.float64) / grid) + noise) * grid
