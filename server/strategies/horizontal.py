"""Horizontal federation, the coordinator's half. The site's: `clients/horizontal.py`.

Hello, federated sums for scaling and cohort ranks, rounds until the validation loss no longer
falls, evaluation of the best round's model, publication. A round is one message each way: a
site scores the model it gets before it trains it, so the loss of round r's model arrives with
round r + 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config import Job
from edufed.config.strategy import FedPerSettings
from edufed.fairness.groups import GROUPS
from edufed.fairness.judgement import judge
from edufed.fairness.summaries import GROUP_BINS
from edufed.fairness.told import told_groups
from edufed.features import FEATURES, design_names
from edufed.features.cohort import BINS
from edufed.metrics import BINS as METRIC_BINS
from edufed.metrics import metrics_from_summary
from edufed.models import build_model, get_weights, personal_names
from edufed.privacy.dp.budget import JobBudget
from edufed.share import Share
from edufed.wire import SUM, WEIGHT
from server.aggregation import aggregate, build_strategy, memory, recall
from server.answers import Evaluation, fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.encrypted_summation import EncryptedSum
from server.exchange import Reply
from server.federation import Federation
from server.gathering import gather
from server.progress import Step
from server.rounds import Round
from server.summation import Check, Combined, Summation, build_summation, least_sites

Summary = npt.NDArray[np.float64]


#: Name of the checkpoint of training.
TRAINING = "training"


@dataclass
class PrivateFindings:
    """What a job with differential privacy spent, and what noisy answers say beside the model.

    Attributes
    ----------
    budget : JobBudget
    learners : float array, shape (2,)
        Noisy numbers of learners who trained and who tested.
    scores : float64 array, shape (2, bins)
        Noisy `edufed.privacy.dp.evaluation.score_counts`, summed over sites.
    deviation : float
        Of the noise in each of them.
    ledgers : dict of str to dict
        What sites said of their ledgers at the job's end.
    """

    budget: JobBudget
    learners: Summary
    scores: Summary
    deviation: float
    ledgers: dict[str, dict[str, Any]] = field(default_factory=dict)


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
    summaries: Arrays  # over all sites' test learners: test, rule, groups
    metrics: dict[str, dict[str, Any]]  # site -> its own: federated, perhaps local
    phases: list[tuple[str, float]] = field(default_factory=list)
    encrypted: dict[str, Any] | None = None  # what encrypting the sums has cost
    private: PrivateFindings | None = None
    fairness: dict[str, Any] | None = None  # by `edufed.fairness.judgement.judge`


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Run the scenario up to the evaluation of the chosen model.

    Parameters
    ----------
    federation : Federation
    expected : int
        How many nodes to wait for.
    roster : mapping of str to bytes
        The federation's sites and their Ed25519 public keys, for secure aggregation.
    checkpoint : Checkpoint
        Written after every round; where it holds one, the job goes on from there.

    Raises
    ------
    JobError
        Too few sites answer, at any step.
    """
    return run_with(federation, expected, roster, checkpoint)[0]


def run_with(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> tuple[Outcome, Summation]:
    """Run the scenario as `run`; return with its outcome the way of adding up, for more sums."""
    job, progress = federation.job, federation.progress
    clock = Clock()

    federation.least = least_sites(job, roster)
    saved = checkpoint.load(TRAINING)
    if saved is None:
        checkpoint.forget()  # of keys that a job cut off before its first round had agreed on
    greeted = gather(federation, expected, clock, resumed=saved is not None)
    summation = build_summation(federation, greeted, roster, checkpoint)
    if saved is not None:
        training = _Training.resume(federation, summation, checkpoint, *saved)
        progress(Step("training", f"going on after round {training.weights_round}"))
    else:
        hello = {site: reply.meta for site, reply in greeted.items()}
        cohorts = sorted({course for meta in hello.values() for course in meta["courses"]})
        progress(Step("statistics", f"sums over {len(hello)} sites and {len(cohorts)} courses"))
        sums = federation.patiently(lambda: _sums(summation, cohorts, job.early_warning.relative))
        clock.lap("statistics")
        training = _Training(federation, summation, checkpoint, hello, cohorts, sums)
        training.save()

    training.run()
    clock.lap("training")

    progress(Step("evaluation", f"scoring the model of round {training.best_round}"))
    scored = training.evaluate(local=job.research)
    clock.lap("evaluation")
    outcome = Outcome(
        hello=training.hello,
        cohorts=training.cohorts,
        sums=training.sums,
        weights=training.best_weights,
        rounds=training.rounds,
        best_round=training.best_round,
        stopped_by=training.stopped_by,
        summaries=scored.total.sums,
        metrics={site: meta["metrics"] for site, meta in scored.metas.items()},
        phases=clock.phases,
        encrypted=summation.said if isinstance(summation, EncryptedSum) else None,
        fairness=judge(
            scored.total.sums["test"],
            scored.total.sums["groups"],
            training.told,
            job.early_warning.min_cohort,
            job.seed,
        ),
    )
    return outcome, summation


def _sums(summation: Summation, cohorts: list[str], relative: bool) -> Arrays:
    """Return the sums behind cohort ranks and scaling, over all sites."""
    nothing: Arrays = {}
    like = Share(
        sums={
            # Without ranks, sites count nothing.
            "counts": np.zeros((len(cohorts) * relative, len(FEATURES), BINS), dtype=np.int64),
            "moments": np.zeros((3, len(FEATURES))),
        }
    )
    asked = {"cohorts": cohorts}
    return summation.collect("query.statistics", asked, lambda _: nothing, like).total.sums


#: What every site adds to the judgement of a model on validation learners; and how many learners of
#: each group it will test.
_VALIDATION: Arrays = {
    "valid": np.zeros((2, METRIC_BINS, 3)),
    "loss_valid": np.zeros(2),
    "group_counts": np.zeros((len(GROUPS) + 1, 2)),
}
_TEST: Arrays = {"test": np.zeros((2, METRIC_BINS, 3)), "rule": np.zeros((2, METRIC_BINS, 3))}


class _Training:
    """The round loop: best model so far, convergence, and which sites have the sums."""

    def __init__(
        self,
        federation: Federation,
        summation: Summation,
        checkpoint: Checkpoint,
        hello: dict[str, dict[str, Any]],
        cohorts: list[str],
        sums: Arrays,
    ) -> None:
        self.federation, self.job, self.summation = federation, federation.job, summation
        self.checkpoint, self.hello = checkpoint, hello
        self.strategy = build_strategy(self.job.local_training)
        self.cohorts, self.sums = cohorts, sums
        self.prepared: set[str] = set()
        self.rounds: list[Round] = []
        self.best_round, self.best_loss = 0, math.inf
        self.stopped_by = "rounds"
        self.weights, self.weights_round = _initial_weights(self.job), 0
        self.best_weights = self.weights
        self.told: list[int] = []

    def save(self) -> None:
        """Write down all that a coordinator needs to go on from here."""
        meta = {
            **self.federation.kept(),
            "hello": self.hello,
            "cohorts": self.cohorts,
            "rounds": [asdict(entry) for entry in self.rounds],
            "weights_round": self.weights_round,
            "best_round": self.best_round,
            "best_loss": None if math.isinf(self.best_loss) else self.best_loss,
        }
        arrays = (
            prefixed("now/", self.weights)
            | prefixed("best/", self.best_weights)
            | prefixed("sums/", self.sums)
            | prefixed("strategy/", memory(self.strategy))
        )
        self.checkpoint.save(TRAINING, meta, arrays)

    @classmethod
    def resume(
        cls,
        federation: Federation,
        summation: Summation,
        checkpoint: Checkpoint,
        meta: dict[str, Any],
        arrays: Arrays,
    ) -> _Training:
        """Return training as it stood after the last round that was finished."""
        sums = unprefixed("sums/", arrays)
        self = cls(federation, summation, checkpoint, meta["hello"], meta["cohorts"], sums)
        self.weights, self.weights_round = unprefixed("now/", arrays), meta["weights_round"]
        self.best_weights, self.best_round = unprefixed("best/", arrays), meta["best_round"]
        self.best_loss = math.inf if meta["best_loss"] is None else meta["best_loss"]
        self.rounds = [Round(**entry) for entry in meta["rounds"]]
        recall(self.strategy, unprefixed("strategy/", arrays))
        federation.take_up(meta)
        return self

    def run(self) -> None:
        """Go on from the round after the last one, until convergence or the last round."""
        total = self.job.scenario.rounds
        for number in range(self.weights_round + 1, total + 1):
            like = Share(self.weights, sums=_VALIDATION)
            combined = self._ask("train.horizontal", number, like)
            if number > 1:
                self._judge(combined)
                if number - 1 - self.best_round >= self.job.scenario.patience:
                    self.stopped_by = "converged"
                    return
            # Under secure aggregation there is the sites' mean alone.
            local = list(combined.shares.values()) or [combined.total]
            updates = [(share.means, share.weight) for share in local]
            self.weights = aggregate(self.strategy, number, self.weights, updates)
            self.weights_round = number
            self.rounds.append(Round.of(number, combined.cost))
            self.save()
            self._tell(number, total, len(combined.metas))

    def _judge(self, combined: Combined) -> None:
        """Note how good the latest model is, and keep it if it is the best yet."""
        least = self.job.early_warning.min_cohort
        self.told = told_groups(combined.total.sums["group_counts"], least)
        latest = self.rounds[-1]
        loss, held = combined.total.sums["loss_valid"].tolist()
        if not held:
            self.best_round, self.best_weights = latest.number, self.weights
            return
        latest.loss = loss / held
        latest.roc_auc = metrics_from_summary(combined.total.sums["valid"])["roc_auc"]
        if latest.loss < self.best_loss - self.job.scenario.min_improvement:
            self.best_loss, self.best_round = latest.loss, latest.number
            self.best_weights = self.weights

    def _tell(self, number: int, total: int, sites: int) -> None:
        known = self.rounds[-2] if len(self.rounds) > 1 else None
        quality = f", validation loss {known.loss:.4f}" if known is not None and known.loss else ""
        self.federation.progress(
            Step("training", f"round {number}: {sites} sites{quality}", number, total)
        )

    def evaluate(self, local: bool) -> Combined:
        """Score the latest model on validation learners, then the best one on test learners."""
        if self.stopped_by == "rounds":
            # The last round's model has not been scored by a later round.
            self._judge(self._evaluate(local=False, told=[]))
        self.weights, self.weights_round = self.best_weights, self.best_round
        return self._evaluate(local, self.told)

    def _evaluate(self, local: bool, told: list[int]) -> Combined:
        groups = np.zeros((len(told), 2, GROUP_BINS, 3))
        like = Share(sums=_VALIDATION | _TEST | {"groups": groups})
        asked = {"local": local, "told": told}
        return self._ask("evaluate.horizontal", None, like, _scores_fault, **asked)

    def _ask(
        self,
        kind: str,
        number: int | None,
        like: Share,
        check: Check = lambda _: None,
        **meta: Any,
    ) -> Combined:
        """Send the current model; and the sums to those sites that do not have them yet."""
        model = prefixed(WEIGHT, self.weights)
        both = model | prefixed(SUM, self.sums)
        combined = self.federation.patiently(
            lambda: self.summation.collect(
                kind,
                {"model_round": self.weights_round, "cohorts": self.cohorts, **meta},
                lambda site: model if site in self.prepared else both,
                like,
                number,
                check,
            )
        )
        # A site that failed may have lost them: it gets them again.
        self.prepared = set(combined.metas)
        return combined


def _scores_fault(reply: Reply) -> str | None:
    return fault(Evaluation, reply.meta)


def _initial_weights(job: Job) -> Arrays:
    """Return the first model; under FedPer without the layers that stay at the sites."""
    model = build_model(job.model, len(design_names()), job.seed)
    weights: Arrays = dict(get_weights(model))
    if isinstance(job.strategy, FedPerSettings):
        for name in personal_names(model, job.strategy.personal_layers):
            del weights[name]
    return weights
