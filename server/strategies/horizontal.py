"""Horizontal federation, the coordinator's half. The site's: `clients/horizontal.py`.

Hello, federated sums for scaling and cohort ranks, rounds until the validation loss no longer
falls, evaluation of the best round's model, publication. A round is one message each way: a
site scores the model it gets before it trains it, so the loss of round r's model arrives with
round r + 1.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.config import Job
from edufed.config.job import FedPerSettings
from edufed.features import design_names
from edufed.metrics import metrics_from_summary
from edufed.models import build_model, get_weights, personal_names
from edufed.wire import SUM, WEIGHT, Arrays, prefixed, unprefixed
from server.aggregation import aggregate, build_strategy
from server.exchange import Exchange, Reply
from server.federation import Federation
from server.progress import Step

Summary = npt.NDArray[np.float64]


@dataclass
class Round:
    """One round's cost, and how good the model is that it made."""

    number: int
    seconds: float
    messages: int
    bytes_up: int
    bytes_down: int
    loss: float | None = None
    roc_auc: float | None = None


@dataclass
class Outcome:
    """Everything that the report and the published model are made of."""

    hello: dict[str, dict[str, Any]]
    cohorts: list[str]
    sums: Arrays
    weights: Arrays
    rounds: list[Round]
    best_round: int
    stopped_by: str
    scores: dict[str, Arrays]  # site -> its test summaries: test, rule, perhaps local
    phases: list[tuple[str, float]] = field(default_factory=list)


def run(federation: Federation, expected: int) -> Outcome:
    """Run the scenario up to the evaluation of the chosen model.

    Parameters
    ----------
    federation : Federation
    expected : int
        How many nodes to wait for.

    Raises
    ------
    JobError
        Too few sites answer, at any step.
    """
    job, progress = federation.job, federation.progress
    phases: list[tuple[str, float]] = []
    clock = _Clock(phases)

    nodes = federation.connect(expected)
    clock.lap("waiting")
    progress(Step("features", f"{len(nodes)} sites read their records"))
    hello = {site: reply.meta for site, reply in federation.greet(nodes).items()}
    clock.lap("features")

    cohorts = sorted({course for meta in hello.values() for course in meta["courses"]})
    progress(Step("statistics", f"sums over {len(hello)} sites and {len(cohorts)} courses"))
    sums = _sums(federation, cohorts)
    clock.lap("statistics")

    training = _Training(federation, cohorts, sums)
    training.run()
    clock.lap("training")

    progress(Step("evaluation", f"scoring the model of round {training.best_round}"))
    scores = training.evaluate(local=job.research)
    clock.lap("evaluation")
    return Outcome(
        hello=hello,
        cohorts=cohorts,
        sums=sums,
        weights=training.best_weights,
        rounds=training.rounds,
        best_round=training.best_round,
        stopped_by=training.stopped_by,
        scores=scores,
        phases=phases,
    )


class _Clock:
    """Seconds by phase."""

    def __init__(self, phases: list[tuple[str, float]]) -> None:
        self.phases, self.last = phases, time.monotonic()

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self.phases.append((phase, now - self.last))
        self.last = now


def _sums(federation: Federation, cohorts: list[str]) -> Arrays:
    nothing: Arrays = {}
    replies, _ = federation.ask("query.statistics", {"cohorts": cohorts}, lambda _: nothing)
    return {
        name: np.sum([reply.arrays[name] for reply in replies.values()], axis=0)
        for name in ("counts", "moments")
    }


class _Training:
    """The round loop: best model so far, convergence, and which sites have the sums."""

    def __init__(self, federation: Federation, cohorts: list[str], sums: Arrays) -> None:
        self.federation, self.job = federation, federation.job
        self.cohorts, self.sums = cohorts, sums
        self.prepared: set[str] = set()
        self.rounds: list[Round] = []
        self.best_round, self.best_loss = 0, math.inf
        self.stopped_by = "rounds"
        self.weights, self.weights_round = _initial_weights(self.job), 0
        self.best_weights = self.weights

    def run(self) -> None:
        strategy = build_strategy(self.job.strategy)
        total = self.job.scenario.rounds
        for number in range(1, total + 1):
            replies, outcome = self._ask("train.horizontal", number, self._check_update)
            if number > 1:
                self._judge(replies)
                if number - 1 - self.best_round >= self.job.scenario.patience:
                    self.stopped_by = "converged"
                    return
            updates = [
                (unprefixed(WEIGHT, reply.arrays), float(reply.meta["n_train"]))
                for reply in replies.values()
            ]
            self.weights = aggregate(strategy, number, self.weights, updates)
            self.weights_round = number
            self.rounds.append(
                Round(
                    number,
                    outcome.seconds,
                    outcome.messages,
                    outcome.bytes_up,
                    outcome.bytes_down,
                )
            )
            self._tell(number, total, len(replies))

    def _judge(self, replies: dict[str, Reply]) -> None:
        """Note how good the latest model is, and keep it if it is the best yet."""
        latest = self.rounds[-1]
        held = sum(reply.meta["n_valid"] for reply in replies.values())
        if not held:
            self.best_round, self.best_weights = latest.number, self.weights
            return
        total = sum(reply.meta["loss_valid"] * reply.meta["n_valid"] for reply in replies.values())
        latest.loss = total / held
        summary = np.sum([reply.arrays["valid"] for reply in replies.values()], axis=0)
        latest.roc_auc = metrics_from_summary(summary)["roc_auc"]
        if latest.loss < self.best_loss - self.job.scenario.min_improvement:
            self.best_loss, self.best_round = latest.loss, latest.number
            self.best_weights = self.weights

    def _tell(self, number: int, total: int, sites: int) -> None:
        known = self.rounds[-2] if len(self.rounds) > 1 else None
        quality = f", validation loss {known.loss:.4f}" if known is not None and known.loss else ""
        self.federation.progress(
            Step("training", f"round {number}: {sites} sites{quality}", number, total)
        )

    def evaluate(self, local: bool) -> dict[str, Arrays]:
        """Score the latest model on validation learners, then the best one on test learners."""
        if self.stopped_by == "rounds":
            # The last round's model has not been scored by a later round.
            replies, _ = self._ask("evaluate.horizontal", None, _check_scores, local=False)
            self._judge(replies)
        self.weights, self.weights_round = self.best_weights, self.best_round
        replies, _ = self._ask("evaluate.horizontal", None, _check_scores, local=local)
        return {site: reply.arrays for site, reply in replies.items()}

    def _ask(
        self, kind: str, number: int | None, check: Any, **meta: Any
    ) -> tuple[dict[str, Reply], Exchange]:
        """Send the current model; and the sums to those sites that do not have them yet."""
        model = prefixed(WEIGHT, self.weights)
        both = model | prefixed(SUM, self.sums)
        replies, outcome = self.federation.ask(
            kind,
            {"model_round": self.weights_round, "cohorts": self.cohorts, **meta},
            lambda site: model if site in self.prepared else both,
            number,
            check,
        )
        # A site that failed may have lost them: it gets them again.
        self.prepared = set(replies)
        return replies, outcome

    def _check_update(self, reply: Reply) -> str | None:
        weights = unprefixed(WEIGHT, reply.arrays)
        if set(weights) != set(self.weights):
            return "its update has other layers than the model"
        for name, array in self.weights.items():
            if weights[name].shape != array.shape:
                return f"its update of {name} has shape {weights[name].shape}, not {array.shape}"
            if not np.isfinite(weights[name]).all():
                return f"its update of {name} holds NaN or infinity"
        return None


def _check_scores(reply: Reply) -> str | None:
    if not all(np.isfinite(array).all() for array in reply.arrays.values()):
        return "its scores hold NaN or infinity"
    return None


def _initial_weights(job: Job) -> Arrays:
    """Return the first model; under FedPer without the layers that stay at the sites."""
    model = build_model(job.model, len(design_names()), job.seed)
    weights: Arrays = dict(get_weights(model))
    if isinstance(job.strategy, FedPerSettings):
        for name in personal_names(model, job.strategy.personal_layers):
            del weights[name]
    return weights
