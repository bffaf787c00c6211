"""Horizontal federation with differential privacy, the coordinator's half.

The site's: `clients/horizontal_dp.py`. Plan the noise, hello, noisy numbers of learners and course
sums, a fixed number of rounds, noisy test scores, publication. The coordinator never sees anything
exact, so what it makes of the answers costs no privacy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.strategy import DpSgdSettings
from edufed.features import FEATURES, design_names
from edufed.models import build_model, get_weights
from edufed.privacy.dp.budget import JobBudget
from edufed.privacy.dp.descent import Descent
from edufed.privacy.dp.evaluation import BINS, summary_from_counts
from edufed.privacy.dp.statistics import course_means
from edufed.private_job import (
    courses_of,
    noise_of,
    planned,
    privacy_of,
    with_noise,
)
from edufed.share import Share
from edufed.wire import SUM, WEIGHT
from server.answers import PrivateHello
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.exchange import Reply
from server.federation import Federation, JobError, TooFewError
from server.gathering import gather
from server.noise import SumNoise, once
from server.progress import Step
from server.rounds import Round
from server.strategies.horizontal import TRAINING, Outcome, PrivateFindings
from server.summation import Combined, Summation, build_summation, least_sites


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Run the scenario up to the evaluation of the last round's model.

    Parameters and errors are those of `server.strategies.horizontal.run`.
    """
    job, progress = federation.job, federation.progress
    clock = Clock()

    federation.least = least_sites(job, roster)
    saved = checkpoint.load(TRAINING)
    progress(Step("schema", "planning the noise"))
    budget = planned(job) if saved is None else with_noise(job, saved[0]["noise"])
    noise = SumNoise(job, roster)
    if saved is None:
        checkpoint.forget()  # of keys that a job cut off before its first round had agreed on
    asked = {"noise": noise_of(budget)}
    greeted = gather(
        federation, expected, clock, resumed=saved is not None, meta=asked, form=PrivateHello
    )
    summation = build_summation(federation, greeted, roster, checkpoint)
    training = _Training(federation, summation, checkpoint, budget, noise)
    if saved is not None:
        training.resume(greeted, *saved)
        progress(Step("training", f"going on after round {training.asked}"))
    else:
        progress(Step("statistics", f"noisy sums over {len(greeted)} sites"))
        training.begin(greeted)
        clock.lap("statistics")
    training.run()
    clock.lap("training")
    progress(Step("evaluation", f"scoring the model of round {len(training.rounds)}"))
    findings = training.evaluate()
    clock.lap("evaluation")
    return Outcome(
        hello={site: {} for site in training.sites},
        cohorts=training.courses,
        sums={"means": training.means},
        weights=training.weights,
        rounds=training.rounds,
        best_round=training.rounds[-1].number,
        stopped_by="rounds",
        summaries={"test": summary_from_counts(findings.scores)},
        metrics={site: {} for site in training.scored},
        phases=clock.phases,
        private=findings,
    )


class _Training:
    """Noisy sums, then a fixed number of rounds."""

    def __init__(
        self,
        federation: Federation,
        summation: Summation,
        checkpoint: Checkpoint,
        budget: JobBudget,
        noise: SumNoise,
    ) -> None:
        self.federation, self.job, self.summation = federation, federation.job, summation
        self.checkpoint, self.budget, self.noise = checkpoint, budget, noise
        self.courses = courses_of(self.job)
        self.weights: Arrays = dict(
            get_weights(build_model(self.job.model, len(design_names()), self.job.seed))
        )
        self.means = np.zeros((len(self.courses), len(FEATURES)))
        self.learners = np.ones(2)
        self.sites: list[str] = []
        self.scored: list[str] = []
        self.rounds: list[Round] = []
        self.asked = 0  # the last round that sites were asked for, whether it was done or not
        self.prepared: set[str] = set()
        settings = self.job.strategy
        self.descent: Descent | None = None
        if isinstance(settings, DpSgdSettings):
            self.descent = Descent(settings.learning_rate, settings.momentum)

    def begin(self, greeted: Mapping[str, Reply]) -> None:
        """Ask for the numbers of learners and, where there is a catalogue, for course sums."""
        self.sites = list(greeted)
        sums: Arrays = {"learners": np.zeros(2)}
        if self.courses:
            sums["courses"] = np.zeros((len(self.courses), 1 + len(FEATURES)))
        nothing: Arrays = {}
        combined = self._once("query.statistics", {}, lambda _: nothing, Share(sums=sums))
        total, count = combined.total.sums, len(combined.metas)
        self.learners = np.maximum(total["learners"], 1.0)
        if self.courses:
            planned = self.budget["statistics"].deviation
            self.means = course_means(total["courses"], self.noise.deviation(planned, count))
        self.save()

    def save(self) -> None:
        """Write down all that a coordinator needs to go on from here."""
        meta = {
            **self.federation.kept(),
            "sites": self.sites,
            "noise": noise_of(self.budget),
            "rounds": [asdict(entry) for entry in self.rounds],
            "asked": self.asked,
        }
        arrays = (
            prefixed("now/", self.weights)
            | {"means": self.means, "learners": self.learners}
            | prefixed("speed/", self.descent.speed if self.descent else {})
        )
        self.checkpoint.save(TRAINING, meta, arrays)

    def resume(self, greeted: Mapping[str, Reply], meta: dict[str, Any], arrays: Arrays) -> None:
        """Take up training as it stood when it was saved last."""
        self.sites = sorted({*meta["sites"], *greeted})
        self.rounds = [Round(**entry) for entry in meta["rounds"]]
        self.asked = meta["asked"]
        self.weights = unprefixed("now/", arrays)
        self.means, self.learners = arrays["means"], arrays["learners"]
        if self.descent is not None:
            self.descent.speed = unprefixed("speed/", arrays)
        elif len(self.rounds) < self.asked:
            self.asked -= 1  # sites that have answered it give the same answer again
        self.federation.take_up(meta)

    def run(self) -> None:
        """Go through the rounds that have not been asked for, whatever they bring."""
        total = self.job.scenario.rounds
        for number in range(self.asked + 1, total + 1):
            self.asked = number
            self.save()
            combined = self._round(number)
            if combined is None:
                continue
            self.rounds.append(Round.of(number, combined.cost))
            self.save()
            text = f"round {number}: {len(combined.metas)} sites"
            self.federation.progress(Step("training", text, number, total))
        if not self.rounds:
            raise JobError("no round could be done; start the job anew")

    def _round(self, number: int) -> Combined | None:
        """Do one round; None where it was lost, and asking again would cost privacy."""
        if self.descent is None:
            like = Share(self.weights)
            combined = self._ask("train.horizontal", number, like)
            self.weights = combined.total.means
            return combined
        like = Share(sums={n: np.zeros(w.shape) for n, w in self.weights.items()})
        try:
            combined = self._ask("train.horizontal", number, like)
        except TooFewError as error:
            if not self.federation.wait_for_sites():
                raise
            self.federation.progress(Step("waiting", f"round {number} is lost: {error}"))
            return None
        expected = privacy_of(self.job).sampling_rate * float(self.learners[0])
        self.weights = dict(
            self.descent.step(self.weights, combined.total.sums, expected, self.job.model.l2)
        )
        return combined

    def evaluate(self) -> PrivateFindings:
        """Have the test learners counted by outcome and risk."""
        like = Share(sums={"scores": np.zeros((2, BINS))})
        combined = self._ask("evaluate.horizontal", None, like)
        self.scored = list(combined.metas)
        planned = self.budget["evaluation"].deviation
        return PrivateFindings(
            budget=self.budget,
            learners=self.learners,
            scores=combined.total.sums["scores"],
            deviation=self.noise.deviation(planned, len(self.scored)),
        )

    def _ask(self, kind: str, number: int | None, like: Share) -> Combined:
        """Send the current model; and the course means to those that do not have them yet."""
        model = prefixed(WEIGHT, self.weights)
        both = model | prefixed(SUM, {"means": self.means})
        meta = {"model_round": len(self.rounds), "cohorts": self.courses, "step": number}
        combined = self._once(
            kind, meta, lambda site: model if site in self.prepared else both, like, number
        )
        self.prepared = set(combined.metas)
        return combined

    def _once(
        self,
        kind: str,
        meta: Mapping[str, Any],
        arrays_for: Callable[[str], Arrays],
        like: Share,
        number: int | None = None,
    ) -> Combined:
        return once(
            self.federation,
            lambda: self.summation.collect(kind, meta, arrays_for, like, number),
        )
