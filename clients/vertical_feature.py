"""A feature party of a vertical job, as a state machine from letters to letters.

    begin(letter)           -> the first prepared product
    round(number, letter)   -> its masked scores along a new direction, the next prepared product
    end(letter)             the last step taken; `weights` are the party's own

It learns its gradient in each round and from it its direction, and two lengths. Its features
and weights leave it as masked scores alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.parties import Parties, Parts
from clients.platform import TRAIN, scale_for
from clients.steps import StepError
from clients.vertical_products import (
    DealtFeatureSide,
    FeatureProduct,
    LatticeFeature,
    dealt_part,
    is_dealt,
)
from edufed.arrays import Arrays, as_array, prefixed, unprefixed
from edufed.config.job import Job
from edufed.vertical import FeatureBlock
from edufed.vertical.blocks import Factor, bound_hessian
from edufed.vertical.sums import masked

Array = npt.NDArray[np.float64]

#: Most labels that a party trains for at once: each is one more score of every learner in the sum.
MOST_LABELS = 64


class FeatureSide:
    """A feature party.

    Parameters
    ----------
    job : Job
    parties : Parties
    x : array, shape (rows, columns)
        Of all shared rows, in their order; zero where the platform lacks the learner.
    state : dict of arrays
        `state` of an earlier object, or nothing.
    """

    def __init__(self, job: Job, parties: Parties, x: Array, state: Arrays) -> None:
        self.job, self.parties, self._given = job, parties, x
        self.number = int(state["number"]) if state else 0
        self._dealt: Parts | None = None
        self._summed = state["summed"].tolist() if state else parties.features
        if state:
            self._restore(state["part"], int(state["labels"]), unprefixed("product/", state))
            self._block = self._new_block(unprefixed("block/", state))

    def _restore(self, part: npt.NDArray[np.uint8], labels: int, state: Arrays) -> None:
        self._part, self._labels = part, labels
        train = part == TRAIN
        scale = scale_for(int(train.sum()))
        # Rounded as the products have them: a block's direction and its gradient are of one matrix.
        self.x = scale.decode_features(scale.features(self._given))
        made = DealtFeatureSide if is_dealt(self.job) else LatticeFeature
        self._product: FeatureProduct = made(self._given[train], labels, state)

    def _new_block(self, state: Arrays | None) -> FeatureBlock:
        features = self.x[self._part == TRAIN]
        bound = _bound(features.tobytes(), features.shape[1], self.job.model.l2)
        return FeatureBlock(features, self._labels, self.job.model.l2, bound, state)

    @property
    def state(self) -> Arrays:
        """What must outlast the object; secret."""
        return {
            "number": np.array(self.number),
            "summed": np.array(self._summed, dtype=str),
            "part": self._part,
            "labels": np.array(self._labels),
            **prefixed("product/", self._product.state),
            **prefixed("block/", self._block.state),
        }

    @property
    def parameters(self) -> Arrays:
        """This party's block of the model: `weights`, shape (columns, labels)."""
        return {"weights": self._block.weights}

    @staticmethod
    def part_of(parties: Parties, letter: bytes, rows: int) -> npt.NDArray[np.uint8]:
        """Read which rows train, validate and test from the label party's first letter.

        Raises
        ------
        StepError
            It divides another number of rows.
        """
        part = as_array(parties.unseal(parties.leader, "begin", letter)["part"])
        if len(part) != rows:
            raise StepError(f"{len(part)} rows are divided and {rows} are aligned")
        return part

    def deal(self, mail: Parts | None) -> None:
        """Take the coordinator's numbers, before `begin`, where products are dealt."""
        self._dealt = mail

    def begin(self, letter: bytes) -> bytes:
        """Take the parts of the rows and what products begin with; answer to that.

        Raises
        ------
        StepError
            It asks for more labels than this party trains for.
        """
        parts = self.parties.unseal(self.parties.leader, "begin", letter)
        labels = int(parts["labels"])
        if not 1 <= labels <= MOST_LABELS:
            raise StepError(f"{labels} labels were asked for; {MOST_LABELS} are the most")
        self._restore(as_array(parts["part"]), labels, {})
        if isinstance(self._product, DealtFeatureSide):
            self._product.deal(dealt_part(self._dealt, "part"))
        self._block = self._new_block(None)
        return self._answer(0, self._product.begin(parts))

    def round(self, number: int, letter: bytes) -> bytes:
        """Take the last step and this round's gradient; answer with masked scores.

        Raises
        ------
        StepError
            The round is not a later one, or beyond the job's, or too few parties' scores would be
            summed.
        """
        parts = self.parties.unseal(self.parties.leader, f"round {number}", letter)
        check_round(self.job, number, self.number)
        about = json.loads(parts["about"])
        summed = check_summed(self.parties, self.job, about, self._summed)
        self._move(about)
        self._block.propose(self._product.gradient(parts))
        self.number, self._summed = number, summed
        scores = self.x @ self._block.direction
        vector = np.concatenate([scores.ravel(), self._block.pulls().ravel()])
        return self._answer(
            number,
            {
                "scores": masked(vector, self.parties.me, summed, number, self.parties.shared),
                **self._product.answer(parts),
            },
        )

    def end(self, letter: bytes) -> None:
        """Take the last step, if this party has not been told of it yet."""
        parts = self.parties.unseal(self.parties.leader, "end", letter)
        self._move(json.loads(parts["about"]))

    def _move(self, about: dict[str, Any]) -> None:
        lengths = about["moves"].get(str(self.number))
        if lengths is not None:
            self._block.move(np.array(lengths))

    def _answer(self, number: int, parts: dict[str, bytes]) -> bytes:
        return self.parties.seal(self.parties.leader, f"answer {number}", parts)


def check_round(job: Job, number: int, before: int) -> None:
    """Check that a round is later than the last one, and not beyond those that the job has.

    What the others can learn of a party grows with every round.

    Raises
    ------
    StepError
        It is not, or is.
    """
    if number <= before:
        raise StepError(f"round {number} was asked after round {before}")
    if number > job.scenario.rounds:
        raise StepError(f"round {number} is beyond the {job.scenario.rounds} of the job")


def check_summed(
    parties: Parties, job: Job, about: Mapping[str, Any], before: Sequence[str]
) -> list[str]:
    """Read whose numbers the label party wants summed with this party's, sorted.

    Raises
    ------
    StepError
        This party is not among them, one of them was not there before, or they are too few.
    """
    summed = sorted(map(str, about["parties"]))
    if parties.me not in summed or not set(summed) <= set(before):
        # Parties leave and do not come back, or the label party could compare sums at will.
        raise StepError("the parties whose scores are to be summed are not those of before")
    if len(summed) + 1 < job.scenario.min_sites:
        raise StepError(
            f"scores of {len(summed)} feature parties would be summed, and"
            f" scenario.min_sites is {job.scenario.min_sites}, the label party included"
        )
    return summed


@lru_cache(maxsize=4)
def _bound(features: bytes, columns: int, ridge: float) -> Factor:
    """Factorise a block's Hessian once a job and process."""
    return bound_hessian(np.frombuffer(features).reshape(-1, columns), ridge)
