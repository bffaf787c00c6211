"""How many labels transfer saves: both models over random draws of labelled learners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from scipy.stats import t as student

from edufed.transfer.target import fit_target, predicted

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Learners:
    """Some learners of a target, as its models read them.

    Attributes
    ----------
    canonical : float64 array, shape (rows, canonical columns)
    private : float64 array, shape (rows, private columns)
    y : float64 array, shape (rows,)
    """

    canonical: Array
    private: Array
    y: Array

    def __len__(self) -> int:
        return len(self.y)

    def part(self, rows: npt.NDArray[Any]) -> Learners:
        """Return some of them, by mask or index."""
        return Learners(self.canonical[rows], self.private[rows], self.y[rows])


@dataclass(frozen=True)
class Row:
    """One number of labels.

    Attributes
    ----------
    n_labels, draws : int
    target_only, rival, transfer, chosen : float
        Mean ROC-AUC over the draws on the test learners: of each model (see
        `edufed.transfer.target.Fitted`), and of the one that the gate chose in each draw.
    low, high : float or None
        Interval of the difference transfer - target-only at 95 % (Student's t over the draws).
    used : str
        What the gate chose in most draws.
    share_used : float
        Share of draws in which it chose transfer.
    """

    n_labels: int
    draws: int
    target_only: float
    rival: float
    transfer: float
    chosen: float
    low: float | None
    high: float | None
    used: str
    share_used: float


def learning_curve(
    pool: Learners,
    test: Learners,
    source: Array,
    sizes: Sequence[int],
    draws: int,
    parts: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Fit the target's models on random draws of labelled learners, and score each on the test.

    Parameters
    ----------
    pool, test : Learners
        Labelled learners to draw from, and those that no model sees.
    source : float64 array, shape (1 + canonical columns,)
    sizes : sequence of int
        Numbers of labels; one that the pool does not hold is left out.
    draws : int
        For each size.
    parts : int
        Folds of cross-validation.
    seed : int

    Returns
    -------
    list of dict
        A `Row` each.
    """
    table = []
    for size in sizes:
        if size > len(pool):
            continue
        found = [
            _one_draw(pool, test, source, size, parts, np.random.default_rng([seed, size, draw]))
            for draw in range(draws)
        ]
        table.append(asdict(_row(size, np.array(found))))
    return table


def _one_draw(
    pool: Learners, test: Learners, source: Array, size: int, parts: int, rng: np.random.Generator
) -> tuple[float, ...]:
    drawn = pool.part(rng.permutation(len(pool))[:size])
    fitted = fit_target(drawn.canonical, drawn.private, drawn.y, source, parts, rng)
    transfer = roc_auc(test, fitted.transfer)
    # A model that has seen one class alone ranks nobody above anybody.
    alone, rival = (
        0.5 if weights is None else roc_auc(test, weights)
        for weights in (fitted.target_only, fitted.rival)
    )
    used = fitted.verdict.used == "transfer"
    return alone, rival, transfer, transfer if used else rival, float(used)


def _row(size: int, found: Array) -> Row:
    alone, rival, transfer, chosen, used = found.mean(axis=0).tolist()
    low = high = None
    if len(found) > 1:
        difference = found[:, 2] - found[:, 0]
        reach = student.ppf(0.975, len(found) - 1) * difference.std(ddof=1) / np.sqrt(len(found))
        low, high = float(difference.mean() - reach), float(difference.mean() + reach)
    return Row(
        n_labels=size,
        draws=len(found),
        target_only=alone,
        rival=rival,
        transfer=transfer,
        chosen=chosen,
        low=low,
        high=high,
        used="transfer" if used >= 0.5 else "target_only",
        share_used=used,
    )


def roc_auc(test: Learners, w: Array) -> float:
    """ROC-AUC of a model on test learners, ties counted half; 0.5 where they are of one class."""
    positives = float(test.y.sum())
    negatives = len(test) - positives
    if not positives or not negatives:
        return 0.5
    places = rankdata(predicted(test.canonical, test.private, w))
    wins = float(places[test.y == 1].sum()) - positives * (positives + 1) / 2
    return wins / (positives * negatives)
