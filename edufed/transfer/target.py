"""What a target makes of a source's model with the labels that it has: none, few or many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.transfer.gate import Verdict, Why, judge
from edufed.transfer.prior import Prior, choose, folds, scores

Array = npt.NDArray[np.float64]

#: Precisions to choose from: of a model of the target alone, about 0; of the canonical weights,
#: about 0 and about the source's; of private weights, which the source says nothing of, about 0.
ALONE = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
ABOUT_ZERO = (0.3, 3.0, 30.0)
#: A weaker prior than its first would be none to speak of, and hide a source that does not fit.
ABOUT_SOURCE = (3.0, 10.0, 100.0, 1000.0)
OWN = (3.0, 30.0, 300.0, 3000.0)
#: Cross-validation is repeated where rows are so few that one division decides.
REPEATED_BELOW = 500
#: Labels of the rarer class below which nothing can be cross-validated.
LEAST = 2


@dataclass(frozen=True)
class Fitted:
    """The target's models, and which of them is used.

    Attributes
    ----------
    transfer : float64 array, shape (1 + columns,)
        Weights, intercept first; columns are canonical, then private.
    target_only, rival : float64 array, shape (1 + columns,), or None
        None where there are too few labels of one class. The rival is the better, on held-out
        folds, of `target_only` and of a model that is built as transfer is but centred on 0: beside
        it, transfer can win by what the source knows alone.
    verdict : Verdict
    """

    transfer: Array
    target_only: Array | None
    rival: Array | None
    verdict: Verdict

    def chosen(self) -> Array:
        """Weights of the model that is used: transfer, or its rival."""
        if self.verdict.used == "target_only" and self.rival is not None:
            return self.rival
        return self.transfer


def fit_target(
    canonical: Array, private: Array, y: Array, source: Array, parts: int, rng: np.random.Generator
) -> Fitted:
    """Fit the target's models on its labelled learners, and let the gate choose.

    All see the same columns. Target-only is ridge regression about 0, with one strength. Transfer
    has a prior about the source's weights, and about 0 for private columns, with a strength each.
    All strengths are chosen by cross-validation, on the same folds, and the gate compares transfer
    with its `rival`.

    Parameters
    ----------
    canonical : float64 array, shape (rows, canonical columns)
    private : float64 array, shape (rows, private columns)
        Standardised.
    y : float64 array, shape (rows,)
    source : float64 array, shape (1 + canonical columns,)
        The source's weights, intercept first.
    parts : int
        Folds; no more than there are labels of the rarer class.
    rng : numpy.random.Generator
        Draws the folds.
    """
    width = private.shape[1]
    start = np.concatenate([source, np.zeros(width)])
    rarer = int(min(y.sum(), len(y) - y.sum()))
    if rarer < LEAST:
        why: Why = "one_class" if len(y) else "no_labels"
        return Fitted(start, None, None, Verdict("transfer", why, len(y)))
    x = np.concatenate([canonical, private], axis=1)
    repeats = 2 if len(y) < REPEATED_BELOW else 1
    divided = [folds(y, min(parts, rarer), rng) for _ in range(repeats)]
    alone = choose(x, y, alone_priors(x.shape[1]), divided)
    apart = choose(x, y, priors_about(np.zeros_like(source[1:]), width, ABOUT_ZERO), divided)
    moved = choose(x, y, priors_about(source[1:], width, ABOUT_SOURCE), divided)
    rival = min(alone, apart, key=lambda choice: float(choice.losses.mean()))
    return Fitted(moved.weights, alone.weights, rival.weights, judge(moved.losses, rival.losses))


def alone_priors(columns: int) -> list[Prior]:
    """Priors about 0 that tell no column from another."""
    return [Prior.about(np.zeros(columns), np.full(columns, strength)) for strength in ALONE]


def priors_about(centre: Array, private: int, strengths: Sequence[float]) -> list[Prior]:
    """Priors about weights of canonical columns, and about 0 for private ones.

    Parameters
    ----------
    centre : float64 array, shape (canonical columns,)
    private : int
        Private columns.
    strengths : sequence of float
        Of the canonical weights; each is tried beside each of `OWN`.
    """
    whole = np.concatenate([centre, np.zeros(private)])
    return [
        Prior.about(whole, np.concatenate([np.full(len(centre), near), np.full(private, own)]))
        for near in strengths
        for own in (OWN if private else OWN[:1])
    ]


@dataclass(frozen=True)
class Standard:
    """Scale of a site's private columns, by all its learners, labelled or not.

    Attributes
    ----------
    mean, deviation : float64 array, shape (columns,)
        A column that does not vary has deviation 0, and is left out of models.
    """

    mean: Array
    deviation: Array

    @staticmethod
    def of(values: Array) -> Standard:
        """Measure columns, shape (rows, columns); NaN where unknown."""
        known = ~np.isnan(values)
        n = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0.0).sum(axis=0) / n
        off = np.where(known, values - mean, 0.0)
        deviation = np.sqrt((off**2).sum(axis=0) / n)
        varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1e-3)
        return Standard(mean, np.where(varies, deviation, 0.0))

    def apply(self, values: Array) -> Array:
        """Scale columns, shape (rows, columns): those left have mean 0 and deviation 1.

        A value that is not known becomes 0.
        """
        varies = self.deviation > 0
        scaled: Array = (values - self.mean)[:, varies] / self.deviation[varies]
        return np.nan_to_num(scaled, copy=False)


def predicted(canonical: Array, private: Array, w: Array) -> Array:
    """Log-odds of rows under weights of `fit_target`, shape (rows,)."""
    return scores(np.concatenate([canonical, private], axis=1), w)
