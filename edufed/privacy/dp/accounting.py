"""How much noise a budget asks for, and what all noisy answers of a job cost together.

The accountant is Opacus' PRV accountant (Gopi, Lee & Wutschitz 2021), which gives an upper bound
within half a per cent. Its GDP accountant is not used: it is an approximation that can
under-count. Noise is searched for with the ledger's accountant (`edufed.privacy.composition`),
which is quicker, and a plan holds by both: a job planned here is one that the ledger accepts.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq

from edufed.privacy import composition
from edufed.privacy.composition import Charge, Steps, steps_of

ACCOUNTANT = "prv"
#: Error bound asked of the accountant, in parts of ε: what it reports is too high by about that.
_ERROR = 0.004
#: How far a plan may stay below its budget, in parts of the noise.
_CLOSE = 1e-3


def spent(charges: Iterable[Charge], delta: float) -> float:
    """Upper bound on ε at `delta` of all `charges` together; 0 for none.

    Neighbouring data sets differ by one learner, added or removed.
    """
    steps = steps_of(charges)
    return _prv(tuple(sorted(steps.items())), delta) if steps else 0.0


@cache
def _prv(steps: tuple[tuple[tuple[float, float], int], ...], delta: float) -> float:
    from opacus.accountants import PRVAccountant  # slow to import

    accountant = PRVAccountant()
    accountant.history = [(noise, rate, count) for (noise, rate), count in steps]
    error = _ERROR * composition.epsilon(Steps(dict(steps)), delta)
    with warnings.catch_warnings(), np.errstate(divide="ignore"):  # log(1 - rate) of a rate of 1
        # Only the range of the accountant's grid comes from Rényi orders.
        warnings.filterwarnings("ignore", "Optimal order is the largest alpha")
        return float(accountant.get_epsilon(delta, eps_error=error))


@dataclass(frozen=True)
class Part:
    """One kind of noisy answer in a job, before its noise is known.

    Parameters
    ----------
    name : str
        Of what is answered, such as "training".
    share : float
        Part of the budget, relative to the other shares. Costs of Gaussian noise add up nearly as
        1/noise² does, and shares divide that.
    sampling_rate : float
        Chance of each learner to be in a step (Poisson); 1 when all are.
    steps : int
        Answers of this kind.
    clip : float
        Most that one learner can change an answer, in Euclidean length.
    """

    name: str
    share: float
    sampling_rate: float = 1.0
    steps: int = 1
    clip: float = 1.0


def plan(epsilon: float, delta: float, parts: Sequence[Part]) -> list[Charge]:
    """Noise for each part, so that all together cost `epsilon` at `delta` and no more.

    Returns
    -------
    list of Charge
        One a part. They cost no more than the budget by this module's accountant and by the
        ledger's, and at most 1 % less.

    Raises
    ------
    ValueError
        The budget is not positive, or there is nothing to spend it on.
    """
    if not (epsilon > 0 and 0 < delta < 1):
        raise ValueError(f"a budget needs ε > 0 and 0 < δ < 1, not ε = {epsilon}, δ = {delta}")
    if not parts or min(part.share for part in parts) <= 0:
        raise ValueError("a plan needs parts, each with a positive share of the budget")
    total = sum(part.share for part in parts)

    def charges(scale: float) -> list[Charge]:
        return [
            Charge(
                scale * p.sampling_rate * math.sqrt(p.steps * total / p.share),
                p.sampling_rate,
                p.steps,
            )
            for p in parts
        ]

    def excess(log_scale: float) -> float:
        steps = steps_of(charges(math.exp(log_scale)))
        return math.log(composition.epsilon(steps, delta) / epsilon)

    # The classical bound for one Gaussian answer, then outwards until the budget lies between.
    low = high = math.log(math.sqrt(2 * math.log(1.25 / delta)) / epsilon)
    while excess(high) > 0:
        low, high = high, high + 0.5
    while excess(low) <= 0:
        low, high = low - 0.5, low
    scale = math.exp(float(brentq(excess, low, high, xtol=_CLOSE)))
    while True:
        steps = steps_of(charges(scale))
        most = max(spent(charges(scale), delta), composition.epsilon(steps, delta))
        if most <= epsilon:
            return charges(scale)
        scale *= most / epsilon * (1 + _CLOSE / 2)


def calibrate(epsilon: float, delta: float, sample_rate: float, steps: int) -> float:
    """Least noise multiplier with which `steps` sampled Gaussian steps cost at most `epsilon`.

    The noise multiplier is the standard deviation of the noise over the clip. Parameters are
    those of `plan` and `Part`.
    """
    part = Part("all", 1.0, sample_rate, steps)
    return plan(epsilon, delta, [part])[0].noise_multiplier
