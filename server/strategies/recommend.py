"""Recommendation, the coordinator's half. The site's: `clients/recommend.py`.

Hello, agreement on the catalogues, one exchange of counts, rounds of the ranker (a Newton step on
summed likelihoods) and of the matrix factorisation (resources' vectors from summed normal
equations) side by side, evaluation. Every number that a site sends is a sum over its learners.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from edufed.arrays import Arrays, prefixed
from edufed.config import Job
from edufed.config.task import RecommendSettings
from edufed.fairness.groups import GROUPS
from edufed.fairness.lists import judge_lists
from edufed.fairness.told import told_groups
from edufed.recommend.agreed import Course, describe, to_message
from edufed.recommend.counts import courses, flat_like
from edufed.recommend.evaluation import sums_like
from edufed.recommend.factors import resource_vectors, start
from edufed.recommend.features import FEATURES
from edufed.recommend.models import ALONE, FEDERATED, Trained, start_weights
from edufed.recommend.ranker import Likelihood, Newton
from edufed.recommend.usage import Catalogue
from edufed.records import RESOURCE_KINDS
from edufed.share import Share
from edufed.wire import SUM, WEIGHT
from server.answers import fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.exchange import Reply
from server.federation import Federation, JobError
from server.gathering import gather
from server.progress import Step
from server.rounds import Round
from server.summation import Combined, Summation, build_summation, least_sites

Score = Annotated[float, Field(ge=0, le=1)]


class Catalogues(BaseModel):
    """What a site says of its courses beside the common part of its hello."""

    catalogues: dict[str, dict[str, str]]
    trains: list[str]
    tests: list[str]


class OwnScores(BaseModel):
    """A site's own figures: its test learners, and each model's mean NDCG@10 on them."""

    n: Annotated[int, Field(ge=0)]
    ndcg_at_10: dict[str, Score | None]


class Evaluation(BaseModel):
    """What a site says beside its share of the scores."""

    metrics: OwnScores


@dataclass(frozen=True)
class AgreedCounts:
    """The agreed courses and their counts as they travel, under a name of their own.

    The name keeps a site from taking older counts for these.
    """

    said: list[dict[str, Any]]
    arrays: Arrays
    digest: str

    @classmethod
    def of(cls, agreed: list[Course]) -> AgreedCounts:
        """Write them for a message."""
        said, arrays = to_message(agreed)
        hashed = hashlib.sha256(repr(said).encode())
        for name in sorted(arrays):
            hashed.update(np.ascontiguousarray(arrays[name]).tobytes())
        return cls(said, arrays, hashed.hexdigest()[:16])

    def meta(self, whole: bool) -> dict[str, Any]:
        """What goes beside the arrays; all of it where some site does not have the counts yet."""
        return {"digest": self.digest, **({"agreed": self.said} if whole else {})}


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
    catalogues = _agree(federation, hello)
    resources = sum(len(catalogue) for catalogue, *_ in catalogues)
    text = f"counts over {len(hello)} sites, {len(catalogues)} courses, {resources:,} resources"
    progress(Step("counts", text))
    counting, agreed, small, told = _count(federation, summation, catalogues)
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


def _agree(
    federation: Federation, hello: dict[str, dict[str, Any]]
) -> list[tuple[Catalogue, bool, bool]]:
    """Join the sites' catalogues: each course's resources, whether it trains, whether it tests.

    A site whose catalogues are of another form is left out of them; of two kinds that sites give
    a resource the first in alphabetical order of the sites holds.
    """
    kinds: dict[str, dict[str, str]] = {}
    trains: set[str] = set()
    tests: set[str] = set()
    for site, meta in hello.items():
        problem = fault(Catalogues, meta)
        if problem is not None:
            federation.leave_out(site, problem)
            continue
        said = Catalogues.model_validate(meta)
        trains |= set(said.trains)
        tests |= set(said.tests)
        for course, resources in said.catalogues.items():
            known = {r: kind for r, kind in resources.items() if kind in RESOURCE_KINDS}
            kinds[course] = known | kinds.get(course, {})
    task = federation.job.recommend
    for course, resources in kinds.items():
        if len(resources) > task.max_resources:
            raise JobError(
                f"course {course} has {len(resources)} resources and task.max_resources is"
                f" {task.max_resources}; raise it, and what sites send grows with its square"
            )
    if not kinds:
        raise JobError("no site has a resource of any course; events and resources must name them")
    return [
        (Catalogue.of(course, resources), course in trains, course in tests)
        for course, resources in sorted(kinds.items())
    ]


def _count(
    federation: Federation, summation: Summation, catalogues: list[tuple[Catalogue, bool, bool]]
) -> tuple[Round, list[Course], list[str], list[int]]:
    """Collect the counts of all courses; leave out courses and groups of too few learners."""
    said = [describe(*entry) for entry in catalogues]
    nothing: Arrays = {}
    sizes = [len(catalogue) for catalogue, *_ in catalogues]
    combined = federation.patiently(
        lambda: summation.collect(
            "query.counts",
            {"agreed": said},
            lambda _: nothing,
            Share(sums={**flat_like(sizes), "group_counts": np.zeros((len(GROUPS) + 1, 1))}),
        )
    )
    counts = courses(combined.total.sums, sizes)
    least = federation.job.recommend.min_cohort
    agreed = [
        Course(catalogue, trains, tests, count)
        for (catalogue, trains, tests), count in zip(catalogues, counts, strict=True)
        if count.learners >= least
    ]
    kept = {course.catalogue.course for course in agreed}
    small = [entry["course"] for entry in said if entry["course"] not in kept]
    if not agreed:
        raise JobError(f"no course has task.min_cohort={least} learners over all sites")
    told = told_groups(combined.total.sums["group_counts"], least)
    return Round.of(0, combined.cost), agreed, small, told


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
