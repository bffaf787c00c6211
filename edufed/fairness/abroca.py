"""ABROCA, the absolute area between two groups' ROC curves, with a randomisation test.

Gardner, Brooks & Baker 2019, "Evaluating the fairness of predictive student models through slicing
analysis", doi:10.1145/3303772.3303791. Both are computed from counts of learners by class and bin
of risk, which add up over sites: curves run straight through a bin, which takes its learners'
order for random.

ABROCA is never below 0, and for two groups that are served alike its value depends on how many
learners they have (Borchers & Baker 2025, "ABROCA distributions for algorithmic bias
assessment"), so it says little without what chance alone gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


def roc_curve(counts: npt.NDArray[np.number]) -> tuple[Float64Array, Float64Array]:
    """Return false and true positive rates at the bins' edges, from the highest risk down.

    Parameters
    ----------
    counts : array, shape (2, bins)
        Negatives and positives, at least one of each, by bin from lowest to highest risk.
    """
    running = np.cumsum(counts[:, ::-1], axis=1, dtype=np.float64)
    negatives, positives = np.pad(running / running[:, -1:], ((0, 0), (1, 0)))
    return negatives, positives


def abroca(one: npt.NDArray[np.number], other: npt.NDArray[np.number]) -> float:
    """Absolute area between the ROC curves of two groups, exactly that of their binned curves.

    Parameters
    ----------
    one, other : array, shape (2, bins)
        As `roc_curve` takes them.
    """
    (x, y), (u, v) = roc_curve(one), roc_curve(other)
    grid = np.unique(np.concatenate([x, u]))
    width = np.diff(grid)
    # A curve may rise at one place: what it is just after it and just before the next one.
    after = _after(grid[:-1], x, y) - _after(grid[:-1], u, v)
    before = _before(grid[1:], x, y) - _before(grid[1:], u, v)
    sizes = np.abs(after) + np.abs(before)
    crossed = np.divide(
        after**2 + before**2, sizes, out=np.zeros_like(sizes), where=after * before < 0
    )
    return float(width @ np.where(after * before < 0, crossed, sizes) / 2.0)


def _after(place: Float64Array, x: Float64Array, y: Float64Array) -> Float64Array:
    left = np.minimum(np.searchsorted(x, place, side="right"), len(x) - 1) - 1
    return _between(place, x, y, left)


def _before(place: Float64Array, x: Float64Array, y: Float64Array) -> Float64Array:
    left = np.maximum(np.searchsorted(x, place, side="left"), 1) - 1
    return _between(place, x, y, left)


def _between(
    place: Float64Array, x: Float64Array, y: Float64Array, left: npt.NDArray[np.int64]
) -> Float64Array:
    run = x[left + 1] - x[left]
    share = np.divide(place - x[left], run, out=np.zeros_like(place), where=run > 0)
    found: Float64Array = y[left] + share * (y[left + 1] - y[left])
    return found


def error_bound(one: npt.NDArray[np.number], other: npt.NDArray[np.number]) -> float:
    """Most that ABROCA can differ from that of the risks themselves.

    Inside a bin either curve runs within a box of p_b / P by n_b / N, and at most half of the box
    away in area from the straight line through it.
    """
    bound = 0.0
    for counts in (one, other):
        negatives, positives = np.asarray(counts, dtype=np.float64)
        bound += float(positives @ negatives / (2.0 * positives.sum() * negatives.sum()))
    return bound


@dataclass(frozen=True)
class Shuffled:
    """Two groups under chance alone.

    Attributes
    ----------
    abroca : float64 array, shape (permutations,)
    caseload : float64 array, shape (permutations,)
        Difference of the shares of positives who are in the caseload, one less other.
    """

    abroca: Float64Array
    caseload: Float64Array


def shuffle(
    one: npt.NDArray[np.int64],
    other: npt.NDArray[np.int64],
    in_caseload: Float64Array,
    permutations: int,
    rng: np.random.Generator,
) -> Shuffled:
    """Give the learners of two groups their groups at random, those of each outcome apart.

    Where both have one ROC curve, the group says nothing of the order of risks beyond the outcome.
    A random order of group labels among the learners of one outcome fills the bins by the
    multivariate hypergeometric distribution, so that drawing from it is the randomisation test
    itself, and takes no more than the two histograms: nobody needs to send shuffled ones.

    Parameters
    ----------
    one, other : int64 array, shape (2, bins)
    in_caseload : float64 array, shape (bins,)
        Share of each bin's learners who are in the caseload.
    permutations : int
    rng : numpy.random.Generator
    """
    both = one + other
    full = both.sum(axis=0) > 0  # no learner can come to lie in an empty bin
    one, other, both, in_caseload = one[:, full], other[:, full], both[:, full], in_caseload[full]
    drawn = np.stack(
        [
            rng.multivariate_hypergeometric(
                both[label], int(one[label].sum()), size=permutations, method="marginals"
            )
            for label in range(2)
        ],
        axis=1,
    )
    positives, total = drawn[:, 1], both[1]
    caught = positives @ in_caseload
    caseload = caught / one[1].sum() - (total @ in_caseload - caught) / other[1].sum()
    areas = np.array([abroca(draw, both - draw) for draw in drawn])
    return Shuffled(areas, caseload)


def p_value(observed: float, under_chance: Float64Array) -> float:
    """Share of random orders at least as far from 0, the one observed counted in (never 0).

    Phipson & Smyth 2010, doi:10.2202/1544-6115.1585.
    """
    # Equal values differ in their last digit by the order of their sums.
    as_far = int((np.abs(under_chance) >= abs(observed) - 1e-12).sum())
    return (1 + as_far) / (1 + len(under_chance))


def holm(values: list[float]) -> list[float]:
    """Adjust p-values for their number (Holm 1979), in the order given."""
    adjusted, highest = [0.0] * len(values), 0.0
    for place, index in enumerate(np.argsort(values, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(values) - place) * values[index]))
        adjusted[index] = highest
    return adjusted
