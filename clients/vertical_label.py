"""The label party of a vertical job, as a state machine from letters to letters.

    begin()            -> parts of the rows, key and first request, to each feature party
    next(letters)      -> this round's step chosen; the next residual, hidden; or the end

The residual of round t goes out as r - u under the share that the feature party's last answer
brought, and beside it, encrypted, the random vector of round t + 1: a round is one message each way
(`edufed.privacy.products.prepared`). The sum of the feature parties' masked scores comes back for
all rows, those of validation and test learners too, so that the model as it stands is judged
after each round and needs no message of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.parties import Parties, Parts
from clients.platform import TRAIN
from clients.vertical_products import (
    DealtLabelSide,
    LabelProduct,
    LatticeLabel,
    dealt_part,
    is_dealt,
)
from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.job import Job
from edufed.privacy.products import Shape
from edufed.vertical import LabelBlock
from edufed.vertical.sums import add_up

Array = npt.NDArray[np.float64]


@dataclass
class Course:
    """How training has gone.

    Attributes
    ----------
    round : int
        Rounds that were asked for; 0 before the first.
    active : dict of str to int
        Feature parties that take part, and their columns.
    answered : dict of str to int
        By feature party, the last round of which its answer came.
    moves : dict of int to list
        Lengths of the steps, by round; a round without all answers has none.
    objectives : list of float
        The label party alone, and after each round that took a step.
    """

    round: int = 0
    active: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    moves: dict[int, list[list[float]]] = field(default_factory=dict)
    objectives: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> Course:
        """Read what `json.dumps` made of an object's fields."""
        fields = json.loads(text)
        fields["moves"] = {int(number): move for number, move in fields["moves"].items()}
        return cls(**fields)


class LabelSide:
    """The label party.

    Parameters
    ----------
    job : Job
    parties : Parties
    x : array, shape (rows, columns)
        Of all shared rows, in their order.
    y : array, shape (rows,) or (rows, labels)
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
        targets = y.reshape(len(y), -1)
        self.labels = targets.shape[1]
        self._train = part == TRAIN
        self.course = Course.read(str(state["course"])) if "course" in state else Course()
        self.block = LabelBlock(
            x[self._train], targets[self._train], job.model.l2, unprefixed("block/", state) or None
        )
        if not self.course.objectives:
            self.course.objectives.append(self.objective)
        rest = int((~self._train).sum())
        self._rest = state.get(
            "rest", np.zeros((2, rest, self.labels))
        )  # others' scores, last step
        self._products = {
            name: self._product(columns, unprefixed(f"party/{name}/", state))
            for name, columns in self.course.active.items()
        }

    def _product(self, columns: int, state: Arrays) -> LabelProduct:
        shape = Shape(int(self._train.sum()), columns, self.labels)
        return (DealtLabelSide if is_dealt(self.job) else LatticeLabel)(shape, state)

    def deal(self, mail: Parts | None) -> None:
        """Take the coordinator's numbers, where products are dealt."""
        for name, product in self._products.items():
            if isinstance(product, DealtLabelSide):
                product.deal(dealt_part(mail, name))

    @property
    def objective(self) -> float:
        """Loss and penalty over training rows, the mean over labels."""
        return float(self.block.objective.mean())

    @property
    def state(self) -> Arrays:
        """What must outlast the object; secret."""
        kept: Arrays = {
            "course": np.array(json.dumps(vars(self.course))),
            "rest": self._rest,
            **prefixed("block/", self.block.state),
        }
        for name, product in self._products.items():
            kept |= prefixed(f"party/{name}/", product.state)
        return kept

    @property
    def scores(self) -> Array:
        """Every row's score by the model as it stands, shape (rows, labels)."""
        total = self.block.scores(self.x)
        total[self._train] = self.block.total
        total[~self._train] += self._rest[0]
        return total

    @property
    def parameters(self) -> Arrays:
        """This party's block of the model: `weights`, shape (columns + 1, labels)."""
        return {"weights": self.block.weights}

    @property
    def alone(self) -> Array:
        """Every row's score by this party's own weights, shape (rows, labels)."""
        return self.block.scores(self.x)

    def begin(self, columns: Mapping[str, int]) -> dict[str, bytes]:
        """Give each feature party, with so many columns, what it needs to start."""
        self.course.active = dict(columns)
        self._products = {name: self._product(n, {}) for name, n in columns.items()}
        return {
            name: self.parties.seal(
                name,
                "begin",
                {
                    "part": self.part.tobytes(),
                    "labels": str(self.labels).encode(),
                    **product.begin(),
                },
            )
            for name, product in self._products.items()
        }

    def next(self, letters: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Take the answers of a round; choose its step; ask for the next round, or end.

        Returns
        -------
        said : dict
            For the coordinator: `round`, whether it took a `step`, `loss`, `parties` that are
            left, and `stopped_by`, or None while training goes on.
        letters : dict of str to bytes
        """
        course = self.course
        came = self.parties.answers(course.round, letters, course.active)
        lost = sorted(set(course.active) - set(came))
        for name in lost:
            # It stands where it was: what it has added to the scores stays.
            del course.active[name], self._products[name]
        for name, parts in came.items():
            self._products[name].keep(parts)
            course.answered[name] = course.round
        stepped = course.round > 0 and not lost and bool(came)
        if stepped:
            self._search([parts["scores"] for parts in came.values()])
        elif course.round > 0:
            self.block.forget_step()
            self._rest[1] = 0.0
        stopped_by = self._stopped_by()
        said = {
            "round": course.round,
            "step": stepped,
            "loss": course.objectives[-1],
            "parties": sorted(course.active),
            "stopped_by": stopped_by,
        }
        if stopped_by is not None:
            return said, {name: self._end(name) for name in self.parties.others}
        course.round += 1
        return said, {name: self._ask(name) for name in course.active}

    def _search(self, vectors: list[bytes]) -> None:
        rows = len(self.part)
        total = add_up(vectors, (rows + 3) * self.labels)
        scores = total[: rows * self.labels].reshape(rows, self.labels)
        pulls = total[rows * self.labels :].reshape(3, self.labels)
        lengths = self.block.search(scores[self._train], pulls)
        along, again = lengths
        step = along * scores[~self._train] + again * self._rest[1]
        self._rest = np.stack([self._rest[0] + step, step])
        self.course.moves[self.course.round] = lengths.tolist()
        self.course.objectives.append(self.objective)

    def _stopped_by(self) -> str | None:
        settings, losses = self.job.scenario, self.course.objectives
        if not self.course.active:
            return "no feature party left"
        gains = -np.diff(losses[-settings.patience - 1 :])
        if len(gains) == settings.patience and (gains < settings.min_improvement).all():
            return "converged"
        return "rounds" if self.course.round >= settings.rounds else None

    def _moves(self, name: str) -> dict[int, list[list[float]]]:
        """Return the step that a party has not been told of, if its last round took one."""
        last = self.course.answered.get(name, 0)
        return {n: move for n, move in self.course.moves.items() if n == last}

    def _ask(self, name: str) -> bytes:
        number = self.course.round
        about = {"parties": sorted(self.course.active), "moves": self._moves(name)}
        product = self._products[name]
        return self.parties.seal(
            name,
            f"round {number}",
            {
                "about": json.dumps(about).encode(),
                **product.request(self.block.residual(), number),
            },
        )

    def _end(self, name: str) -> bytes:
        about = {"moves": self._moves(name)}
        return self.parties.seal(name, "end", {"about": json.dumps(about).encode()})
