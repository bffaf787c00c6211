"""A feature party of a split network, as a state machine from letters to letters.

    begin(letter)           -> its masked embeddings of all rows
    round(number, letter)   -> local steps along the gradients that came; the change of its masked
                               embeddings, of the next batch's rows and of those that do not train
    end(letter)             `parameters` are those of the round that was best

Its columns and weights leave it as masked embeddings alone.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.parties import Parties
from clients.splitnn_label import batch_of, plan_of, rows_of
from clients.steps import StepError
from clients.vertical_feature import check_round, check_summed
from edufed.arrays import Arrays, as_array, prefixed, unprefixed
from edufed.config.job import Job
from edufed.vertical.neural import FeatureNetwork
from edufed.vertical.sums import masked

Array = npt.NDArray[np.float64]


class SplitFeatureSide:
    """A feature party.

    Parameters
    ----------
    job : Job
    parties : Parties
    x : array, shape (rows, columns)
        Of all shared rows, in their order; the last column says whether the platform knows the
        learner.
    state : dict of arrays
        `state` of an earlier object, or nothing.
    """

    def __init__(self, job: Job, parties: Parties, x: Array, state: Arrays) -> None:
        self.job, self.parties = job, parties
        plan = plan_of(job)
        self.number = int(state["number"]) if state else 0
        self._summed = state["summed"].tolist() if state else parties.features
        self._part: npt.NDArray[np.uint8] = state.get("part", np.zeros(0, np.uint8))
        self._given: Array = state.get("given", np.zeros((len(x), plan.embedding))).copy()
        self._waiting: Array = state.get("waiting", np.zeros((0, plan.embedding)))
        self._kept: dict[int, Arrays] = {
            int(number): unprefixed(f"kept/{number}/", state)
            for number in {name.split("/")[1] for name in state if name.startswith("kept/")}
        }
        self._network = FeatureNetwork(
            x[:, :-1], x[:, -1], plan, parties.seed(job.seed), unprefixed("network/", state)
        )

    @property
    def state(self) -> Arrays:
        """What must outlast the object; secret."""
        kept: Arrays = {
            "number": np.array(self.number),
            "summed": np.array(self._summed, dtype=str),
            "part": self._part,
            "given": self._given,
            "waiting": self._waiting,
            **prefixed("network/", self._network.state),
        }
        for number, weights in self._kept.items():
            kept |= prefixed(f"kept/{number}/", weights)
        return kept

    @property
    def parameters(self) -> Arrays:
        """This party's network."""
        return self._network.weights

    def begin(self, letter: bytes) -> bytes:
        """Take the parts of the rows; answer with masked embeddings of all of them."""
        parts = self.parties.unseal(self.parties.leader, "begin", letter)
        self._part = as_array(parts["part"])
        return self._answer(0)

    def round(self, number: int, letter: bytes) -> bytes:
        """Take local steps along the gradients that came; answer with masked embeddings.

        Raises
        ------
        StepError
            The round is not a later one, too few parties' embeddings would be summed, or gradients
            are of another number of rows.
        """
        parts = self.parties.unseal(self.parties.leader, f"round {number}", letter)
        check_round(self.job, number, self.number)
        about = json.loads(parts["about"])
        self._summed = check_summed(self.parties, self.job, about, self._summed)
        if about["counted"]:
            self._learn(about, parts["gradients"])
        self.number = number
        return self._answer(number)

    def end(self, letter: bytes) -> None:
        """Go back to the network of the round that was best."""
        parts = self.parties.unseal(self.parties.leader, "end", letter)
        best = int(json.loads(parts["about"])["keep"])
        if best in self._kept:
            self._network.set_weights(self._kept[best])

    def _learn(self, about: dict[str, Any], gradients: bytes) -> None:
        self._given[rows_of(self.job, self._part, self.number)] = self._waiting
        kept = self._kept | {self.number: self._network.weights}
        self._kept = {n: kept[n] for n in {int(about["keep"]), self.number} & set(kept)}
        rows = batch_of(self.job, self._part, self.number)
        width = self._given.shape[1]
        if len(gradients) != 4 * len(rows) * width:
            raise StepError(f"gradients take {len(gradients)} bytes, not {4 * len(rows) * width}")
        came = np.frombuffer(gradients, "<f4").reshape(-1, width).astype(np.float64)
        self._network.learn(rows, came)

    def _answer(self, number: int) -> bytes:
        rows = rows_of(self.job, self._part, number)
        self._waiting = self._network.embed(rows)
        change = self._waiting - self._given[rows]
        vector = masked(change.ravel(), self.parties.me, self._summed, number, self.parties.shared)
        return self.parties.seal(self.parties.leader, f"answer {number}", {"embeddings": vector})
