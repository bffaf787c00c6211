"""Parity indices (SDG indicator 4.5.1): a group's figure over that of the group it is held against.

UNESCO Institute for Statistics, metadata of SDG 4.5.1: the likely more disadvantaged group stands
in the numerator, 1 is parity, and the adjusted index, 2 - 1 / index above 1, makes advantages as
far from 1 as disadvantages of the same size. Between 0.97 and 1.03 counts as parity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Adjusted indices within this distance of 1 count as parity.
AT_PARITY = 0.03
_Z = 1.959963984540054


@dataclass(frozen=True)
class Parity:
    """A parity index: as it is, adjusted, and the 95 % interval of the adjusted one."""

    index: float
    adjusted: float
    low: float
    high: float


def adjusted(index: float) -> float:
    """The index made symmetric around 1, in 0..2."""
    return index if index <= 1 else 2.0 - 1.0 / index


def parity(mean: float, error: float, against: float, against_error: float) -> Parity | None:
    """Index of two independent means with their standard errors; None where one is not positive.

    The interval is that of the logarithm of the ratio, by the delta method.
    """
    if not (mean > 0 and against > 0):
        return None
    index = mean / against
    spread = _Z * math.hypot(error / mean, against_error / against)
    low, high = index * math.exp(-spread), index * math.exp(spread)
    return Parity(index, adjusted(index), adjusted(low), adjusted(high))
