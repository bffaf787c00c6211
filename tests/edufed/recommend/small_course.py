"""A made-up course: learners follow a path through its resources, some faster than others."""

from __future__ import annotations

import numpy as np

from edufed.recommend.usage import Interactions

CUTOFF, HORIZON = 60.0, 14.0


def course(learners: int, resources: int, seed: int) -> Interactions:
    rng = np.random.default_rng(seed)
    # Resource i is due on day 80 i / n; learners come to it with a delay of their own, or never.
    due = np.linspace(0, 80, resources)
    delay = rng.exponential(8, (learners, 1)) + rng.normal(0, 3, (learners, resources))
    taken = rng.random((learners, resources)) < 0.6
    day = np.where(taken, np.floor(np.maximum(due + delay, 0)), np.inf)
    known = day <= CUTOFF
    again = np.minimum(day + np.floor(rng.exponential(6, day.shape)), CUTOFF)
    return Interactions(
        rows=np.arange(learners),
        first=np.where(known, day, np.inf),
        last=np.where(known, again, -np.inf),
        later=(day > CUTOFF) & (day <= CUTOFF + HORIZON),
    )


def shared_out(whole: Interactions, sites: int) -> list[Interactions]:
    """The same learners at several sites, one of which has none."""
    place = np.arange(len(whole.rows)) % (sites - 1)
    return [whole.part(place == site) for site in range(sites)]
