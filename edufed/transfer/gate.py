"""The gate: transfer is used only where it does not lose on the target's own validation folds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Used = Literal["transfer", "target_only"]
Why = Literal["no_labels", "one_class", "gains", "within_noise", "loses"]

#: Standard errors of the difference by which transfer may lose and pass: the one-standard-error
#: rule (Breiman et al. 1984). With more, a harmful source passes more often while labels are few;
#: with less, a helpful one is refused by chance.
NOISE = 1.0


@dataclass(frozen=True)
class Verdict:
    """What the gate decided.

    Attributes
    ----------
    used : {"transfer", "target_only"}
    why : str
        ``no_labels``: nothing to judge by. ``one_class``: too few labels of one class to. Else
        transfer ``gains``, is behind ``within_noise``, or ``loses``, beside the rival that the
        target could have made without the source.
    labels : int
        Labels it was judged on.
    difference, noise : float or None
        Mean cross-entropy on held-out folds, transfer less rival (below 0 transfer is
        better), and its standard error.
    """

    used: Used
    why: Why
    labels: int
    difference: float | None = None
    noise: float | None = None


def judge(transfer: Array, rival: Array) -> Verdict:
    """Compare two models by the loss of the same held-out rows.

    Parameters
    ----------
    transfer, rival : float64 arrays, shape (rows,)
        Each row's cross-entropy under fits that did not see it.
    """
    difference = transfer - rival
    mean = float(difference.mean())
    noise = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    if mean <= 0:
        return Verdict("transfer", "gains", len(difference), mean, noise)
    if mean <= NOISE * noise:
        return Verdict("transfer", "within_noise", len(difference), mean, noise)
    return Verdict("target_only", "loses", len(difference), mean, noise)
