"""Split-conformal prediction sets for pass or fail, from counts that add up over sites.

A learner's score is the bin of the model's logit of passing. Among calibration learners who
passed, the conformal quantile says how low a pass may score; among those who did not, how high
(Vovk, Gammerman & Shafer 2005; label-conditional: Sadinle, Lei & Wasserman 2019). A result whose
bound the learner keeps is in the learner's set: {pass}, {fail}, both (the model abstains) or
neither (nothing like it was seen). A learner like those of the calibration finds the true
result in the set with a chance of at least `coverage`, whichever result it is.

As the score is a bin number, and not a number that was rounded afterwards, a quantile of summed
counts is exactly the quantile of all learners' scores in one place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

#: Logits of passing from -12 to 12, in steps of 0.02; what is beyond is in the last bins.
REACH, BINS = 12.0, 1200
#: Rows of counts, and of all that is known by result.
PASS, FAIL = 0, 1
RESULTS = ("pass", "fail")
#: Kinds of sets, in the order of `kinds`.
KINDS = ("neither", "pass", "fail", "both")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def bins_of(logit: npt.NDArray[np.floating]) -> Ints:
    """Return the bin of each logit of passing, 0 to `BINS` - 1, shape (rows,)."""
    place = (np.asarray(logit, dtype=np.float64) + REACH) * (BINS / (2 * REACH))
    return np.clip(np.floor(place), 0, BINS - 1).astype(np.int64)


def count(bins: Ints, passed: Mask) -> Ints:
    """Count learners by result and bin; counts add up over sites.

    Returns
    -------
    int64 array, shape (2, BINS)
        Those who passed, then those who did not.
    """
    return np.stack([np.bincount(bins[part], minlength=BINS) for part in (passed, ~passed)])


@dataclass(frozen=True)
class Bounds:
    """Which bins each result's set holds.

    Attributes
    ----------
    least_pass : int
        The lowest bin at which passing is in the set; 0 where too few passed to say.
    most_fail : int
        The highest bin at which failing is in the set; `BINS` - 1 where too few failed.
    """

    least_pass: int
    most_fail: int

    def holds(self, bins: Ints) -> tuple[Mask, Mask]:
        """Say whether passing, and whether failing, is in each learner's set."""
        return bins >= self.least_pass, bins <= self.most_fail

    def kinds(self, bins: Ints) -> Ints:
        """Return each learner's kind of set, as an index into `KINDS`."""
        with_pass, with_fail = self.holds(bins)
        return with_pass.astype(np.int64) + 2 * with_fail.astype(np.int64)


def bounds(counts: npt.NDArray[np.integer], coverage: float) -> Bounds:
    """Return the sets' bounds by calibration learners' counts.

    The bound is the ceil((n + 1) coverage)-th best of n scores: the finite sample's quantile, of
    which the guarantee is exact. Where that is more than n, the result is in every set.

    Parameters
    ----------
    counts : int array, shape (2, BINS)
        As `count`, of all calibration learners.
    coverage : float
        Nominal, between 0 and 1.
    """
    return Bounds(
        least_pass=BINS - 1 - _reached(counts[PASS][::-1], coverage),
        most_fail=_reached(counts[FAIL], coverage),
    )


def _reached(counts: npt.NDArray[np.integer], coverage: float) -> int:
    """Return the bin, counted from the conforming end, that holds the quantile."""
    upto = np.cumsum(counts)
    # 0.95 * 20 must not become 19.000000000000004 and then 20.
    rank = math.ceil(round(coverage * (int(upto[-1]) + 1), 9))
    return int(np.searchsorted(upto, rank)) if rank <= upto[-1] else BINS - 1


def tally(kinds: Ints, passed: Mask) -> Ints:
    """Count learners by result and kind of set; tallies add up over sites.

    Returns
    -------
    int64 array, shape (2, 4)
    """
    return np.stack([np.bincount(kinds[part], minlength=4) for part in (passed, ~passed)])


def covered(tallied: npt.NDArray[np.integer]) -> tuple[int, int]:
    """Return how many learners a tally has, and in how many of their sets the result was."""
    right = tallied[PASS, [1, 3]].sum() + tallied[FAIL, [2, 3]].sum()
    return int(tallied.sum()), int(right)


def interval(right: int, learners: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper & Pearson 1934)."""
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, right, learners - right + 1)) if right else 0.0
    high = float(beta.ppf(1 - tail, right + 1, learners - right)) if right < learners else 1.0
    return low, high


def stack(limits: Sequence[Bounds]) -> Ints:
    """Write bounds as an int64 array, shape (bounds, 2), as they travel."""
    return np.array([(each.least_pass, each.most_fail) for each in limits], dtype=np.int64)


def unstack(array: npt.NDArray[np.integer]) -> list[Bounds]:
    """Read what `stack` wrote."""
    return [Bounds(int(low), int(high)) for low, high in array]
