"""How unequal units are: coefficient of variation, Gini, and Theil's index with its split.

References: Theil (1967), Economics and Information Theory; Shorrocks (1980, Econometrica 48:613)
for the split; the coefficient of variation is weighted by learners, as in the Chinese Ministry of
Education's measures for balanced compulsory education (教督〔2012〕3号).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.quality.measures import COUNT, ENTROPY, SUM

Float64Array = npt.NDArray[np.float64]

#: Largest coefficient of variation at which compulsory education counts as balanced, by stage.
BALANCED = {"primary": 0.50, "junior_secondary": 0.45}


@dataclass(frozen=True)
class Theil:
    """Theil's T over learners: `total` is `between` units plus `within` them."""

    total: float
    between: float
    within: float


def coefficient_of_variation(means: Float64Array, counts: Float64Array) -> float:
    """Deviation of units' means from the mean of all learners, weighted by learners, over it.

    Parameters
    ----------
    means, counts : float arrays, shape (units,)

    Returns
    -------
    float
        NaN where the mean is not positive or there are fewer than two units.
    """
    if len(means) < 2:
        return float("nan")
    centre = float(np.average(means, weights=counts))
    if not centre > 0:
        return float("nan")
    return float(np.sqrt(np.average((means - centre) ** 2, weights=counts)) / centre)


def gini(means: Float64Array, counts: Float64Array) -> float:
    """Gini index between units, each learner counted with their unit's mean; NaN as above.

    Half the mean absolute difference of two learners drawn at random, over the mean.
    """
    if len(means) < 2:
        return float("nan")
    order = np.argsort(means, kind="stable")
    x, weight = means[order], counts[order] / counts.sum()
    centre = float((weight * x).sum())
    if not centre > 0 or x[0] < 0:
        return float("nan")
    below = np.concatenate([[0.0], np.cumsum(weight * x)]) / centre
    return float(1.0 - (weight * (below[1:] + below[:-1])).sum())


def theil(sums: Float64Array) -> Theil:
    """Theil's T of an amount over learners, split between and within units.

    Parameters
    ----------
    sums : float array, shape (units, SUMS)
        Of an `amount`, as `edufed.quality.measures.cell_sums`.

    Returns
    -------
    Theil
        NaN where nothing was used at all.
    """
    used = sums[(sums[:, COUNT] > 0) & (sums[:, SUM] > 0)]
    count, total = float(sums[:, COUNT].sum()), float(used[:, SUM].sum())
    if not total > 0:
        return Theil(float("nan"), float("nan"), float("nan"))
    part = used[:, SUM] / total
    average = used[:, SUM] / used[:, COUNT]
    between = float((part * np.log(average / (total / count))).sum())
    # Within a unit: its own index, sum x ln x / sum x - ln(mean).
    within = float((part * (used[:, ENTROPY] / used[:, SUM] - np.log(average))).sum())
    whole = float(sums[:, ENTROPY].sum()) / total - float(np.log(total / count))
    return Theil(whole, between, within)
