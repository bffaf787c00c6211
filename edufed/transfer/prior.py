"""Logistic regression with a Gaussian prior: the source's weights where the target has few labels.

The target's weights w maximise sum_i log P(y_i | x_i, w) - 1/2 sum_j strength_j (w_j - centre_j)^2:
a normal prior about `centre` with precision `strength` (Chelba & Acero 2006, "Adaptation of maximum
entropy capitalizer: little data can help a lot", Computer Speech & Language 20:382-399). Centred on
the source's weights it is transfer, centred on 0 it is ridge regression. Strengths are chosen by
cross-validation on the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve
from scipy.special import expit

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

#: Precision of the intercept's prior: next to nothing, but two classes may be parted without one.
_INTERCEPT = 1e-4
_STEPS = 50
#: The farthest that one step may move the weights: Newton's own may overshoot far from the optimum.
_FARTHEST = 4.0
_SMALLEST = 1e-4


@dataclass(frozen=True)
class Prior:
    """What is believed of the weights before the target's labels are seen.

    Attributes
    ----------
    centre : float64 array, shape (1 + columns,)
        Intercept first.
    strength : float64 array, shape (1 + columns,)
        Precision; 0 leaves a weight free.
    """

    centre: Array
    strength: Array

    @classmethod
    def about(cls, centre: Array, strength: Array) -> Prior:
        """Make a prior about weights (shape (columns,)), the intercept left all but free."""
        return cls(np.append(0.0, centre), np.append(_INTERCEPT, strength))


def fit(x: Array, y: Array, prior: Prior) -> Array:
    """Find the most probable weights by Newton's method.

    Parameters
    ----------
    x : float64 array, shape (rows, columns)
    y : float64 array, shape (rows,)
        1 or 0.
    prior : Prior

    Returns
    -------
    float64 array, shape (1 + columns,)
        Intercept first. The problem is convex, so there is one.
    """
    rows = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    w = prior.centre.copy()
    for _ in range(_STEPS):
        p = expit(rows @ w)
        gradient = rows.T @ (p - y) + prior.strength * (w - prior.centre)
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows
        hessian.flat[:: len(w) + 1] += prior.strength
        hessian.flat[:: len(w) + 1] += 1e-9
        step = solve(hessian, gradient, assume_a="pos", overwrite_a=True, check_finite=False)
        size = float(np.abs(step).max())
        w -= step * min(1.0, _FARTHEST / max(size, 1e-12))
        # Convergence is quadratic: what is left after so small a step is far smaller.
        if size < _SMALLEST:
            break
    return w


def scores(x: Array, w: Array) -> Array:
    """Log-odds of rows x (rows, columns) under weights w (1 + columns,), shape (rows,)."""
    z: Array = w[0] + x @ w[1:]
    return z


def losses(y: Array, z: Array) -> Array:
    """Cross-entropy of each row's log-odds, nats, shape (rows,)."""
    loss: Array = np.logaddexp(0.0, z) - y * z
    return loss


def folds(y: Array, parts: int, rng: np.random.Generator) -> IntArray:
    """Share rows out over parts, each class evenly; shape (rows,), values 0 .. parts - 1."""
    part = np.empty(len(y), dtype=np.intp)
    for value in (0.0, 1.0):
        rows = np.flatnonzero(y == value)
        part[rng.permutation(rows)] = np.arange(len(rows)) % parts
    return part


@dataclass(frozen=True)
class Choice:
    """The prior that cross-validation chose, and how it did.

    Attributes
    ----------
    prior : Prior
    weights : float64 array, shape (1 + columns,)
        Fitted on all rows.
    losses : float64 array, shape (rows,)
        Each row's cross-entropy under fits that did not see it, mean over the repeats.
    """

    prior: Prior
    weights: Array
    losses: Array


def choose(x: Array, y: Array, priors: Sequence[Prior], parts: Sequence[IntArray]) -> Choice:
    """Choose among priors by cross-validated cross-entropy, and fit the chosen one on all rows.

    Parameters
    ----------
    x : float64 array, shape (rows, columns)
    y : float64 array, shape (rows,)
    priors : sequence of Prior
    parts : sequence of arrays, shape (rows,)
        Of `folds`: one entry a repeat.
    """
    held_out = [crossed(x, y, prior, parts) for prior in priors]
    best = int(np.argmin([loss.mean() for loss in held_out]))
    return Choice(priors[best], fit(x, y, priors[best]), held_out[best])


def crossed(x: Array, y: Array, prior: Prior, parts: Sequence[IntArray]) -> Array:
    """Each row's cross-entropy under fits that did not see it, mean over repeats, shape (rows,)."""
    total = np.zeros(len(y))
    for part in parts:
        for number in range(int(part.max()) + 1):
            held = part == number
            w = fit(x[~held], y[~held], prior)
            total[held] += losses(y[held], scores(x[held], w))
    return total / len(parts)
