"""Learner portraits, the coordinator's half. The site's: `clients/portrait.py`.

Hello, histograms for ranks within courses, moments, rounds in which all fits take a step together,
tables by which clusterings are judged, the choice, and how many learners have which tag. Every
number that is computed with is a sum over sites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from edufed.arrays import Arrays, prefixed
from edufed.features.cohort import BINS
from edufed.portrait.choice import Candidate, choose
from edufed.portrait.evidence import KNOWN, POSITIVE, candidate, evidence_like
from edufed.portrait.fits import Arrays as Fitted
from edufed.portrait.fits import Family
from edufed.portrait.resamples import Resamples, draw_partitions
from edufed.portrait.search import Search
from edufed.portrait.separation import rates
from edufed.portrait.starts import moments_like
from edufed.share import Share
from edufed.wire import SUM, WEIGHT
from server.answers import fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.encrypted_summation import EncryptedSum
from server.exchange import Reply
from server.federation import Federation, JobError
from server.gathering import gather
from server.progress import Step
from server.rounds import Round
from server.summation import Combined, Summation, build_summation, least_sites

Agreement = Annotated[float, Field(ge=-1, le=1)]


class Evaluation(BaseModel):
    """What a site says beside its tables: how far its own fits agree with the federation's."""

    alone: dict[str, Agreement]


@dataclass(frozen=True)
class Chosen:
    """A clustering that is stable and replicates, its clusters from lowest to highest risk.

    Attributes
    ----------
    candidate : Candidate
    accepted : bool
        Whether it separates the outcomes of test learners as well.
    fit : dict of arrays
        Parameters.
    train, test : float arrays, shape (2, k)
        Learners with a known result, and those with the outcome.
    """

    candidate: Candidate
    accepted: bool
    fit: Fitted
    train: npt.NDArray[np.float64]
    test: npt.NDArray[np.float64]


@dataclass
class Outcome:
    """Everything that the report and the published portraits are made of.

    Attributes
    ----------
    hello : dict
        By site, what it said.
    cohorts, counts
        Courses, and the histograms of their learners.
    resamples : Resamples
    rounds : list of Round
        With the mean loss that each started from.
    under_way : int
        Fits that had not ended by the last round.
    candidates : list of Candidate
    alone : dict of str to dict
        By site, agreement of its own fits with the federation's, by clustering.
    chosen : Chosen or None
    profiles : dict of arrays
        Learners by tag and by cluster, as `clients.portrait.send_profiles`.
    """

    hello: dict[str, dict[str, Any]]
    cohorts: list[str]
    counts: npt.NDArray[np.int64]
    resamples: Resamples
    rounds: list[Round]
    under_way: int
    candidates: list[Candidate]
    alone: dict[str, dict[str, float]]
    chosen: Chosen | None
    profiles: Arrays
    phases: list[tuple[str, float]]
    encrypted: dict[str, Any] | None = None  # what encrypting the sums has cost


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Run the job up to the profiles; one that was cut off starts again.

    Raises
    ------
    JobError
        Too few sites answer, or they have too few learners to fit anything to.
    """
    job, progress, clock = federation.job, federation.progress, Clock()
    federation.least = least_sites(job, roster)
    checkpoint.forget()
    greeted = gather(federation, expected, clock)
    hello = {site: reply.meta for site, reply in greeted.items()}
    summation = build_summation(federation, greeted, roster, checkpoint)
    asking = _Asking(federation, summation, hello)
    progress(Step("statistics", f"ranks within {len(asking.cohorts)} courses"))
    asking.count()
    search = asking.search()
    clock.lap("statistics")
    rounds = asking.fit(search)
    clock.lap("training")
    progress(Step("evaluation", "stability, replication, separation"))
    candidates, alone, tables = asking.judge(search)
    clock.lap("evaluation")
    chosen = _choice(asking, search, candidates, tables)
    progress(Step("profiles", "learners by tag and cluster"))
    profiles = asking.profile(chosen)
    clock.lap("profiles")
    return Outcome(
        hello=hello,
        cohorts=asking.cohorts,
        counts=asking.counts,
        resamples=asking.resamples,
        rounds=rounds,
        under_way=search.under_way,
        candidates=candidates,
        alone=alone,
        chosen=chosen,
        profiles=profiles,
        phases=clock.phases,
        encrypted=summation.said if isinstance(summation, EncryptedSum) else None,
    )


def _choice(
    asking: _Asking,
    search: Search,
    candidates: list[Candidate],
    tables: Mapping[Family, Mapping[str, npt.NDArray[Any]]],
) -> Chosen | None:
    """Choose by training learners, then accept by test learners; number clusters by their risk."""
    settings = asking.settings
    best = choose(candidates, settings.accept, settings.min_cohort)
    if best is None:
        return None
    own = tables[best.family]
    train = np.asarray(own["train"], np.float64)
    test = np.asarray(own["test"], np.float64)[:, :, 0]
    order = np.argsort(rates(train[KNOWN], train[POSITIVE]), kind="stable")
    fit = {name: array[0][order] for name, array in search.fits[best.family].parameters.items()}
    accepted = best.separates(settings.accept)
    return Chosen(best, accepted, fit, train[:, order], test[:, order])


class _Asking:
    """The questions of one job, and what was agreed on so far."""

    def __init__(
        self, federation: Federation, summation: Summation, hello: Mapping[str, dict[str, Any]]
    ) -> None:
        self.federation, self.job, self.summation = federation, federation.job, summation
        self.settings = self.job.portrait
        self.cohorts = sorted({course for meta in hello.values() for course in meta["courses"]})
        self.counts = np.zeros((len(self.cohorts), len(self.settings.ranked), BINS), np.int64)
        clusters = self.settings.clusters
        self.resamples = Resamples(
            clusters.bootstraps, draw_partitions(list(hello), clusters.partitions, self.job.seed)
        )
        self._prepared: set[str] = set()

    def count(self) -> None:
        """Add up the histograms behind ranks."""
        nothing: Arrays = {}
        combined = self.federation.patiently(
            lambda: self.summation.collect(
                "query.portrait_counts",
                {"cohorts": self.cohorts},
                lambda _: nothing,
                Share(sums={"counts": self.counts}),
            )
        )
        self.counts = np.rint(combined.total.sums["counts"]).astype(np.int64)

    def search(self) -> Search:
        """Start all fits from the moments of all training learners."""
        clusters = self.settings.clusters
        like = moments_like(len(clusters.features))
        combined = self._ask("query.portrait_moments", {}, {}, like)
        total = combined.total.sums
        least = self.settings.min_cohort * max(clusters.sizes)
        if total["n"][0] < least:
            raise JobError(
                f"{total['n'][0]:.0f} learners to make clusters of, and {max(clusters.sizes)}"
                f" clusters of task.min_cohort={self.settings.min_cohort} need {least};"
                " lower task.clusters.sizes, or look at data.split"
            )
        return Search(clusters, dict(total), len(self.resamples), self.job.seed)

    def fit(self, search: Search) -> list[Round]:
        """Go on until no fit is under way, or for as many rounds as there are."""
        rounds = []
        total = self.settings.clusters.rounds
        for number in range(1, total + 1):
            if search.done:
                break
            whose, arrays = search.asked()
            meta = {"fits": whose, "halves": self.resamples.partitions}
            asked = prefixed(WEIGHT, arrays)
            combined = self._ask("train.portrait", meta, asked, search.like(), number)
            search.tell(combined.total.sums)
            rounds.append(Round.of(number, combined.cost, search.loss))
            text = f"round {number}: {len(combined.metas)} sites, {search.under_way} fits under way"
            self.federation.progress(Step("training", text, number, total))
        search.end()
        return rounds

    def judge(
        self, search: Search
    ) -> tuple[
        list[Candidate],
        dict[str, dict[str, float]],
        dict[Family, dict[str, npt.NDArray[Any]]],
    ]:
        """Have every clustering judged; by each family, the tables behind it as well."""
        arrays: Arrays = {}
        like: Arrays = {}
        for family, fits in search.fits.items():
            above = f"{family.name}/"
            arrays |= prefixed(WEIGHT + above, fits.parameters)
            tables = evidence_like(family, self.resamples, self.settings.replicates)
            like |= prefixed(above, tables)
        combined = self._ask(
            "evaluate.portrait",
            {"halves": self.resamples.partitions},
            arrays,
            like,
            check=lambda reply: fault(Evaluation, reply.meta),
        )
        alone = {site: meta["alone"] for site, meta in combined.metas.items()}
        found = {}
        candidates = []
        for family in search.fits:
            above = f"{family.name}/"
            found[family] = {
                name.removeprefix(above): array
                for name, array in combined.total.sums.items()
                if name.startswith(above)
            }
            agree = [own[family.name] for own in alone.values() if family.name in own]
            candidates.append(candidate(family, found[family], agree))
        return candidates, alone, found

    def profile(self, chosen: Chosen | None) -> Arrays:
        """Count learners by tag, and by cluster where one was chosen."""
        tags = len(self.settings.tags)
        shapes: dict[str, tuple[int, ...]] = {}
        for mark in ("learners", "known", "positive"):
            shapes |= {f"tags/{mark}": (tags,), f"all/{mark}": (1,)}
        arrays: Arrays = {}
        name: str | None = None
        if chosen is not None:
            family = chosen.candidate.family
            name = family.name
            shapes |= {f"clusters/{n}": (family.k,) for n in ("learners", "known", "positive")}
            shapes["clusters/tags"] = (family.k, tags)
            arrays = prefixed(f"{WEIGHT}{name}/", chosen.fit)
        like: Arrays = {n: np.zeros(shape, np.int64) for n, shape in shapes.items()}
        combined = self._ask("query.portrait_profiles", {"family": name}, arrays, like)
        return {n: np.rint(a).astype(np.int64) for n, a in combined.total.sums.items()}

    def _ask(
        self,
        kind: str,
        meta: Mapping[str, Any],
        arrays: Arrays,
        like: Mapping[str, npt.NDArray[Any]],
        number: int | None = None,
        check: Callable[[Reply], str | None] = lambda _: None,
    ) -> Combined:
        """Ask every site; those that do not have the histograms yet get them along."""
        both = arrays | {f"{SUM}counts": self.counts}
        combined = self.federation.patiently(
            lambda: self.summation.collect(
                kind,
                {"cohorts": self.cohorts, **meta},
                lambda site: arrays if site in self._prepared else both,
                Share(sums=dict(like)),
                number,
                check,
            )
        )
        # A site that failed may have lost them: it gets them again.
        self._prepared = set(combined.metas)
        return combined
