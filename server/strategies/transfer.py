"""Transfer between education types, the coordinator's half. The site's: `clients/transfer.py`.

Hello, moments of canonical features, Newton steps of all models side by side, scores of the
sources' learners under them, evaluation at the targets. The coordinator sees sums over sites
(masked ones, with `privacy=secagg`), and metrics of the targets; it never sees a row, nor a model
that a target fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays, prefixed
from edufed.config import Job
from edufed.features.canonical import canonical_columns, columns_of
from edufed.records import CANONICAL
from edufed.share import Share
from edufed.transfer.newton import Curvature, step
from edufed.transfer.zero_label import empty_summary
from edufed.wire import SUM, WEIGHT
from server.answers import TransferEvaluation, fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.exchange import Reply
from server.federation import Federation
from server.gathering import gather
from server.progress import Step
from server.rounds import Round
from server.summation import Combined, Summation, build_summation, least_sites

Array = npt.NDArray[np.float64]
#: Newton's steps end where no weight moves farther.
SMALLEST_STEP = 1e-6


@dataclass(frozen=True)
class Model:
    """One model to train: whose learners, which columns.

    Attributes
    ----------
    sources : tuple of str
        Domains.
    target : str
        The domain that is to use it.
    features : tuple of str
        Canonical features that it reads.
    filling : bool
        It reads what the target lacks as well, which is to be filled in there.
    """

    sources: tuple[str, ...]
    target: str
    features: tuple[str, ...]
    filling: bool = False


@dataclass
class Outcome:
    """Everything that the report is made of.

    Attributes
    ----------
    hello : dict of str to dict
        By site.
    models : list of Model
        The first is from all sources to the target.
    weights : float64 array, shape (models, 1 + canonical columns)
    scores : float64 array, shape (models, 2, BINS, 3)
        Score summaries of the sources' test learners.
    results : dict of str to list of dict
        By target site, for each model made for its domain: what `clients.transfer.evaluate` said.
    """

    hello: dict[str, dict[str, Any]]
    models: list[Model]
    weights: Array
    scores: Array
    results: dict[str, list[dict[str, Any]]]
    rounds: list[Round] = field(default_factory=list)
    stopped_by: str = "rounds"
    phases: list[tuple[str, float]] = field(default_factory=list)


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Run the scenario to its end.

    Parameters
    ----------
    federation : Federation
    expected : int
        How many nodes to wait for.
    roster : mapping of str to bytes
        The federation's sites and their Ed25519 public keys, for secure aggregation.
    checkpoint : Checkpoint
        Where secure aggregation keeps its keys. A job that was cut off starts anew: it takes few
        messages.

    Raises
    ------
    JobError
        Too few sites answer, or no site of the target.
    """
    job, progress = federation.job, federation.progress
    clock = Clock()
    checkpoint.forget()
    federation.least = least_sites(job, roster)
    greeted = gather(federation, expected, clock)
    summation = build_summation(federation, greeted, roster, checkpoint)
    hello = {site: reply.meta for site, reply in greeted.items()}
    models = plan(job, hello)
    progress(Step("statistics", f"moments of {len(CANONICAL)} canonical features"))
    moments = collect_moments(federation, summation)
    clock.lap("statistics")
    training = _Training(federation, summation, models)
    training.run()
    clock.lap("training")
    progress(Step("evaluation", f"{len(models)} models at their targets"))
    scores = training.scores()
    results = _evaluate(federation, models, training.weights, scores, moments)
    clock.lap("evaluation")
    return Outcome(
        hello,
        models,
        training.weights,
        scores,
        results,
        training.rounds,
        training.stopped_by,
        clock.phases,
    )


def plan(job: Job, hello: Mapping[str, Mapping[str, Any]]) -> list[Model]:
    """Say which models a job trains, by what the sites supply.

    Parameters
    ----------
    job : Job
    hello : mapping of str to mapping
        Each site's answer.

    Returns
    -------
    list of Model
        First from all other domains to `data.target`; with `data.every_direction` the same for each
        other domain, then from each single domain to each other one; last, where `data.target`
        lacks features that a source has, one model that reads them too.
    """
    names = [domain.name for domain in job.data.domains]
    assert job.data.target is not None
    supplied = {
        name: {
            feature
            for site, meta in hello.items()
            if job.domain_of(site).name == name
            for feature in CANONICAL
            if feature not in meta["missing"]
        }
        for name in names
    }

    def model(sources: list[str], target: str, filling: bool = False) -> Model:
        have = set().union(*(supplied[source] for source in sources))
        if not filling:
            have &= supplied[target]
        features = tuple(feature for feature in CANONICAL if feature in have)
        return Model(tuple(sources), target, features, filling)

    targets = [job.data.target, *(n for n in names if n != job.data.target)]
    if not job.data.every_direction:
        targets = targets[:1]
    planned = [model([n for n in names if n != target], target) for target in targets]
    if job.data.every_direction and len(names) > 2:
        planned += [model([n], target) for target in targets for n in names if n != target]
    whole = model(list(planned[0].sources), targets[0], filling=True)
    return [*planned, whole] if set(whole.features) - supplied[targets[0]] else planned


class _Training:
    """Newton's steps of all models side by side."""

    def __init__(self, federation: Federation, summation: Summation, models: list[Model]) -> None:
        self.federation, self.summation, self.models = federation, summation, models
        self.columns = np.stack([columns_of(model.features) for model in models])
        self.weights = np.zeros((len(models), 1 + len(canonical_columns())))
        self.rounds: list[Round] = []
        self.stopped_by = "rounds"

    def run(self) -> None:
        """Step until the losses no longer fall, or the weights no longer move."""
        job = self.federation.job
        best, best_round = np.inf, 0
        for number in range(1, job.scenario.rounds + 1):
            size, loss = self._step(number)
            text = f"step {number}: mean loss {loss:.4f}"
            self.federation.progress(Step("training", text, number, job.scenario.rounds))
            if loss < best - job.scenario.min_improvement:
                best, best_round = loss, number
            if size < SMALLEST_STEP or number - best_round >= job.scenario.patience:
                self.stopped_by = "converged"
                return

    def _step(self, number: int) -> tuple[float, float]:
        models, columns = self.weights.shape
        like = Share(
            sums={
                "gradient": np.zeros((models, columns)),
                "hessian": np.zeros((models, columns, columns)),
                "loss": np.zeros((models, 2)),
            }
        )
        combined = self._ask("train.transfer", like, number)
        sums = combined.total.sums
        sizes = []
        for m in range(models):
            total = Curvature(sums["gradient"][m], sums["hessian"][m], sums["loss"][m])
            self.weights[m], size = step(
                total, self.weights[m], self.columns[m], self.federation.job.model.l2
            )
            sizes.append(size)
        loss = float((sums["loss"][:, 0] / np.maximum(sums["loss"][:, 1], 1.0)).mean())
        self.rounds.append(Round.of(number, combined.cost, loss))
        return max(sizes), loss

    def scores(self) -> Array:
        """Return each model's score summary of its sources' test learners."""
        like = Share(sums={"scores": np.zeros((len(self.models), *empty_summary().shape))})
        return self._ask("query.scores", like, None).total.sums["scores"]

    def _ask(self, kind: str, like: Share, number: int | None) -> Combined:
        arrays = {WEIGHT + "models": self.weights.copy()}
        sources = [list(model.sources) for model in self.models]
        return self.federation.patiently(
            lambda: self.summation.collect(
                kind, {"sources": sources}, lambda _: arrays, like, number
            )
        )


def collect_moments(federation: Federation, summation: Summation) -> Arrays:
    """Return the moments of canonical features over present pairs, summed over all sites."""
    nothing: Arrays = {}
    square = np.zeros((len(CANONICAL), len(CANONICAL)))
    like = Share(sums=dict.fromkeys(("count", "first", "second"), square))
    return federation.patiently(
        lambda: summation.collect("query.moments", {}, lambda _: nothing, like)
    ).total.sums


def _evaluate(
    federation: Federation, models: list[Model], weights: Array, scores: Array, moments: Arrays
) -> dict[str, list[dict[str, Any]]]:
    """Ask every target what its models are worth to it; one exchange for all."""
    job = federation.job
    arrays = {
        WEIGHT + "models": weights,
        SUM + "scores": scores,
        **prefixed(SUM + "moments/", moments),
    }
    wanted = {
        domain.name: [
            n for n, model in enumerate(models) if model.target == domain.name and not model.filling
        ]
        for domain in job.data.domains
    }
    filling = {model.target: n for n, model in enumerate(models) if model.filling}
    sites = [site for site in federation.nodes if wanted[job.domain_of(site).name]]
    replies, _ = federation.patiently(
        lambda: federation.ask(
            "evaluate.transfer",
            {"models": wanted, "filling": filling},
            lambda _: arrays,
            check=_fault,
            sites=sites,
            least=1,
        )
    )
    return {site: reply.meta["directions"] for site, reply in replies.items()}


def _fault(reply: Reply) -> str | None:
    return fault(TransferEvaluation, reply.meta)
