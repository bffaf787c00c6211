"""The label party of a split network, as a state machine from letters to letters.

    begin()            -> parts of the rows, to each feature party
    next(letters)      -> gradients of the last exchange's rows, hidden by clipping and noise

The feature parties' masked embeddings come back as the change since the last exchange, so only
their sum is seen, and what a party that drops out has added to it stays. Beside the rows of a batch
come those of validation and test learners, so that the networks as they stand are judged after each
exchange and need no message of their own. `clients/splitnn_feature.py` is the other side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.parties import Parties
from clients.platform import TRAIN, VALID
from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.job import Job
from edufed.config.model import MlpSettings
from edufed.config.strategy import SplitNNSettings
from edufed.privacy.dp.randomness import RandomSource
from edufed.vertical.neural import LabelNetwork, Plan, Rows, batch, protected
from edufed.vertical.neural_together import best_of, train_split
from edufed.vertical.sums import add_up

Array = npt.NDArray[np.float64]


def settings_of(job: Job) -> SplitNNSettings:
    """Return the strategy's settings, for who knows that it is this one."""
    assert isinstance(job.strategy, SplitNNSettings)
    return job.strategy


def plan_of(job: Job) -> Plan:
    """Return what all parties' networks have in common."""
    settings = settings_of(job)
    assert isinstance(job.model, MlpSettings)
    return Plan(
        hidden=tuple(job.model.hidden),
        embedding=settings.embedding,
        l2=job.model.l2,
        learning_rate=settings.learning_rate,
        steps=settings.local_steps,
    )


def batch_of(job: Job, part: npt.NDArray[np.uint8], number: int) -> Rows:
    """Return the training rows of exchange `number`."""
    rows = np.flatnonzero(part == TRAIN)
    return batch(rows, number, settings_of(job).batch_size, job.seed)


def rows_of(job: Job, part: npt.NDArray[np.uint8], number: int) -> Rows:
    """Return the rows whose embeddings exchange `number` brings: all of them, at first."""
    if number == 0:
        return np.arange(len(part))
    return np.concatenate([batch_of(job, part, number), np.flatnonzero(part != TRAIN)])


@dataclass
class Course:
    """How training has gone.

    Attributes
    ----------
    round : int
        Rounds that were asked for; 0 before the first.
    active : list of str
        Feature parties that take part.
    answered : dict of str to int
        By feature party, the last round whose sum its embeddings were part of.
    judged : list of int
        Rounds that gave a sum; 0 is the start.
    losses : list of float
        The validation learners' mean log loss by the networks that those rounds' embeddings are of.
    """

    round: int = 0
    active: list[str] = field(default_factory=list)
    answered: dict[str, int] = field(default_factory=dict)
    judged: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class SplitLabelSide:
    """The label party.

    Parameters
    ----------
    job : Job
    parties : Parties
    x : array, shape (rows, columns)
        Of all shared rows, in their order.
    y : array, shape (rows,)
        1 or 0.
    part : uint8 array, shape (rows,)
        `TRAIN`, `VALID` or `TEST`.
    state : dict of arrays
        `state` of an earlier object, or nothing.
    """

    def __init__(
        self,
        job: Job,
        parties: Parties,
        x: Array,
        y: Array,
        part: npt.NDArray[np.uint8],
        state: Arrays,
    ) -> None:
        self.job, self.parties, self.part = job, parties, part
        self.x, self.y = x, y
        self.course = Course(**json.loads(str(state["course"]))) if state else Course()
        self._plan = plan_of(job)
        self._network = self._new_network(unprefixed("network/", state))
        self._total = state.get("total", np.zeros((len(part), self._plan.embedding))).copy()
        self._best = unprefixed("best/", state)
        self._scores: Array = state.get("scores", np.zeros(len(part)))
        self._best_scores: Array = state.get("best_scores", np.zeros(len(part)))

    def _new_network(self, state: Arrays) -> LabelNetwork:
        return LabelNetwork(self.x, self.y, self._plan, self.parties.seed(self.job.seed), state)

    @property
    def state(self) -> Arrays:
        """What must outlast the object; secret."""
        return {
            "course": np.array(json.dumps(vars(self.course))),
            "total": self._total,
            "scores": self._scores,
            "best_scores": self._best_scores,
            **prefixed("network/", self._network.state),
            **prefixed("best/", self._best),
        }

    @property
    def scores(self) -> Array:
        """Every row's logit by the networks judged last, and at the end by the best ones."""
        return self._scores[:, None]

    @property
    def parameters(self) -> Arrays:
        """This party's part of the best networks."""
        return self._best

    @property
    def alone(self) -> Array:
        """Every row's logit by a network of this party's own columns, shape (rows, 1)."""
        settings = self.job.scenario
        losses: list[float] = []
        best = np.zeros(len(self.part))
        for number, exchange in enumerate(
            train_split(
                self._new_network({}),
                [],
                np.flatnonzero(self.part == TRAIN),
                np.flatnonzero(self.part != TRAIN),
                self._judged,
                width=self._plan.embedding,
                size=settings_of(self.job).batch_size,
                seed=self.job.seed,
            )
        ):
            losses.append(exchange.loss)
            at = best_of(losses, settings.min_improvement)
            if at == number:
                best = exchange.logits
            if number - at >= settings.patience or number >= settings.rounds:
                break
        return best[:, None]

    @property
    def _judged(self) -> Rows:
        return np.flatnonzero(self.part == VALID)

    def begin(self, columns: Mapping[str, int]) -> dict[str, bytes]:
        """Tell each feature party which rows train, validate and test."""
        self.course.active = sorted(columns)
        letter = {"part": self.part.tobytes()}
        return {name: self.parties.seal(name, "begin", letter) for name in columns}

    def next(self, letters: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Take the embeddings of a round; judge; take local steps; send gradients, or end.

        Returns
        -------
        said, letters
            As `clients.vertical_label.LabelSide.next`; `loss` is the validation learners'.
        """
        course = self.course
        came = self.parties.answers(course.round, letters, course.active)
        # One that is lost stands where it was: what it has added to the sums stays.
        lost = sorted(set(course.active) - set(came))
        course.active = sorted(came)
        counted = bool(came) and not lost
        if counted:
            self._add([parts["embeddings"] for parts in came.values()])
        stopped_by = self._stopped_by()
        said = {
            "round": course.round,
            "step": counted and course.round > 0,
            "loss": course.losses[-1],
            "parties": list(course.active),
            "stopped_by": stopped_by,
        }
        if stopped_by is not None:
            self._scores = self._best_scores
            return said, {name: self._end(name) for name in self.parties.others}
        gradients = self._learn() if counted else b""
        course.round += 1
        about = {"parties": course.active, "counted": counted}
        return said, {name: self._ask(name, about, gradients) for name in course.active}

    def _add(self, vectors: list[bytes]) -> None:
        course, width = self.course, self._plan.embedding
        rows = rows_of(self.job, self.part, course.round)
        self._total[rows] += add_up(vectors, len(rows) * width).reshape(-1, width)
        course.answered |= dict.fromkeys(course.active, course.round)
        judged = self._judged
        course.judged.append(course.round)
        course.losses.append(self._network.loss(self._total[judged], judged))
        self._scores = self._network.logits(self._total)
        if self._best_at == course.round:
            self._best, self._best_scores = self._network.weights, self._scores

    def _learn(self) -> bytes:
        settings = settings_of(self.job)
        rows = batch_of(self.job, self.part, self.course.round)
        gradients = self._network.learn(rows, self._total[rows])
        # The noise is fresh in every job and message: repeated noise could be taken off. All
        # parties get the same, so that those that join forces have no second draw.
        hidden = protected(gradients, settings.clip, settings.noise_multiplier, RandomSource())
        return hidden.astype("<f4").tobytes()

    @property
    def _best_at(self) -> int:
        """Round of the best networks."""
        course = self.course
        return course.judged[best_of(course.losses, self.job.scenario.min_improvement)]

    def _stopped_by(self) -> str | None:
        settings, course = self.job.scenario, self.course
        if not course.active:
            return "no feature party left"
        since = len(course.judged) - 1 - course.judged.index(self._best_at)
        if since >= settings.patience:
            return "converged"
        return "rounds" if course.round >= settings.rounds else None

    def _keep(self, name: str) -> int:
        """Round of which a party would keep its network if all ended now."""
        return min(self._best_at, self.course.answered[name])

    def _ask(self, name: str, about: dict[str, Any], gradients: bytes) -> bytes:
        said = json.dumps(about | {"keep": self._keep(name)}).encode()
        parts = {"about": said, "gradients": gradients}
        return self.parties.seal(name, f"round {self.course.round}", parts)

    def _end(self, name: str) -> bytes:
        about = {"keep": self._keep(name)}
        return self.parties.seal(name, "end", {"about": json.dumps(about).encode()})
