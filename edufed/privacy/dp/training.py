"""DP-SGD at a site, and one step of it over all sites.

Abadi et al. 2016, "Deep learning with differential privacy": of each step's Poisson sample of
learners, the sum of gradients, each learner's cut to the clip, plus Gaussian noise. What is made of
the noisy sums (steps, penalties, averages over sites, the model) costs nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edufed.privacy.dp.gradients import ClippedSum, FloatArray, LearnerRows
from edufed.privacy.dp.randomness import RandomSource, add_noise, grid_for, widened
from edufed.privacy.dp.sums import share_deviation

Float64Array = npt.NDArray[np.float64]


class PrivateTrainingError(Exception):
    """Training that cannot go on; the message is one line and holds no learner's value."""


@dataclass(frozen=True)
class AdaptiveClip:
    """A clip that follows a quantile of the learners' gradient lengths.

    Andrew et al. 2021, "Differentially private learning with adaptive clipping": each step, the
    noisy share of learners within the clip moves it towards the quantile.

    Parameters
    ----------
    start : float
    quantile : float
        Share of learners whose gradients are to stay whole.
    rate : float
        How fast the clip moves, on a logarithmic scale.
    deviation : float
        Of the noise in the count of learners within the clip. The gradient's noise grows so that
        both together cost what the noise multiplier says: by 1/√(1 - (z/2·deviation)²), z the
        multiplier.
    """

    start: float
    quantile: float = 0.5
    rate: float = 0.2
    deviation: float = 20.0

    def gradient_noise(self, noise_multiplier: float) -> float:
        """Noise multiplier of the gradient, when both together are to cost `noise_multiplier`.

        Raises
        ------
        ValueError
            The count alone costs more than that.
        """
        # A learner moves the count by 1/2 when it is centred, so its multiplier is twice this.
        left = noise_multiplier**-2 - (2 * self.deviation) ** -2
        if left <= 0:
            raise ValueError(
                f"a count with noise of deviation {self.deviation:g} costs more than the noise"
                f" multiplier {noise_multiplier:g} allows: take more than {noise_multiplier / 2:g}"
            )
        return left**-0.5

    def moved(
        self, clip: float, within: int, sampled: int, expected: float, source: RandomSource
    ) -> float:
        """Return the next clip, given how many of the sampled learners were within this one."""
        centred = np.array([within - sampled / 2.0])
        noisy = add_noise(centred, self.deviation, source, grid_for(self.deviation))[0]
        share = 0.5 + noisy / max(expected, 1.0)
        return clip * math.exp(-self.rate * (min(max(share, 0.0), 1.0) - self.quantile))


def train_privately(
    model: nn.Module,
    x: FloatArray,
    y: FloatArray,
    learners: npt.NDArray[np.object_],
    *,
    noise_multiplier: float,
    clip: float | AdaptiveClip,
    sample_rate: float,
    steps: int,
    population: float,
    learning_rate: float,
    optimiser: Literal["sgd", "adam"] = "sgd",
    l2: float = 0.0,
    proximal_mu: float = 0.0,
    source: RandomSource | None = None,
) -> float:
    """Train `model` in place so that its weights are private to each learner.

    The cost is `Charge(noise_multiplier, sample_rate, steps)` with respect to the rows given here.

    Parameters
    ----------
    model : torch.nn.Module
        Of linear layers; gives logits.
    x : float32 array, shape (rows, inputs)
        A row may depend on its own learner and on what is public or private already (noisy
        means, say), not on other learners' records.
    y : float32 array, shape (rows,)
        1 or 0.
    learners : array, shape (rows,)
        Whose each row is. The mean over a learner's rows is one gradient.
    noise_multiplier : float
        Standard deviation of the noise over the clip.
    clip : float or AdaptiveClip
        Greatest length of a learner's gradient.
    sample_rate : float
        Chance of each learner to be in a step.
    steps : int
    population : float
        Learners to divide by. A known one, or a noisy count: how many there are is private too.
    learning_rate : float
    optimiser : {"sgd", "adam"}
    l2, proximal_mu : float
        Strengths of the penalties of `clients.training.train_locally`; they read no record, and
        cost nothing.
    source : RandomSource, optional
        Of sampling and noise; the operating system's secure generator unless a test gives
        another.

    Returns
    -------
    float
        The clip after the last step, private as the model is.

    Raises
    ------
    PrivateTrainingError
        A feature or target is not finite, or a weight became so.
    ValueError
        The settings are impossible.
    """
    _check(noise_multiplier, sample_rate, steps, population)
    source = source or RandomSource()
    rows = _rows(x, y, learners)
    parameters = [p for p in model.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in parameters]
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimiser]
    stepper = make(parameters, lr=learning_rate)
    adaptive = clip if isinstance(clip, AdaptiveClip) else None
    noise = adaptive.gradient_noise(noise_multiplier) if adaptive else noise_multiplier
    limit = clip.start if isinstance(clip, AdaptiveClip) else clip
    expected = sample_rate * population
    model.train()
    total = ClippedSum(model)
    try:
        with torch.random.fork_rng(devices=[]):  # dropout draws from the global state
            torch.default_generator.manual_seed(int(source.uniform(1)[0] * 2**52))
            for _ in range(steps):
                chosen = source.below(sample_rate, rows.count)
                clipped = total(rows.sample(chosen), limit)
                for parameter, noisy in zip(
                    parameters, _noisy(clipped, noise, limit, source), strict=True
                ):
                    parameter.grad = noisy / expected
                _add_penalties(parameters, start, l2, proximal_mu)
                stepper.step()
                if adaptive:
                    limit = adaptive.moved(limit, total.within, int(chosen.sum()), expected, source)
    finally:
        total.close()
    if not all(torch.isfinite(p).all() for p in parameters):
        raise PrivateTrainingError(
            f"a weight became NaN or infinite within {steps} private steps: lower the learning rate"
        )
    return limit


def gradient_share(
    model: nn.Module,
    x: FloatArray,
    y: FloatArray,
    learners: npt.NDArray[np.object_],
    *,
    noise_multiplier: float,
    clip: float,
    sample_rate: float,
    minimum_sites: int,
    grid: float,
    source: RandomSource | None = None,
) -> dict[str, Float64Array]:
    """One site's part of one step over all sites: its clipped sum and its share of the noise.

    Meant for secure aggregation: the sum over at least `minimum_sites` sites carries noise of at
    least `noise_multiplier` times `clip` and costs `Charge(noise_multiplier, sample_rate)`; a
    site's part alone carries less and is not to be seen. `edufed.privacy.dp.descent` takes the
    step.

    Parameters
    ----------
    minimum_sites : int
        Fewest sites whose sum is ever opened, those that share their secrets with the coordinator
        not counted.
    grid : float
        Step of the fixed-point numbers that are added, a power of two.
    others
        As for `train_privately`.

    Returns
    -------
    dict
        By the weights' names; on the grid, so that fixed point adds no rounding.
    """
    _check(noise_multiplier, sample_rate, 1, 1.0)
    source = source or RandomSource()
    rows = _rows(x, y, learners)
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    model.train()
    total = ClippedSum(model)
    try:
        clipped = total(rows.sample(source.below(sample_rate, rows.count)), clip)
    finally:
        total.close()
    size = sum(p.numel() for p in named.values())
    deviation = share_deviation(noise_multiplier * widened(clip, size, grid), minimum_sites)
    return {
        name: add_noise(sum_.numpy(), deviation, source, grid)
        for name, sum_ in zip(named, clipped, strict=True)
    }


def _check(noise_multiplier: float, sample_rate: float, steps: int, population: float) -> None:
    if not noise_multiplier > 0:
        raise ValueError("without noise training is not private: the noise multiplier must be > 0")
    if not 0 < sample_rate <= 1:
        raise ValueError(f"the sample rate must be in (0, 1], not {sample_rate}")
    if steps < 1 or not population > 0:
        raise ValueError(f"{steps} steps over {population:g} learners: both must be positive")


def _rows(x: FloatArray, y: FloatArray, learners: npt.NDArray[np.object_]) -> LearnerRows:
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise PrivateTrainingError(f"a feature or target among {len(x)} rows is NaN or infinite")
    return LearnerRows(x, y, learners)


def _noisy(
    sums: Sequence[torch.Tensor], noise_multiplier: float, clip: float, source: RandomSource
) -> list[torch.Tensor]:
    grid = grid_for(noise_multiplier * clip)
    size = sum(sum_.numel() for sum_ in sums)
    deviation = noise_multiplier * widened(clip, size, grid)
    return [
        torch.from_numpy(add_noise(sum_.numpy(), deviation, source, grid).astype(np.float32))
        for sum_ in sums
    ]


def _add_penalties(
    parameters: Sequence[torch.Tensor], start: Sequence[torch.Tensor], l2: float, mu: float
) -> None:
    with torch.no_grad():
        for parameter, origin in zip(parameters, start, strict=True):
            assert parameter.grad is not None
            if l2 and parameter.ndim > 1:
                parameter.grad.add_(parameter, alpha=l2)
            if mu:
                parameter.grad.add_(parameter - origin, alpha=mu)
