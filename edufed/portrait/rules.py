"""Tags by rules: which learners fit which, from values and ranks alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt

from edufed.config.portrait import Condition, TagRule

Mask = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[np.floating]]


def tag(rules: Sequence[TagRule], values: Columns, ranks: Columns, rows: int) -> Mask:
    """Say which tags each learner has.

    Parameters
    ----------
    rules : sequence of TagRule
    values, ranks : mapping of str to float array, shape (rows,)
        By feature; NaN where a learner's is not known, and then no condition on it holds.
    rows : int

    Returns
    -------
    bool array, shape (rows, rules)
    """
    found = np.zeros((rows, len(rules)), dtype=bool)
    for place, rule in enumerate(rules):
        fits = np.ones(rows, dtype=bool)
        for condition in rule.all:
            fits &= _holds(condition, values, ranks)
        if rule.any:
            each = [_holds(condition, values, ranks) for condition in rule.any]
            fits &= reduce(np.logical_or, each)
        found[:, place] = fits
    return found


def _holds(condition: Condition, values: Columns, ranks: Columns) -> Mask:
    column = (ranks if condition.of == "rank" else values)[condition.feature]
    fits: Mask = ~np.isnan(column)
    if condition.at_least is not None:
        fits &= column >= condition.at_least
    if condition.at_most is not None:
        fits &= column <= condition.at_most
    return fits
