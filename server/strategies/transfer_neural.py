"""Neural transfer, the coordinator's half. The site's: `clients/transfer_neural.py`.

Hello, moments of canonical features (FedMD draws its rows from them), rounds in which the sites'
heads, prototypes or logits are averaged, evaluation at every site. Encoders never travel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edufed.arrays import Arrays, prefixed
from edufed.config import Job
from edufed.config.strategy import FedMDSettings, FedProtoSettings, NeuralTransfer
from edufed.share import Share
from edufed.transfer import neural
from edufed.wire import SUM, WEIGHT
from server.answers import NeuralEvaluation, fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.federation import Federation
from server.gathering import gather
from server.progress import Step
from server.rounds import Round
from server.strategies.transfer import collect_moments
from server.summation import Combined, Summation, build_summation, least_sites


@dataclass
class Outcome:
    """Everything that the report is made of.

    Attributes
    ----------
    hello, results : dict of str to dict
        By site.
    """

    hello: dict[str, dict[str, Any]]
    results: dict[str, dict[str, Any]]
    rounds: list[Round]
    stopped_by: str = "rounds"
    phases: list[tuple[str, float]] = field(default_factory=list)


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Run the scenario to its end; as `server.strategies.transfer.run`."""
    job, progress, clock = federation.job, federation.progress, Clock()
    checkpoint.forget()
    federation.least = least_sites(job, roster)
    greeted = gather(federation, expected, clock)
    summation = build_summation(federation, greeted, roster, checkpoint)
    shared = _Shared(job)
    if isinstance(job.strategy, FedMDSettings):
        shared.fixed = prefixed(SUM + "moments/", collect_moments(federation, summation))
    rounds = [_round(federation, summation, shared, n) for n in range(1, job.scenario.rounds + 1)]
    clock.lap("training")
    progress(Step("evaluation", "every site scores its model"))
    replies, _ = federation.patiently(
        lambda: federation.ask(
            "evaluate.transfer",
            {"model_round": len(rounds)},
            lambda _: shared.arrays(),
            check=lambda reply: fault(NeuralEvaluation, reply.meta),
        )
    )
    clock.lap("evaluation")
    return Outcome(
        hello={site: reply.meta for site, reply in greeted.items()},
        results={site: reply.meta for site, reply in replies.items()},
        rounds=rounds,
        phases=clock.phases,
    )


class _Shared:
    """What the sites have in common, and how their shares become it."""

    def __init__(self, job: Job) -> None:
        assert isinstance(job.strategy, NeuralTransfer)
        self.settings = job.strategy
        self.fixed: Arrays = {}
        self.current: Arrays = {}
        width = self.settings.embedding
        self.like = Share(sums={"loss": np.zeros(2)})
        if isinstance(self.settings, FedProtoSettings):
            self.like.sums.update(prototypes=np.zeros((2, width)), count=np.zeros(2))
        elif isinstance(self.settings, FedMDSettings):
            self.like.means.update(logits=np.zeros(self.settings.generated))
        else:
            head = neural.head_of(neural.build(1, (), width, 0.0, job.seed))
            self.like.means.update(head)
            self.current = prefixed(WEIGHT, head)

    def arrays(self) -> Arrays:
        """What a site gets."""
        return self.fixed | self.current

    def take(self, combined: Combined) -> None:
        """Make the next round's of what came back."""
        total = combined.total
        if isinstance(self.settings, FedProtoSettings):
            count = total.sums["count"][:, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                self.current = {"prototypes": total.sums["prototypes"] / count}
        elif isinstance(self.settings, FedMDSettings):
            self.current = {"logits": total.means["logits"]}
        else:
            self.current = prefixed(WEIGHT, total.means)


def _round(federation: Federation, summation: Summation, shared: _Shared, number: int) -> Round:
    arrays = shared.arrays()
    combined = federation.patiently(
        lambda: summation.collect(
            "train.transfer", {"model_round": number - 1}, lambda _: arrays, shared.like, number
        )
    )
    shared.take(combined)
    loss, learners = combined.total.sums["loss"].tolist()
    mean = loss / max(learners, 1.0)
    total = federation.job.scenario.rounds
    federation.progress(Step("training", f"round {number}: mean loss {mean:.4f}", number, total))
    return Round.of(number, combined.cost, mean)
