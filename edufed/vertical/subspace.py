"""Newton's method over some columns of scores: what the label party can do alone in each round."""

from __future__ import annotations

import numpy as np

from edufed.vertical.logistic import Array, probability

_STEPS = 25
_HALVINGS = 30
_TOLERANCE = 1e-12


def search(
    columns: Array, fixed: Array, y: Array, quadratic: Array, linear: Array, start: Array
) -> Array:
    """Minimise mean log loss of fixed + columns·c, plus c'Qc/2 + l'c, over c.

    Parameters
    ----------
    columns : shape (rows, m)
    fixed, y : shape (rows,)
    quadratic : shape (m, m), positive semidefinite
    linear : shape (m,)
    start : shape (m,)

    Returns
    -------
    shape (m,)
        Nothing else is that small: the problem is convex, and steps that do not lower it are
        halved. Directions that change neither loss nor penalty stay as they are.
    """
    rows = len(y)
    c = start.astype(np.float64).copy()

    def value(c: Array) -> float:
        z = fixed + columns @ c
        loss = np.mean(np.logaddexp(0.0, z) - y * z)
        return float(loss + c @ quadratic @ c / 2 + linear @ c)

    best = value(c)
    for _ in range(_STEPS):
        p = probability(fixed + columns @ c)
        slope = columns.T @ (p - y) / rows + quadratic @ c + linear
        curvature = (columns.T * (p * (1 - p))) @ columns / rows + quadratic
        step = -np.linalg.lstsq(curvature, slope, rcond=1e-12)[0]
        decrease = float(-slope @ step)
        if decrease < _TOLERANCE:
            break
        for _ in range(_HALVINGS):
            reached = value(c + step)
            if reached <= best - decrease * 1e-4:
                break
            step /= 2
            decrease /= 2
        else:
            break
        c, best = c + step, reached
    return c
