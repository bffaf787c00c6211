"""What noisy answers cost together, in ε at a given δ.

The accountant is dp-accounting's privacy loss distributions (Koskela et al. 2020; Doroshenko et al.
2022), which compose different mechanisms tightly and round towards more privacy spent, never less.
Neighbouring data sets differ by one learner, added or removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

#: First step of the privacy loss grid. It is refined until ε no longer falls by more than:
_GRID = 1e-3
_TOLERANCE = 0.005


@dataclass(frozen=True)
class Charge:
    """The cost of noisy answers: Gaussian noise on sums over sampled learners.

    Parameters
    ----------
    noise_multiplier : float
        Standard deviation of the noise over the most that one learner can change the sum.
    sampling_rate : float
        Chance of each learner to be in a step (Poisson); 1 when all are.
    steps : int
        Answers of this kind.
    """

    noise_multiplier: float
    sampling_rate: float = 1.0
    steps: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.noise_multiplier < float("inf"):
            raise ValueError("the noise multiplier must be positive: without noise ε is infinite")
        if not 0 < self.sampling_rate <= 1:
            raise ValueError(f"the sampling rate must be in (0, 1], not {self.sampling_rate}")
        if self.steps < 1:
            raise ValueError(f"a charge has at least one step, not {self.steps}")


#: Steps by (noise multiplier, sampling rate), to add up and to look up.
Steps = Counter[tuple[float, float]]


def steps_of(charges: Iterable[Charge]) -> Steps:
    """Count the steps of each kind in `charges`."""
    steps: Steps = Counter()
    for charge in charges:
        steps[charge.noise_multiplier, charge.sampling_rate] += charge.steps
    return steps


def epsilon(steps: Steps, delta: float) -> float:
    """ε at `delta` of all `steps` together, to within 1 % and never less; 0 for no steps."""
    return _refined(tuple(sorted(steps.items())), delta) if steps else 0.0


@lru_cache(maxsize=256)
def _refined(steps: tuple[tuple[tuple[float, float], int], ...], delta: float) -> float:
    grid = _GRID
    before, now = float("inf"), _epsilon(steps, delta, grid)
    while before > now * (1 + _TOLERANCE):
        grid /= 4  # many steps of strong noise need a fine grid, and are quick on it
        before, now = now, min(now, _epsilon(steps, delta, grid))
    return now


def _epsilon(
    steps: tuple[tuple[tuple[float, float], int], ...], delta: float, grid: float
) -> float:
    import dp_accounting  # slow to import, and a site that only spends does not need it
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant(value_discretization_interval=grid)
    for (noise, rate), count in steps:
        event: dp_accounting.DpEvent = dp_accounting.GaussianDpEvent(noise)
        if rate < 1:
            event = dp_accounting.PoissonSampledDpEvent(rate, event)
        accountant.compose(event, count)
    return float(accountant.get_epsilon(delta))
