"""The quality map with differential privacy, the coordinator's half.

The site's: `clients/quality_map_dp.py`. Plan the noise, hello, one sum of noisy cells. The cells do
not depend on learners: one region for each site that greets, and the province by groups. The
province itself is the sum of its regions, and so costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from edufed.arrays import Arrays
from edufed.privacy.dp.budget import JobBudget
from edufed.private_job import noise_of, planned
from edufed.quality.noisy import Noisy, estimates
from edufed.quality.private import COLUMNS, WIDTH
from edufed.share import Share
from server.answers import PrivateHello
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.exchange import Exchange
from server.federation import Federation, JobError
from server.gathering import gather
from server.noise import SumNoise, once
from server.progress import Step
from server.summation import build_summation, least_sites


@dataclass
class Outcome:
    """Everything that the report of a noisy map is made of.

    Attributes
    ----------
    sites : list of str
        Whose regions the map has.
    province, regions, groups : Noisy
        One cell; one a site; one a column of `edufed.quality.private.BY_GROUP`.
    budget : JobBudget
    exchange : Exchange
        What the sum cost.
    phases : list of (str, float)
    ledgers : dict of str to dict
        What sites said of their ledgers at the job's end.
    """

    sites: list[str]
    province: Noisy
    regions: Noisy
    groups: Noisy
    budget: JobBudget
    exchange: Exchange
    phases: list[tuple[str, float]]
    ledgers: dict[str, dict[str, Any]]


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Ask the sites for the map's cells; parameters as for a job without noise.

    One that was cut off is started anew, as another job: what sites answered is spent.

    Raises
    ------
    JobError
        Too few sites answer, or there are too few learners for any figure.
    """
    job, progress = federation.job, federation.progress
    task, clock = job.quality_map, Clock()
    federation.least = least_sites(job, roster)
    progress(Step("schema", "planning the noise"))
    budget, noise = planned(job), SumNoise(job, roster)
    checkpoint.forget()
    asked = {"noise": noise_of(budget)}
    greeted = gather(
        federation, expected, clock, meta=asked, form=PrivateHello, kind="query.quality_hello"
    )
    summation = build_summation(federation, greeted, roster, checkpoint)
    names, nothing = sorted(greeted), Arrays()
    like = {"regions": np.zeros((len(names), WIDTH)), "groups": np.zeros((COLUMNS, WIDTH))}
    progress(Step("statistics", f"noisy sums of {len(names)} regions and {COLUMNS} groups"))
    summed = once(
        federation,
        lambda: summation.collect(
            "query.quality_sums", {"regions": names}, lambda _: nothing, Share(sums=like), 1
        ),
    )
    clock.lap("statistics")
    heard = [name for name in names if name in summed.metas]
    cells = summed.total.sums["regions"][[names.index(name) for name in heard]]
    own = budget["regions"].deviation
    least, most_use = task.min_cohort, task.private.most_use
    province = estimates(cells.sum(axis=0)[None], own * sqrt(len(heard)), least, most_use)
    if not province.told.any():
        raise JobError(
            "too few learners in all for the noise, or for task.min_cohort: nothing can be told;"
            " raise privacy.epsilon"
        )
    deviation = noise.deviation(budget["groups"].deviation, len(heard))
    return Outcome(
        sites=heard,
        province=province,
        regions=estimates(cells, own, least, most_use),
        groups=estimates(summed.total.sums["groups"], deviation, least, most_use),
        budget=budget,
        exchange=summed.cost,
        phases=clock.phases,
        ledgers={name: summed.metas[name]["ledger"] for name in heard},
    )
