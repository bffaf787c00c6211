"""Recommendation with differential privacy, the coordinator's half.

The site's: `clients/recommend_dp.py`. Plan the noise, hello, one exchange of noisy counts, one of
noisy scores. Whatever is made of noisy numbers here costs no privacy: matrices made semidefinite,
EASE, and the choice of the model that makes the lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel

from edufed.arrays import Arrays, prefixed
from edufed.privacy.dp.budget import JobBudget
from edufed.private_job import noise_of, planned
from edufed.recommend.agreed import Course, describe
from edufed.recommend.models import BASELINE, Trained
from edufed.recommend.private import MODELS, Judged, counts_of, judged, list_weights, penalty
from edufed.share import Share
from edufed.wire import SUM
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.exchange import Exchange
from server.federation import Federation
from server.gathering import gather
from server.noise import SumNoise, once
from server.progress import Step
from server.strategies.recommend_agreement import AgreedCounts, join
from server.summation import build_summation, least_sites


class CatalogueHello(BaseModel):
    """Which resources a site's courses have."""

    site: str
    catalogues: dict[str, dict[str, str]]


@dataclass
class Outcome:
    """Everything that the report and the published model are made of.

    Attributes
    ----------
    sites : list of str
        That took part.
    agreed : list of Course
        With counts made of noisy ones.
    counts : AgreedCounts
        The same as it travels.
    trained : Trained
        Weights that give the order of the chosen model; there are no vectors.
    listed : str
        The chosen model.
    l2 : float
        EASE's penalty under the noise.
    budget : JobBudget
    deviations : dict of str to float
        By entry of the budget: of the noise in each number of the sum.
    judged : Judged
    counting : Exchange
        What the counts cost.
    ledgers : dict of str to dict
        What sites said of their ledgers at the job's end.
    """

    sites: list[str]
    agreed: list[Course]
    counts: AgreedCounts
    trained: Trained
    listed: str
    l2: float
    budget: JobBudget
    deviations: dict[str, float]
    judged: Judged
    counting: Exchange
    phases: list[tuple[str, float]]
    ledgers: dict[str, dict[str, Any]] = field(default_factory=dict)


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Run the job up to the evaluation; parameters and errors as for a job without noise.

    One that was cut off is started anew, as another job: what sites answered is spent.
    """
    job, progress = federation.job, federation.progress
    clock = Clock()
    federation.least = least_sites(job, roster)
    progress(Step("schema", "planning the noise"))
    budget, noise = planned(job), SumNoise(job, roster)
    checkpoint.forget()
    asked = {"noise": noise_of(budget)}
    greeted = gather(federation, expected, clock, meta=asked, form=CatalogueHello)
    summation = build_summation(federation, greeted, roster, checkpoint)
    catalogues = join(
        (reply.meta["catalogues"] for reply in greeted.values()), job.recommend.max_resources
    )
    sizes = [len(catalogue) for catalogue in catalogues]

    progress(Step("counts", f"noisy counts over {len(greeted)} sites, {len(sizes)} courses"))
    nothing: Arrays = {}
    triangle = sum(n * (n + 1) // 2 for n in sizes)
    said = [describe(catalogue, True, True) for catalogue in catalogues]
    like = Share(sums={"gram": np.zeros(triangle), "recent": np.zeros((2, sum(sizes)))})
    counted = once(
        federation,
        lambda: summation.collect("query.counts", {"agreed": said}, lambda _: nothing, like),
    )
    clock.lap("counts")
    heard = len(counted.metas)
    deviations = {
        name: noise.deviation(budget[name].deviation, heard) for name in ("gram", "recent")
    }
    sums = counted.total.sums
    made = counts_of(sums["gram"], sums["recent"], sizes)
    agreed = [Course(c, True, True, found) for c, found in zip(catalogues, made, strict=True)]
    travelling = AgreedCounts.of(agreed)
    l2 = penalty(job.recommend.ease_l2, deviations["gram"], sizes)
    progress(Step("evaluation", "every model ranks the test learners' resources"))
    both = prefixed(SUM, travelling.arrays)
    scored = once(
        federation,
        lambda: summation.collect(
            "evaluate.recommend",
            {**travelling.meta(whole=True), "l2": l2},
            lambda _: both,
            Share(sums={"scores": np.zeros(1 + 2 * len(MODELS))}),
        ),
    )
    clock.lap("evaluation")
    deviation = noise.deviation(budget["evaluation"].deviation, len(scored.metas))
    found = judged(scored.total.sums["scores"], deviation)
    listed = max(MODELS, key=lambda model: (found.ndcg[model][0], model == BASELINE))
    return Outcome(
        sites=sorted(scored.metas),
        agreed=agreed,
        counts=travelling,
        trained=Trained(list_weights(listed), np.zeros((sum(sizes), job.recommend.rank))),
        listed=listed,
        l2=l2,
        budget=budget,
        deviations={**deviations, "evaluation": deviation},
        judged=found,
        counting=counted.cost,
        phases=clock.phases,
    )
