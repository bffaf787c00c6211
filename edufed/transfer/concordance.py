"""Concordance: which score of one education type stands where a score of another does.

Called concordance and never equating: the two scores measure different things, there are no anchor
items or common learners, and what links them is an assumption, that learners who came with the same
prior level (ISCED 2011) are alike on either side (Pommerich & Dorans 2004, Applied Psychological
Measurement 28:216-218, on the difference). Both sites' learners are weighted to the first one's mix
of the prior levels that both have (frequency estimation, Kolen & Brennan 2014, ch. 5), and equal
quantiles correspond. Intervals are a bootstrap over learners, made at the sites: what leaves one is
a table of quantiles and their replicates. That names nobody, but of fewer learners than there are
places it is their scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Places at which a site states its scores, and those at which scores are related.
PLACES = np.linspace(0.01, 0.99, 99)
RELATED = np.linspace(0.05, 0.95, 19)
_GRID = np.linspace(0.0, 1.0, 1001)
REPLICATES = 200
#: A prior level with fewer learners says nothing.
LEAST = 50


@dataclass(frozen=True)
class Stratum:
    """One prior level's scores at a site.

    Attributes
    ----------
    level : int
        ISCED 2011; -1 where the site states none for anybody.
    learners : int
    quantiles : float64 array, shape (PLACES,)
    replicates : float64 array, shape (REPLICATES, PLACES)
        The same of learners drawn with replacement.
    """

    level: int
    learners: int
    quantiles: Array
    replicates: Array


def summarise(score: Array, level: Array, seed: int) -> list[Stratum]:
    """Summarise one site's scores, for whoever may see a level's scores without names.

    Parameters
    ----------
    score : float64 array, shape (learners,)
        0..1; NaN where a learner has none.
    level : float64 array, shape (learners,)
        Prior level; NaN where unknown. All unknown is one stratum.
    seed : int
    """
    rng = np.random.default_rng(seed)
    known = ~np.isnan(score)
    levels = np.where(np.isnan(level), -1.0, level)
    found = []
    for value in np.unique(levels[known]):
        if value < 0 and (levels >= 0).any():
            continue
        scores = score[known & (levels == value)]
        if len(scores) < LEAST:
            continue
        drawn = rng.choice(scores, (REPLICATES, len(scores)))
        found.append(
            Stratum(
                int(value),
                len(scores),
                np.quantile(scores, PLACES),
                np.quantile(drawn, PLACES, axis=1).T,
            )
        )
    return found


@dataclass(frozen=True)
class Concordance:
    """Scores of the second site that stand where those of the first do.

    Attributes
    ----------
    levels : tuple of int
        Prior levels compared.
    score, related, low, high : float64 arrays, shape (RELATED,)
        A score of the first, the second's, and bounds at 95 %.
    """

    levels: tuple[int, ...]
    score: Array
    related: Array
    low: Array
    high: Array


def relate(first: list[Stratum], second: list[Stratum]) -> Concordance | None:
    """Relate two sites' scores at equal quantiles; None where they share no prior level.

    Parameters
    ----------
    first, second : list of Stratum
        Of `summarise`. A site without levels is compared as a whole.
    """
    pairs = _pairs(first, second)
    if not pairs:
        return None
    weight = np.array([a.learners for a, _ in pairs], dtype=np.float64)
    weight /= weight.sum()

    def quantiles(curves: list[Array]) -> Array:
        """Scores at the related places of all levels together, by the first site's weights."""
        shares = [_share_below(curve) for curve in curves]
        together = np.sum([w * share for w, share in zip(weight, shares, strict=True)], axis=0)
        found: Array = np.interp(RELATED, together, _GRID)
        return found

    score = quantiles([a.quantiles for a, _ in pairs])
    related = quantiles([b.quantiles for _, b in pairs])
    drawn = []
    for r in range(REPLICATES):
        mine = quantiles([a.replicates[r] for a, _ in pairs])
        theirs = quantiles([b.replicates[r] for _, b in pairs])
        # The second's score at the place that the first's has in this draw.
        drawn.append(np.interp(score, *_rising(mine, theirs)))
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    low, high = np.minimum(low, related), np.maximum(high, related)
    return Concordance(tuple(a.level for a, _ in pairs), score, related, low, high)


def _share_below(quantiles: Array) -> Array:
    """Share of learners at or below each score of the grid, from quantiles at `PLACES`."""
    values, back = np.unique(quantiles, return_inverse=True)
    places = np.bincount(back, PLACES) / np.bincount(back)  # ties share their middle place
    share: Array = np.interp(_GRID, values, places, left=0.0, right=1.0)
    # Strictly rising, so that it can be read the other way round.
    return share + 1e-9 * _GRID


def _rising(x: Array, y: Array) -> tuple[Array, Array]:
    """Leave of points with equal x one, with the mean y."""
    values, back = np.unique(x, return_inverse=True)
    return values, np.bincount(back, y) / np.bincount(back)


def _pairs(first: list[Stratum], second: list[Stratum]) -> list[tuple[Stratum, Stratum]]:
    theirs = {stratum.level: stratum for stratum in second}
    return [(mine, theirs[mine.level]) for mine in first if mine.level in theirs]
