"""How much better than blind an attacker guesses, with a confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Advantage:
    """What an attack gained.

    Attributes
    ----------
    attack : str
    value : float
        0: no better than guessing; 1: always right.
    low, high : float
        95 % interval. It holds for independent trials; trials on one model share that model.
    trials : int
    """

    attack: str
    value: float
    low: float
    high: float
    trials: int

    @property
    def measurable(self) -> bool:
        """Whether the interval leaves no room for a blind guess."""
        return self.low > 0.0


def difference_of_rates(
    attack: str, right: int, positives: int, wrong: int, negatives: int
) -> Advantage:
    """Advantage as Yeom et al. (2018) define it: true positive rate less false positive rate.

    Parameters
    ----------
    attack : str
        Its name.
    right, positives : int
        "Yes" said to so many of those for whom it is true.
    wrong, negatives : int
        "Yes" said to so many of those for whom it is not.

    Returns
    -------
    Advantage
        With the interval of Newcombe (1998, method 10).
    """
    p, (p_low, p_high) = right / positives, _wilson(right, positives)
    q, (q_low, q_high) = wrong / negatives, _wilson(wrong, negatives)
    down, up = math.hypot(p - p_low, q_high - q), math.hypot(p_high - p, q - q_low)
    return Advantage(attack, p - q, p - q - down, p - q + up, positives + negatives)


def rate_above_chance(attack: str, right: int, trials: int, chance: float) -> Advantage:
    """Advantage of an attack that is right by luck with `chance`: 0 at luck, 1 if always right."""
    low, high = _wilson(right, trials)
    value, low, high = ((r - chance) / (1 - chance) for r in (right / trials, low, high))
    return Advantage(attack, value, low, high, trials)


def by_threshold(
    attack: str, member: Float64Array, other: Float64Array, seed: int = 0
) -> Advantage:
    """Advantage of saying "yes" above a threshold of the score.

    The threshold that does best on one random half of the scores is tried on the other half, and
    the other way round, so that choosing it wins nothing.

    Parameters
    ----------
    attack : str
    member, other : float64 arrays
        Scores of those for whom "yes" is true, and of the rest.
    seed : int
        Of the halves.
    """
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(scores), 2) for scores in (member, other)]
    right = wrong = 0
    for own in (0, 1):
        threshold = _best_threshold(halves[0][1 - own], halves[1][1 - own])
        right += int((halves[0][own] > threshold).sum())
        wrong += int((halves[1][own] > threshold).sum())
    return difference_of_rates(attack, right, len(member), wrong, len(other))


def _best_threshold(member: Float64Array, other: Float64Array) -> float:
    thresholds = np.unique(np.concatenate([member, other]))
    true = 1.0 - np.searchsorted(np.sort(member), thresholds, side="right") / len(member)
    false = 1.0 - np.searchsorted(np.sort(other), thresholds, side="right") / len(other)
    return float(thresholds[np.argmax(true - false)])


def _wilson(right: int, trials: int) -> tuple[float, float]:
    interval = binomtest(right, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
