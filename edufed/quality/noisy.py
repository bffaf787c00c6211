"""What noisy cells of a map say: means whose standard errors hold both sampling and the noise.

The noise is Gaussian with a deviation that everybody knows. A mean is a noisy sum over a noisy
count; the delta method gives its error, and a count is told only where it is known to a tenth, so
that the method holds. Nothing is cut to the range of its measure but variances, which a reader
does not see: a mean of shares may come out a little above 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.quality.measures import MEASURES
from edufed.quality.parity import parity
from edufed.quality.private import BY_GROUP, COUNT, SQUARES, SUM, scale

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: A count is told from so many deviations of its noise on.
CLEAR = 10.0
FEW, NOISE = "few", "noise"


@dataclass(frozen=True)
class Noisy:
    """Estimates of several cells.

    Attributes
    ----------
    learners : float array, shape (cells,)
        With noise of deviation `count_noise`.
    count_noise : float
    least : float
        Fewest learners, by noisy count, behind a figure.
    counts, means, variances : float arrays, shape (cells, measures)
        In each measure's own units; the variance is that of one learner.
    noise : float array, shape (cells, measures)
        Deviation that noise gives each mean.
    """

    learners: Float64Array
    count_noise: float
    least: float
    counts: Float64Array
    means: Float64Array
    variances: Float64Array
    noise: Float64Array

    @property
    def told(self) -> BoolArray:
        """Which means are told, shape (cells, measures)."""
        return (self.learners >= self.least)[:, None] & (self.counts >= self.least)

    @property
    def errors(self) -> Float64Array:
        """Standard errors of the means, shape (cells, measures): of sampling and noise together."""
        found: Float64Array = np.sqrt(self.variances / np.maximum(self.counts, 1) + self.noise**2)
        return found


def estimates(cells: Float64Array, deviation: float, least: int, most_use: float) -> Noisy:
    """Estimate means from noisy cells.

    Parameters
    ----------
    cells : float array, shape (cells, WIDTH)
        Sums of `edufed.quality.private.vectors`.
    deviation : float
        Of the noise in each number.
    least : int
        Fewest learners behind a figure.
    most_use : float
        As it was for `vectors`.
    """
    each = cells[:, 1:].reshape(len(cells), len(MEASURES), 3)
    low, span = scale(most_use)
    counts = each[:, :, 0] / COUNT
    n = np.maximum(counts, 1.0)  # below, nothing is told
    y = each[:, :, 1] / SUM / n
    noise = deviation * np.sqrt(1 / SUM**2 + (y / COUNT) ** 2) / n
    shares = np.array([measure.kind == "share" for measure in MEASURES])
    squares = np.where(shares, 0.0, each[:, :, 2] / SQUARES / n) + 1 / 8
    squares = np.where(shares, 1 / 4, squares)
    # Noise makes the square of the mean too large. At least, one in n is unlike the others.
    spread = np.clip(squares - y**2 + noise**2, (1 - 1 / n) / n, 1 / 4)
    return Noisy(
        learners=cells[:, 0] / COUNT,
        count_noise=deviation / COUNT,
        least=max(float(least), CLEAR * deviation / COUNT),
        counts=counts,
        means=low + span * (y + 0.5),
        variances=spread * span**2,
        noise=noise * span,
    )


def reason(count: float, least: int) -> str:
    """Why a figure of so many learners is not told: they are few, or lost in the noise."""
    return FEW if count < least else NOISE


def parities(groups: Noisy) -> dict[str, dict[str, dict[str, float] | None] | None]:
    """Parity index of each group and measure, with intervals that hold the noise.

    Parameters
    ----------
    groups : Noisy
        Of the province's groups, columns of `BY_GROUP` one after another.
    """
    found: dict[str, dict[str, Any] | None] = {}
    start = 0
    for group, columns in BY_GROUP.items():
        of_group: dict[str, Any] = {}
        one, other = start, start + 1
        for m, measure in enumerate(MEASURES):
            of_group[measure.name] = None
            if measure.kind == "change" or not groups.told[[one, other], m].all():
                continue
            index = parity(
                *(groups.means[one, m], groups.errors[one, m]),
                *(groups.means[other, m], groups.errors[other, m]),
            )
            if index is not None:
                of_group[measure.name] = {
                    name: float(getattr(index, name))
                    for name in ("index", "adjusted", "low", "high")
                }
        found[group] = of_group if any(of_group.values()) else None
        start += len(columns)
    return found
