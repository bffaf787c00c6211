"""What calibration learners' counts come to: bounds of sets, and probabilities with intervals.

Learners are dealt out to folds, and each fold's learners are judged by what the other folds'
learners came to: split-conformal prediction, once a fold. So every learner is judged by learners
other than themselves, and coverage can be measured on all of them. Learners whose result is not
known are in no fold, and are judged by all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays
from edufed.certify.conformal import FAIL, PASS, Bounds, bounds, stack, unstack
from edufed.certify.probability import table

Counts = npt.NDArray[np.integer]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """The calibration of one group of learners.

    Attributes
    ----------
    bounds : list of Bounds
        For each fold, by the other folds; the last, by all.
    tables : float64 array, shape (folds + 1, 2, BINS)
        Low and high probability of passing, by bin, alike.
    earlier : Bounds
        By learners of earlier courses instead: what time changes.
    passed, failed : int
        Calibration learners in all folds.
    """

    bounds: Sequence[Bounds]
    tables: npt.NDArray[np.float64]
    earlier: Bounds
    passed: int
    failed: int

    def kinds(self, bins: Ints, fold: Ints) -> Ints:
        """Return each learner's kind of set; fold -1 is that of those whom all judge."""
        found = np.empty(len(bins), dtype=np.int64)
        for number in np.unique(fold):
            rows = fold == number
            found[rows] = self.bounds[number].kinds(bins[rows])
        return found

    def probabilities(self, bins: Ints, fold: Ints) -> tuple[npt.NDArray[np.float64], ...]:
        """Return low and high probability of passing of each learner, folds as in `kinds`."""
        return self.tables[fold, 0, bins], self.tables[fold, 1, bins]

    def to_arrays(self) -> Arrays:
        """Write it as arrays."""
        return {
            "bounds": stack(self.bounds),
            "tables": self.tables,
            "earlier": stack([self.earlier]),
            "calibrated": np.array([self.passed, self.failed]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Calibration:
        """Read what `to_arrays` wrote."""
        (earlier,) = unstack(arrays["earlier"])
        passed, failed = arrays["calibrated"].tolist()
        return cls(unstack(arrays["bounds"]), arrays["tables"], earlier, passed, failed)


def calibration_of(counts: Counts, earlier: Counts, coverage: float) -> Calibration:
    """Calibrate by counts of learners.

    Parameters
    ----------
    counts : int array, shape (folds, 2, BINS)
        Of each fold.
    earlier : int array, shape (2, BINS)
    coverage : float
        Nominal.
    """
    total = counts.sum(axis=0)
    judging = [*(total - own for own in counts), total]
    return Calibration(
        bounds=[bounds(each, coverage) for each in judging],
        tables=np.stack([table(each) for each in judging]),
        earlier=bounds(earlier, coverage),
        passed=int(total[PASS].sum()),
        failed=int(total[FAIL].sum()),
    )
