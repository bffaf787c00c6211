"""How far one round moved a model: measured at both sides, bounded at the site.

A bound on the L2 norm of updates limits what one site can do to the federation's model in a round
(Sun et al. 2019, "Can you really backdoor federated learning?").
"""

from __future__ import annotations

import math

import numpy as np

from edufed.arrays import Arrays


def update_norm(model: Arrays, incoming: Arrays) -> float:
    """L2 distance between a model and the one that it was trained from, over all weights.

    Infinite where the distance is beyond double precision.
    """
    with np.errstate(over="ignore"):
        squares = [
            float(np.sum(np.square(model[name].astype(np.float64) - weights)))
            for name, weights in incoming.items()
        ]
    return math.sqrt(sum(squares))


def clip_update(model: Arrays, incoming: Arrays, bound: float) -> Arrays:
    """Shorten the step from `incoming` to `model` to at most `bound`; its direction stays.

    Parameters
    ----------
    model, incoming : dict of arrays
        The same names and shapes.
    bound : float
        Greater than 0. The result's `update_norm` is never above it, rounding included, so that
        a site that follows the protocol is never taken for one that does not.
    """
    norm = update_norm(model, incoming)
    slack = 0.0
    while norm > bound:
        scale = bound / norm * (1.0 - slack)
        shorter = {
            name: (weights + scale * (model[name].astype(np.float64) - weights)).astype(
                weights.dtype
            )
            for name, weights in incoming.items()
        }
        if update_norm(shorter, incoming) <= bound:
            return shorter
        # Rounding to the model's precision took it beyond.
        slack = min(1.0, 4.0 * slack or 1e-6)
    return model
