"""Steps on the noisy sum of all sites' gradients: the coordinator's half of `gradient_share`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


class Descent:
    """Steps of gradient descent on noisy sums, with momentum.

    Parameters
    ----------
    learning_rate : float
    momentum : float

    Attributes
    ----------
    speed : dict of arrays
        What the steps so far have left of momentum, by the weights' names.
    """

    def __init__(self, learning_rate: float, momentum: float = 0.0) -> None:
        self._rate, self._momentum = learning_rate, momentum
        self.speed: dict[str, Float64Array] = {}

    def step(
        self,
        weights: dict[str, npt.NDArray[np.float32]],
        total: dict[str, Float64Array],
        expected: float,
        l2: float = 0.0,
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return the next weights.

        Parameters
        ----------
        weights : dict of arrays
        total : dict of arrays
            Sum of the sites' `gradient_share`.
        expected : float
            Sample rate times the (known or noisy) number of learners over all sites.
        l2 : float
            Strength of the penalty, which leaves biases out.
        """
        moved = {}
        for name, weight in weights.items():
            gradient = total[name] / expected + (l2 * weight if weight.ndim > 1 else 0.0)
            speed = self._momentum * self.speed.get(name, np.zeros_like(gradient)) - gradient
            self.speed[name] = speed
            moved[name] = (weight + self._rate * speed).astype(np.float32)
        return moved
