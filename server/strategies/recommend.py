"""Recommendation, the coordinator's half. The site's: `clients/recommend.py`.

Hello, agreement on the catalogues, one exchange of counts, rounds of the ranker (a Newton step on
summed likelihoods) and of the matrix factorisation (resources' vectors from summed normal
equations) side by side, evaluation. Every number that a site sends is a sum over its learners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from edufed.arrays import Arrays, prefixed
from edufed.config import Job
from edufed.config.task import RecommendSettings
from edufed.fairness.lists import judge_lists
from edufed.recommend.agreed import Course
from edufed.recommend.evaluation import sums_like
from edufed.recommend.factors import resource_vectors, start
from edufed.recommend.features import FEATURES
from edufed.recommend.models import ALONE, FEDERATED, Trained, start_weights
from edufed.recommend.ranker import Likelihood, Newton
from edufed.share import Share
from edufed.wire import SUM, WEIGHT
from server.answers import Count, Score, fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.exchange import Reply
from server.federation import Federation
from server.gathering import gather
from server.progress import Step
from server.rounds import Round
from server.strategies.recommend_agreement import AgreedCounts, agree, count
from server.summation import Combined, Summation, build_summation, least_sites


class OwnScores(BaseModel):
    """A site's own figures: its test learners, and each model's mean NDCG@10 on them."""

    n: Count
    ndcg_at_10: dict[str, Score | None]


class Evaluation(BaseModel):
    """What a site says beside its share of the scores."""

    metrics: OwnScores


@dataclass
class Outcome:
    """Everything that the report and the published model are made of.

    Attributes
    ----------
    hello : dict
        By site, what it said.
    agreed : list of Course
    counts : AgreedCounts
        The same as it travels.
    trained : Trained
    rounds : list of Round
        With the mean loss of the ranker that each started from.
    counting : Round
        The one exchange of counts.
    converged : bool
        Whether the ranker did.
    models : tuple of str
        Rows of the sums.
    sums : dict of arrays
        As `edufed.recommend.evaluation.sums_like`, over all sites.
    metrics : dict
        By site, its own figures.
    small : list of str
        Courses left out because they have too few learners.
    fairness : dict
        How the ranker's lists serve groups of learners.
    """

    hello: dict[str, dict[str, Any]]
    agreed: list[Course]
    counts: AgreedCounts
    trained: Trained
    rounds: list[Round]
    counting: Round
    converged: bool
    models: tuple[str, ...]
    sums: Arrays
    metrics: dict[str, dict[str, Any]]
    small: list[str]
    fairness: dict[str, Any]
    phases: list[tuple[str, float]] = field(default_factory=list)


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Run the job up to the evaluation; one that was cut off starts again.

    Raises
    ------
    JobError
        Too few sites answer, or they have nothing to learn from together.
    """
    job, progress = federation.job, federation.progress
    clock = Clock()
    federation.least = least_sites(job, roster)
    checkpoint.forget()
    greeted = gather(federation, expected, clock)
    summation = build_summation(federation, greeted, roster, checkpoint)
    hello = {site: reply.meta for site, reply in greeted.items()}
    catalogues = agree(federation, hello)
    resources = sum(len(catalogue) for catalogue, *_ in catalogues)
    text = f"counts over {len(hello)} sites, {len(catalogues)} courses, {resources:,} resources"
    progress(Step("counts", text))
    counting, agreed, small, told = count(federation, summation, catalogues)
    clock.lap("counts")
    training = _Training(federation, summation, agreed)
    training.run()
    clock.lap("training")
    progress(Step("evaluation", "every model ranks the test learners' resources"))
    models = (*FEDERATED, *ALONE) if job.research else FEDERATED
    scored = training.evaluate(models, told)
    clock.lap("evaluation")
    return Outcome(
        hello=hello,
        agreed=agreed,
        counts=training.counts,
        trained=training.trained,
        rounds=training.rounds,
        counting=counting,
        converged=training.newton.done,
        models=models,
        sums=scored.total.sums,
        fairness={
            "lists": judge_lists(
                scored.total.sums["group_ndcg"],
                scored.total.sums["group_weights"],
                told,
                int(scored.total.sums["weights"][:, 0].sum()),
                job.recommend.min_cohort,
            )
        },
        metrics={site: meta["metrics"] for site, meta in scored.metas.items()},
        small=small,
        phases=clock.phases,
    )


class _Training:
    """The rounds: a Newton step of the ranker and a step of the factorisation in each."""

    def __init__(self, federation: Federation, summation: Summation, agreed: list[Course]) -> None:
        self.federation, self.job, self.summation = federation, federation.job, summation
        self.task: RecommendSettings = self.job.recommend
        self.counts = AgreedCounts.of(agreed)
        self.agreed = agreed
        self.prepared: set[str] = set()
        self.rounds: list[Round] = []
        self.newton = Newton(start_weights(), self.task.ranker_l2)
        self.vectors = _first_vectors(agreed, self.task.rank, self.job)

    @property
    def trained(self) -> Trained:
        """What the rounds so far made."""
        return Trained(self.newton.weights, self.vectors)

    def run(self) -> None:
        """Go on until the ranker has converged and the factorisation had its rounds."""
        total = self.job.scenario.rounds
        for number in range(1, total + 1):
            ranker = not self.newton.done
            factors = number <= self.task.factor_rounds
            if not (ranker or factors):
                return
            like = Share(sums=self._like(ranker, factors))
            combined = self._ask(
                "train.recommend",
                number,
                like,
                self.newton.asked,
                self.vectors,
                ranker=ranker,
                factors=factors,
            )
            sums = combined.total.sums
            entry = Round.of(number, combined.cost)
            if ranker:
                found = _likelihood(sums)
                self.newton.tell(found)
                entry.loss = -found.value / found.learners if found.learners else None
            if factors:
                self.vectors = resource_vectors(sums["left"], sums["right"], self.task.factor_l2)
            self.rounds.append(entry)
            loss = "" if entry.loss is None else f", loss {entry.loss:.4f}"
            text = f"round {number}: {len(combined.metas)} sites{loss}"
            self.federation.progress(Step("training", text, number, total))

    def _like(self, ranker: bool, factors: bool) -> Arrays:
        size = len(FEATURES)
        sums: Arrays = {}
        if ranker:
            sums |= {
                "value": np.zeros(1),
                "gradient": np.zeros(size),
                "curvature": np.zeros(size * (size + 1) // 2),
                "learners": np.zeros(1, dtype=np.int64),
            }
        if factors:
            resources, rank = self.vectors.shape
            sums |= {
                "left": np.zeros((resources, rank * (rank + 1) // 2)),
                "right": np.zeros((resources, rank)),
            }
        return sums

    def evaluate(self, models: tuple[str, ...], told: list[int]) -> Combined:
        """Have every site judge the models on its test learners."""
        sizes = [len(course.catalogue) for course in self.agreed if course.tests]
        like = sums_like(len(sizes), sum(sizes), len(models), self.task.replicates)
        shape = (len(told), 1 + self.task.replicates)
        like["group_ndcg"], like["group_weights"] = np.zeros(shape), np.zeros(shape, np.int64)
        return self._ask(
            "evaluate.recommend",
            None,
            Share(sums=dict(like)),
            *(self.trained.weights, self.trained.vectors),
            local=models != FEDERATED,
            told=told,
        )

    def _ask(
        self,
        kind: str,
        number: int | None,
        like: Share,
        weights: npt.NDArray[np.float64],
        vectors: npt.NDArray[np.float64],
        **meta: Any,
    ) -> Combined:
        """Send the models as they stand; and the counts while a site does not have them yet."""
        model: Arrays = {f"{WEIGHT}ranker": weights, f"{WEIGHT}vectors": vectors}
        both = model | prefixed(SUM, self.counts.arrays)
        # What goes beside the arrays is the same for all sites, so the courses go along with it.
        everybody = self.prepared == set(self.federation.nodes)
        combined = self.federation.patiently(
            lambda: self.summation.collect(
                kind,
                {**self.counts.meta(whole=not everybody), **meta},
                lambda site: model if site in self.prepared else both,
                like,
                number,
                _scores_fault if kind == "evaluate.recommend" else lambda _: None,
            )
        )
        # A site that failed may have lost them: it gets them again.
        self.prepared = set(combined.metas)
        return combined


def _scores_fault(reply: Reply) -> str | None:
    return fault(Evaluation, reply.meta)


def _likelihood(sums: Arrays) -> Likelihood:
    size = len(FEATURES)
    curvature = np.zeros((size, size))
    curvature[np.triu_indices(size)] = sums["curvature"]
    curvature += np.triu(curvature, 1).T
    return Likelihood(
        float(sums["value"][0]), sums["gradient"], curvature, int(sums["learners"][0])
    )


def _first_vectors(agreed: list[Course], rank: int, job: Job) -> npt.NDArray[np.float64]:
    resources = sum(len(course.catalogue) for course in agreed)
    return start(resources, rank, np.random.default_rng(job.seed))
