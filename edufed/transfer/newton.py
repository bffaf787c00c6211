"""Logistic regression over sites by exact Newton steps: each step is one federation-wide sum.

A site adds up the gradient and the Hessian of its own learners' loss; their sums over sites are
those of all learners, so the model is the pooled one, after a handful of steps (cf. Wu et al. 2012,
"Grid Binary LOgistic REgression (GLORE)", JAMIA 19:758-764). What a site sends is as large as the
model is wide, squared, however many learners it has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from edufed.transfer.prior import losses

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curvature:
    """Loss of some learners about some weights, to second order; adds up over sites.

    Attributes
    ----------
    gradient : float64 array, shape (1 + columns,)
    hessian : float64 array, shape (1 + columns, 1 + columns)
    loss : float64 array, shape (2,)
        Sum of cross-entropies, and learners.
    """

    gradient: Array
    hessian: Array
    loss: Array


def curvature(x: Array, y: Array, w: Array) -> Curvature:
    """Sum the loss and its derivatives over learners.

    Parameters
    ----------
    x : float64 array, shape (rows, columns)
    y : float64 array, shape (rows,)
    w : float64 array, shape (1 + columns,)
        Intercept first.
    """
    rows = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    z = rows @ w
    p = expit(z)
    return Curvature(
        gradient=rows.T @ (p - y),
        hessian=(rows * (p * (1 - p))[:, None]).T @ rows,
        loss=np.array([losses(y, z).sum(), len(y)], dtype=np.float64),
    )


def step(total: Curvature, w: Array, used: npt.NDArray[np.bool_], l2: float) -> tuple[Array, float]:
    """Move the weights by one Newton step on the sum over sites.

    Parameters
    ----------
    total : Curvature
        About `w`, summed over sites.
    w : float64 array, shape (1 + columns,)
    used : bool array, shape (columns,)
        Columns of the model; the weights of others stay 0.
    l2 : float
        Of l2 / 2 |weights|^2 beside the mean loss; the intercept is free.

    Returns
    -------
    w : float64 array, shape (1 + columns,)
    size : float
        The largest change of a weight.
    """
    penalty = np.full(len(w), max(l2, 1e-9) * max(float(total.loss[1]), 1.0))
    penalty[0] = 0.0
    at = np.append(True, used)
    gradient = (total.gradient + penalty * w)[at]
    hessian = (total.hessian + np.diag(penalty))[np.ix_(at, at)]
    change = np.linalg.solve(hessian + 1e-9 * np.eye(len(gradient)), gradient)
    size = float(np.abs(change).max())
    moved = w.copy()
    moved[at] -= change * min(1.0, 4.0 / max(size, 1e-12))
    return moved, size
