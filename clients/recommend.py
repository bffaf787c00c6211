"""Recommendation, the site's half. The coordinator's: `server/strategies/recommend.py`.

Five questions, in order: `hello` (which courses, with which resources), `counts` (the one exchange
that EASE, neighbours and popularity need), `train` (one step of the ranker and of the matrix
factorisation a round), `evaluate` (sums behind the figures), `publish` (keep the model). Learners'
own scores, vectors and lists stay here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.answer import Answer
from clients.bootstrap import bootstrap_seed
from clients.horizontal import UnpreparedError
from clients.kept import KEPT
from clients.site import Site
from clients.split import learn_and_test
from clients.summation import advert, contribute
from clients.usage import Used, read
from edufed.arrays import Arrays, unprefixed
from edufed.config.job import Job
from edufed.config.task import RecommendSettings
from edufed.fairness.groups import IntArray
from edufed.fairness.lists import list_sums
from edufed.fairness.summaries import group_counts
from edufed.ranking import poisson_weights
from edufed.recommend.agreed import Course, catalogue_of, from_message
from edufed.recommend.counts import count, flat
from edufed.recommend.evaluation import add_course, sums_like
from edufed.recommend.factors import learner_vectors, normal_equations
from edufed.recommend.features import FEATURES, features
from edufed.recommend.items import Items
from edufed.recommend.models import ALONE, BASELINE, FEDERATED, Trained, score, score_alone
from edufed.recommend.published import Recommender, RecommenderDescription, save_recommender
from edufed.recommend.ranker import Likelihood, likelihood
from edufed.recommend.usage import Interactions, Usage, interactions
from edufed.share import Share
from edufed.wire import SUM, WEIGHT, WireError

Mask = npt.NDArray[np.bool_]


def used_at(site: Site, task: RecommendSettings) -> Used:
    """Return what the site's learners used, for a job with this task."""
    return read(site, task.cutoff_day, task.horizon_days)


def hello(site: Site, job: Job, meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say which courses the site has, with which resources, and how many learners; no learner."""
    started = time.monotonic()
    used = used_at(site, job.recommend)
    usage = used.usage
    seconds = time.monotonic() - started
    learn, test = learn_and_test(usage.learner_id, usage.course_start, job)
    wanted = _wanted(usage)
    return {
        "courses": sorted(usage.catalogues),
        "catalogues": usage.catalogues,
        "trains": sorted(set(usage.course_id[learn].tolist())),
        "tests": sorted(set(usage.course_id[test].tolist())),
        "n_train": int((learn & wanted).sum()),
        "n_valid": 0,
        "n_test": int((test & wanted).sum()),
        "missing": [],
        "quality": used.quality,
        "seconds_features": seconds,
    }, advert(site, job, resumed=bool(meta["resumed"]))


def _wanted(usage: Usage) -> Mask:
    """Say of which enrolments something is to be foretold."""
    wanted = np.zeros(len(usage), dtype=bool)
    wanted[usage.row[usage.later & np.isnan(usage.first)]] = True
    return wanted


def send_counts(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of every course's counts, and of the groups to be tested."""
    used = used_at(site, job.recommend)
    usage = used.usage
    seen = [interactions(usage, catalogue_of(said)) for said in meta["agreed"]]
    counts = [count(learners, job.recommend.cutoff_day) for learners in seen]
    _, test = learn_and_test(usage.learner_id, usage.course_start, job)
    tested = used.groups[test & _wanted(usage)]
    sums: Arrays = dict(flat(counts))
    sums["group_counts"] = group_counts(np.zeros(len(tested)), tested)[:, :1]
    return {}, contribute(site, job, Share(sums=sums), arrays)


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the ranker's likelihood at the weights that came, and with normal equations."""
    here = prepared(site, job, meta, arrays)
    sums: Arrays = {}
    if meta["ranker"]:
        sums |= as_sums(here.likelihood(arrays[f"{WEIGHT}ranker"]))
    if meta["factors"]:
        sums |= here.normal_equations(arrays[f"{WEIGHT}vectors"])
    return {}, contribute(site, job, Share(sums=sums), arrays)


def as_sums(found: Likelihood) -> Arrays:
    """Write a likelihood as arrays that add up."""
    return {
        "value": np.array([found.value]),
        "gradient": found.gradient,
        "curvature": found.curvature[np.triu_indices(len(found.gradient))],
        "learners": np.array([found.learners]),
    }


def evaluate(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with sums of test learners' scores, each under bootstrap weights drawn here.

    The site's own mean NDCG goes along in clear, so that the report can name the worst site, unless
    it is of fewer learners than the site's policy asks for in a job.
    """
    here = prepared(site, job, meta, arrays)
    models = (*FEDERATED, *ALONE) if meta["local"] else FEDERATED
    sums, ndcg = here.evaluate(
        models,
        arrays[f"{WEIGHT}ranker"],
        arrays[f"{WEIGHT}vectors"],
        agreed_at(site, counts_file(job, meta)),
        np.random.default_rng(bootstrap_seed(site, job)),
        meta["told"],
    )
    least = site.settings.policy.min_learners
    own = {
        "n": len(ndcg[BASELINE]),
        "ndcg_at_10": {model: _mean(values, least) for model, values in ndcg.items()},
    }
    return {"metrics": own}, contribute(site, job, Share(sums=sums), arrays)


def _mean(values: npt.NDArray[np.float64], least: int) -> float | None:
    """Mean over so many learners that it tells little of one; None over fewer."""
    return float(values.mean()) if len(values) >= least else None


def publish(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Keep the recommender in the site's state folder."""
    kept = keep_counts(site, job, meta, arrays)
    description = RecommenderDescription.model_validate(meta["description"])
    trained = Trained(arrays[f"{WEIGHT}ranker"], arrays[f"{WEIGHT}vectors"])
    agreed = agreed_at(site, kept)
    save_recommender(
        Recommender(description, trained, agreed), site.store.folder / "models" / job.id
    )
    return {}, {}


@dataclass(frozen=True)
class Local:
    """One course at this site: its learners, and what the ranker learns from.

    The federation's counts are not kept beside them: they are large, and few messages need them.
    """

    tests: bool
    seen: Interactions
    learn: Mask  # learners of `seen` to learn from, and to test on
    test: Mask
    x: npt.NDArray[np.float32]  # features of the learners to learn from, where the course trains

    @classmethod
    def of(
        cls, course: Course, task: RecommendSettings, seen: Interactions, learn: Mask, test: Mask
    ) -> Local:
        """Take those learners alone who have something relevant, and compute their features."""
        wanted = seen.later.any(axis=1)
        learn, test = learn & wanted & course.trains, test & wanted & course.tests
        learners = seen.part(learn)
        items = Items.of(course.counts, task.ease_l2)
        x = features(learners, course.counts, items, course.catalogue.kinds, task.cutoff_day)
        return cls(course.tests, seen, learn, test, x)

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        arrays = (self.seen.first, self.seen.last, self.seen.later, self.x)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True)
class Prepared:
    """A site's learners and what the sites agreed on, for one job."""

    task: RecommendSettings
    usage: Usage
    groups: IntArray
    courses: list[Local]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about, beside the usage."""
        return sum(local.nbytes for local in self.courses)

    def likelihood(self, weights: npt.NDArray[np.float64]) -> Likelihood:
        """Return the ranker's likelihood on this site's training learners."""
        total = Likelihood.none(len(FEATURES))
        for local in self.courses:
            seen = local.seen.part(local.learn)
            total = total + likelihood(weights, local.x, ~seen.used, seen.later)
        return total

    def normal_equations(self, vectors: npt.NDArray[np.float64]) -> Arrays:
        """Return this site's part of the resources' normal equations, all courses together."""
        parts = []
        for local, own in self._with(vectors):
            used = local.seen.used
            learners = learner_vectors(used, own, self.task.alpha, self.task.factor_l2)
            parts.append(normal_equations(used, learners, self.task.alpha))
        left, right = zip(*parts, strict=True)
        return {"left": np.concatenate(left), "right": np.concatenate(right)}

    def evaluate(
        self,
        models: tuple[str, ...],
        weights: npt.NDArray[np.float64],
        vectors: npt.NDArray[np.float64],
        agreed: list[Course],
        rng: np.random.Generator,
        told: Sequence[int],
    ) -> tuple[Arrays, dict[str, npt.NDArray[np.float64]]]:
        """Judge every model on the test learners.

        Returns
        -------
        sums : dict of arrays
            As `edufed.recommend.evaluation.sums_like`, over the courses that test; and the
            ranker's by told group, as `edufed.fairness.lists.list_sums`.
        ndcg : dict of arrays, shape (learners,)
            By model. It stays at the site.
        """
        tested = [
            (local, own, course)
            for (local, own), course in zip(self._with(vectors), agreed, strict=True)
            if local.tests
        ]
        sizes = [len(own) for _, own, _ in tested]
        sums = sums_like(len(tested), sum(sizes), len(models), self.task.replicates)
        # One weight for a learner, in whichever courses they are.
        people, person = np.unique(self.usage.learner_id.astype(str), return_inverse=True)
        drawn = poisson_weights(len(people), self.task.replicates, rng)
        ndcg: dict[str, list[npt.NDArray[np.float64]]] = {model: [] for model in models}
        begin = 0
        rows, own_weights = [np.zeros(0, dtype=np.int64)], [drawn[:0]]
        for place, (local, own, course) in enumerate(tested):
            resources = slice(begin, begin + len(own))
            begin += len(own)
            seen = local.seen.part(local.test)
            if not len(seen.rows):
                continue
            kinds = course.catalogue.kinds
            scores = score(seen, course.counts, kinds, weights, own, self.task)
            if set(ALONE) & set(models):
                scores |= score_alone(seen, count(local.seen, self.task.cutoff_day), self.task)
            mine = drawn[person[seen.rows]]
            judged = add_course(sums, place, resources, scores, models, seen, mine)
            rows.append(seen.rows)
            own_weights.append(mine)
            for model, values in judged.items():
                ndcg[model].append(values)
        none = np.zeros(0)
        joined = {model: np.concatenate([none, *values]) for model, values in ndcg.items()}
        codes, mine = self.groups[np.concatenate(rows)], np.concatenate(own_weights)
        return sums | list_sums(joined["ranker"], mine, codes, told), joined

    def _with(
        self, vectors: npt.NDArray[np.float64]
    ) -> list[tuple[Local, npt.NDArray[np.float64]]]:
        """Each course with its own rows of `vectors`."""
        ends = np.cumsum([local.seen.first.shape[1] for local in self.courses])
        if len(vectors) != ends[-1]:
            raise WireError("the vectors that came are not those of the agreed catalogues")
        return list(zip(self.courses, np.split(vectors, ends[:-1]), strict=True))


def prepared(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Prepared:
    """Return the site's learners with the agreed counts: those in this message, or kept ones."""
    kept = keep_counts(site, job, meta, arrays)
    key = ("recommend", site.settings.model_dump_json(), job.model_dump_json(), kept)
    return KEPT.get(key, lambda: _prepare(site, job, kept))


def keep_counts(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> str:
    """Keep the agreed counts if they came along; return the name under which they are kept."""
    kept = counts_file(job, meta)
    sums = unprefixed(SUM, arrays)
    if sums:
        site.store.save(kept, sums | {"agreed": np.array(json.dumps(meta["agreed"]))})
    return kept


def counts_file(job: Job, meta: Mapping[str, Any]) -> str:
    """Name under which the site keeps the counts that a message speaks of."""
    digest = str(meta["digest"])
    if not re.fullmatch(r"[0-9a-f]{16}", digest):
        raise WireError("not a message of ours: its digest is none")
    return f"jobs/{job.id}/counts-{digest}"


def _prepare(site: Site, job: Job, kept: str) -> Prepared:
    agreed = agreed_at(site, kept)
    used = used_at(site, job.recommend)
    usage = used.usage
    learn, test = learn_and_test(usage.learner_id, usage.course_start, job)
    courses = []
    for course in agreed:
        seen = interactions(usage, course.catalogue)
        mine = (learn[seen.rows], test[seen.rows])
        courses.append(Local.of(course, job.recommend, seen, *mine))
    return Prepared(job.recommend, usage, used.groups, courses)


def agreed_at(site: Site, kept: str) -> list[Course]:
    """Return the courses that the sites agreed on, with their counts, as this site keeps them.

    Raises
    ------
    UnpreparedError
        It has none.
    """
    sums = site.store.load(kept)
    if sums is None:
        raise UnpreparedError("the site does not have the federation's counts")
    return from_message(json.loads(str(sums.pop("agreed"))), sums)
