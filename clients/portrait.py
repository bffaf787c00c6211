"""Learner portraits, the site's half. The coordinator's: `server/strategies/portrait.py`.

Seven questions, in order: `hello` (which courses, how many learners), `counts` (histograms, from
which ranks within courses come), `moments` (from which fits start), `train` (one step of all fits a
round), `evaluate` (tables from which clusterings are judged), `profiles` (how many have which
tag), `publish` (keep the portraits' rules and centres). Tags and clusters of learners stay here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.answer import Answer
from clients.bootstrap import bootstrap_seed
from clients.horizontal import UnpreparedError
from clients.hours import night_at
from clients.kept import KEPT
from clients.site import Site
from clients.split import learn_and_test
from clients.summation import advert, contribute
from edufed.arrays import Arrays, unprefixed
from edufed.config.job import Job
from edufed.config.portrait import NIGHT_SHARE, PortraitSettings
from edufed.config.privacy import HeSettings, SecureSums
from edufed.features.matrix import FeatureMatrix
from edufed.narrow import narrowed, widened
from edufed.portrait.evidence import Learners, agreement_alone, evidence
from edufed.portrait.fits import Arrays as Fitted
from edufed.portrait.fits import Family, assign
from edufed.portrait.published import PortraitDescription, Portraits, save_portraits
from edufed.portrait.resamples import LEAST_SITES, Halves, Resamples, tells_of_few
from edufed.portrait.rules import tag
from edufed.portrait.search import answer, families, search_alone
from edufed.portrait.starts import moments
from edufed.portrait.traits import positions, trait_counts, trait_ranks
from edufed.ranking import poisson_weights
from edufed.share import Share
from edufed.wire import SUM, WEIGHT, WireError


def hello(site: Site, job: Job, meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say what the site has for this job: counts of learners and course ids, no learner."""
    started = time.monotonic()
    learners = site.learners(job.portrait.cutoff_day)
    matrix = learners.matrix
    if job.portrait.needs_hours:
        night_at(site, job.portrait, matrix)
    seconds = time.monotonic() - started
    learn, test = learn_and_test(matrix.learner_id, matrix.course_start, job)
    return {
        "courses": sorted(set(matrix.course_id.tolist())),
        "n_train": int(learn.sum()),
        "n_valid": 0,
        "n_test": int(test.sum()),
        "missing": matrix.missing,
        "quality": learners.quality,
        "seconds_features": seconds,
    }, advert(site, job, resumed=bool(meta["resumed"]))


def send_counts(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of the histograms behind ranks."""
    matrix = site.learners(job.portrait.cutoff_day).matrix
    counts = trait_counts(matrix, meta["cohorts"], job.portrait.ranked)
    return {}, contribute(site, job, Share(sums={"counts": counts}), arrays)


def send_moments(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of the training learners' mean and covariance."""
    learners = prepared(site, job, meta, arrays).learners
    return {}, contribute(site, job, Share(sums=moments(learners.x[learners.learn])), arrays)


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with what one step of the fits under way needs of the training learners."""
    here = prepared(site, job, meta, arrays)
    x = here.learners.x[here.learners.learn]
    weights = here.draw(resamples_of(job, meta, site), site, job)[here.learners.learn]
    sums = answer(meta["fits"], unprefixed(WEIGHT, arrays), x, weights)
    return {}, contribute(site, job, Share(sums=sums), arrays)


def evaluate(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the tables from which clusterings are judged.

    How far the site's own fits agree with the federation's goes along in clear, unless it is of
    fewer learners than the site's policy asks for in a job.
    """
    here = prepared(site, job, meta, arrays)
    learners, settings = here.learners, job.portrait
    resamples = resamples_of(job, meta, site)
    drawn = here.by_person(
        settings.replicates, np.random.default_rng([bootstrap_seed(site, job), 1])
    )
    x = learners.x[learners.learn]
    alone: dict[Family, Fitted] = {}
    if len(x) >= max(site.settings.policy.min_learners, settings.min_cohort):
        alone = search_alone(settings.clusters, x, job.seed)
    sums: Arrays = {}
    own: dict[str, float] = {}
    for family in families(settings.clusters):
        fitted = unprefixed(f"{WEIGHT}{family.name}/", arrays)
        if fitted["centres"].shape != (len(resamples), family.k, x.shape[1]):
            raise WireError(f"the fits of {family.name} that came are not those of this job")
        found = evidence(family, fitted, resamples, site.name, learners, drawn)
        sums |= {f"{family.name}/{name}": array for name, array in found.items()}
        if alone:
            whole = {name: array[0] for name, array in fitted.items()}
            own[family.name] = agreement_alone(family, whole, alone[family], x)
    return {"alone": own}, contribute(site, job, Share(sums=sums), arrays)


def send_profiles(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with how many learners have which tag, in all and in each cluster of those chosen."""
    here = prepared(site, job, meta, arrays)
    known = ~np.isnan(here.learners.target)
    marks = {
        "learners": np.ones(len(known), dtype=bool),
        "known": known,
        "positive": known & (here.learners.target == 1),
    }
    every = {name: here.tags[mask].sum(axis=0, dtype=np.int64) for name, mask in marks.items()}
    sums: Arrays = {f"tags/{name}": array for name, array in every.items()}
    sums |= {f"all/{name}": np.array([mask.sum()], np.int64) for name, mask in marks.items()}
    if meta["family"] is not None:
        family = Family.named(str(meta["family"]))
        fitted = unprefixed(f"{WEIGHT}{family.name}/", arrays)
        members = np.eye(family.k, dtype=np.int64)[assign(family, fitted, here.learners.x)]
        sums |= {f"clusters/{name}": mask @ members for name, mask in marks.items()}
        sums["clusters/tags"] = members.T @ here.tags.astype(np.int64)
    return {}, contribute(site, job, Share(sums=sums), arrays)


def publish(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Keep the portraits' rules, histograms and centres in the site's state folder."""
    cohorts, counts = _agreed(site, job, meta, arrays)
    description = PortraitDescription.model_validate(meta["description"])
    portraits = Portraits(description, cohorts, counts, unprefixed(WEIGHT, arrays))
    save_portraits(portraits, site.store.folder / "models" / job.id)
    return {}, {}


@dataclass(frozen=True)
class Prepared:
    """A site's learners for one job, placed within their courses.

    Attributes
    ----------
    learners : Learners
    tags : bool array, shape (rows, tags)
    person : int array, shape (rows,)
        Which learner a row is of, however many courses they take.
    """

    learners: Learners
    tags: npt.NDArray[np.bool_]
    person: npt.NDArray[np.intp]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return self.learners.x.nbytes + self.tags.nbytes + 16 * len(self.person)

    def by_person(self, replicates: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Draw bootstrap weights, shape (rows, 1 + replicates), one for all rows of a learner."""
        return poisson_weights(_people(self.person), replicates, rng)[self.person]

    def draw(self, resamples: Resamples, site: Site, job: Job) -> npt.NDArray[np.int64]:
        """Draw every row's weight in each resample, the same each round."""
        rng = np.random.default_rng([bootstrap_seed(site, job), 0])
        return resamples.weights(site.name, _people(self.person), rng)[self.person]


def _people(person: npt.NDArray[np.intp]) -> int:
    return int(person.max(initial=-1)) + 1


def resamples_of(job: Job, meta: Mapping[str, Any], site: Site | None = None) -> Resamples:
    """Return the resamples that a message is about, as far as `site` may take part in them.

    Raises
    ------
    WireError
        A half is of so few sites that its sums would tell of one.
    """
    partitions = tuple(
        (tuple(map(str, one)), tuple(map(str, other))) for one, other in meta["halves"]
    )
    if any(len(set(half)) < LEAST_SITES for halves in partitions for half in halves):
        raise WireError(f"half of the sites would be fewer than {LEAST_SITES}: this is not summed")
    if site is not None and isinstance(job.privacy, SecureSums | HeSettings):
        _check_halves(partitions, site.name, frozenset(site.roster(job)))
    return Resamples(job.portrait.clusters.bootstraps, partitions)


@lru_cache(maxsize=8)
def _check_halves(partitions: tuple[Halves, ...], me: str, roster: frozenset[str]) -> None:
    """Check that halves are of sites that this one knows, and tell of few by no combination.

    A name that nobody has, or a site that stands in no half or in both, would make the others few.

    Raises
    ------
    WireError
    """
    everyone = {frozenset(one) | frozenset(other) for one, other in partitions}
    whole = len(everyone) <= 1 and all(not set(one) & set(other) for one, other in partitions)
    names = sorted(next(iter(everyone), frozenset()))
    if not whole or not set(names) <= roster or (names and me not in names):
        raise WireError("the halves are not of the sites that this one knows: this is not summed")
    if tells_of_few(names, partitions):
        raise WireError(f"halves tell of fewer than {LEAST_SITES} sites: this is not summed")


def prepared(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Prepared:
    """Return the site's learners with ranks by the sums in this message, or by kept ones."""
    cohorts, counts = _agreed(site, job, meta, arrays)
    key = ("portrait", site.settings.model_dump_json(), job.model_dump_json(), counts.tobytes())
    return KEPT.get(key, lambda: _prepare(site, job, cohorts, counts))


def _agreed(
    site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Cohorts and histograms that the sites agreed on; a message that has them replaces kept ones.

    Raises
    ------
    UnpreparedError
        There are none.
    """
    name = f"jobs/{job.id}/portrait"
    sums = unprefixed(SUM, arrays)
    if sums:
        cohorts = np.array(json.dumps(meta["cohorts"]))
        site.store.save(name, {"counts": narrowed(sums["counts"]), "cohorts": cohorts})
    kept = site.store.load(name)
    if kept is None:
        raise UnpreparedError("the site does not have the federation's counts")
    return json.loads(str(kept["cohorts"])), widened(kept["counts"])


def _prepare(
    site: Site, job: Job, cohorts: Sequence[str], counts: npt.NDArray[np.int64]
) -> Prepared:
    settings = job.portrait
    matrix = site.learners(settings.cutoff_day).matrix
    learn, test = learn_and_test(matrix.learner_id, matrix.course_start, job)
    placed, tags = portray(site, settings, matrix, cohorts, counts)
    return Prepared(
        Learners(placed, matrix.target, learn, test),
        tags,
        np.unique(matrix.learner_id.astype(str), return_inverse=True)[1],
    )


def portray(
    site: Site,
    settings: PortraitSettings,
    matrix: FeatureMatrix,
    cohorts: Sequence[str],
    counts: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Place a site's learners and tag them.

    Returns
    -------
    positions : float64 array, shape (rows, clustered features)
    tags : bool array, shape (rows, tags)
    """
    ranked = settings.ranked
    ranks = trait_ranks(matrix, cohorts, counts, ranked, settings.min_cohort)
    values = dict(zip(matrix.names, matrix.values.T, strict=True))
    if settings.needs_hours:
        values[NIGHT_SHARE] = night_at(site, settings, matrix).astype(np.float32)
    by_rank = dict(zip(ranked, ranks.T, strict=True))
    chosen = [ranked.index(feature) for feature in settings.clusters.features]
    return positions(ranks[:, chosen]), tag(settings.tags, values, by_rank, len(matrix))
