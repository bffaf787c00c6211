"""Split neural networks with sum aggregation, and several local steps to an exchange.

Each party's network maps its columns to an embedding, a learner's embeddings are added up, and the
label party's top makes the logit of the sum (SplitNN: Vepakomma et al. 2018; sum aggregation:
Ceballos et al. 2020). What one exchange brought serves each party for several steps (FedBCD: Liu et
al. 2022, IEEE Trans. Signal Processing 70, doi:10.1109/TSP.2022.3198176). Here are the networks and
the arithmetic: no messages, no keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from edufed.privacy.dp.randomness import RandomSource, add_noise, grid_for

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
State = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Plan:
    """What all parties' networks and steps have in common.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers of each party's network.
    embedding : int
        Numbers that it makes of a learner.
    l2, learning_rate : float
        Adam's weight decay and learning rate.
    steps : int
        Local steps to an exchange, Q.
    """

    hidden: tuple[int, ...]
    embedding: int
    l2: float
    learning_rate: float
    steps: int


def batch(rows: Rows, number: int, size: int, seed: int) -> Rows:
    """Return the training rows of exchange `number`, from 0: every row once in each epoch.

    Parameters
    ----------
    rows : int array
        Positions of all training rows.
    number, size, seed : int
    """
    each = max(1, -(-len(rows) // size))
    epoch, at = divmod(number, each)
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    return np.sort(np.array_split(order, each)[at])


def protected(
    gradients: Array, clip: float, noise_multiplier: float, source: RandomSource
) -> Array:
    """Clip each row's gradient and add Gaussian noise, before it leaves the label party.

    Parameters
    ----------
    gradients : array, shape (rows, embedding)
        Of each row's own loss.
    clip : float
        Greatest length that a row keeps (L2).
    noise_multiplier : float
        The noise's standard deviation in each number, over `clip`; 0 adds none.
    source : RandomSource
        Who can repeat it can take the noise off.
    """
    length = np.linalg.norm(gradients, axis=1, keepdims=True)
    kept = gradients * (clip / np.maximum(length, clip))
    deviation = noise_multiplier * clip
    if deviation == 0:
        return kept
    return add_noise(kept, deviation, source, grid_for(deviation))


class _Network:
    """A module, its optimiser, and their state as arrays; double precision throughout."""

    def __init__(
        self, module: nn.Module, plan: Plan, state: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        self.module, self._plan = module.double(), plan
        self._names = [name for name, _ in module.named_parameters()]
        self._adam = torch.optim.Adam(
            module.parameters(), lr=plan.learning_rate, weight_decay=plan.l2
        )
        if state:
            self.set_weights(state)
            self._adam.load_state_dict(
                self._adam.state_dict()
                | {
                    "state": {
                        at: {key: torch.tensor(state[f"adam/{at}/{key}"]) for key in _ADAM}
                        for at in range(len(self._names))
                        if f"adam/{at}/step" in state
                    }
                }
            )

    @property
    def weights(self) -> State:
        return {f"weight/{n}": p.detach().numpy().copy() for n, p in self.module.named_parameters()}

    def set_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                parameter.copy_(torch.tensor(weights[f"weight/{name}"]))

    @property
    def state(self) -> State:
        said = self._adam.state_dict()["state"]
        adam = {f"adam/{at}/{key}": of[key].numpy() for at, of in said.items() for key in _ADAM}
        return self.weights | adam

    def step(self, loss: torch.Tensor) -> None:
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()


_ADAM = ("step", "exp_avg", "exp_avg_sq")


def _layers(sizes: Sequence[int]) -> nn.Sequential:
    made: list[nn.Module] = []
    for columns, units in pairwise(sizes):
        made += [nn.Linear(columns, units), nn.ReLU()]
    return nn.Sequential(*made[:-1])


def _seeded(seed: int, build: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()


class _PartyNetwork:
    """What both kinds of party do with the network that they have."""

    _network: _Network

    @property
    def state(self) -> State:
        """What must outlast the object."""
        return self._network.state

    @property
    def weights(self) -> State:
        """Copy the network's weights."""
        return self._network.weights

    def set_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Replace the network's weights."""
        self._network.set_weights(weights)


class FeatureNetwork(_PartyNetwork):
    """A feature party's network.

    Parameters
    ----------
    x : array, shape (rows, columns)
    present : array, shape (rows,)
        1 where the party knows the learner, else 0: it then adds nothing, not even a bias.
    plan : Plan
    seed : int
        Of its first weights. Whoever knows it knows the network that the first embeddings are of.
    state : dict of arrays, optional
        `state` of an earlier object.
    """

    def __init__(
        self, x: Array, present: Array, plan: Plan, seed: int, state: State | None = None
    ) -> None:
        self._x, self._present = torch.from_numpy(x), torch.from_numpy(present)[:, None]
        self._plan = plan
        module = _seeded(seed, lambda: _layers([x.shape[1], *plan.hidden, plan.embedding]))
        self._network = _Network(module, plan, state or {})

    def embed(self, rows: Rows) -> Array:
        """Return rows' embeddings, shape (rows, embedding)."""
        with torch.no_grad():
            made: Array = self._embed(rows).numpy()
        return made

    def learn(self, rows: Rows, gradients: Array) -> None:
        """Take local steps along the gradients of rows' losses by their summed embeddings."""
        towards = torch.from_numpy(gradients)
        for _ in range(self._plan.steps):
            self._network.step((self._embed(rows) * towards).sum() / len(rows))

    def _embed(self, rows: Rows) -> torch.Tensor:
        made: torch.Tensor = self._network.module(self._x[rows]) * self._present[rows]
        return made


class LabelNetwork(_PartyNetwork):
    """The label party's network of its own columns, and the top behind the sum.

    Parameters
    ----------
    x : array, shape (rows, columns)
    y : array, shape (rows,)
        1 or 0.
    plan, seed, state
        As for `FeatureNetwork`.
    """

    def __init__(
        self, x: Array, y: Array, plan: Plan, seed: int, state: State | None = None
    ) -> None:
        self._x, self._y = torch.from_numpy(x), torch.from_numpy(y)
        self._plan = plan

        def build() -> nn.ModuleDict:
            bottom = _layers([x.shape[1], *plan.hidden, plan.embedding])
            top = nn.Sequential(nn.ReLU(), nn.Linear(plan.embedding, 1))
            return nn.ModuleDict({"bottom": bottom, "top": top})

        self._network = _Network(_seeded(seed, build), plan, state or {})

    def logits(self, others: Array, rows: Rows | slice = slice(None)) -> Array:
        """Return rows' logits, shape (rows,), given the sum of the others' embeddings."""
        with torch.no_grad():
            made: Array = self._logits(torch.from_numpy(others), rows)[0].numpy()
        return made

    def loss(self, others: Array, rows: Rows) -> float:
        """Return the mean log loss of rows, without penalty."""
        with torch.no_grad():
            logits, _ = self._logits(torch.from_numpy(others), rows)
            return float(binary_cross_entropy_with_logits(logits, self._y[rows]))

    def learn(self, rows: Rows, others: Array) -> Array:
        """Take local steps, the others' embeddings standing still.

        Returns
        -------
        array, shape (rows, embedding)
            Gradient of each row's loss by its summed embeddings, before the first step.
        """
        given = torch.from_numpy(others)
        first: Array | None = None
        for _ in range(self._plan.steps):
            logits, summed = self._logits(given, rows)
            if first is None:
                summed.retain_grad()
            self._network.step(binary_cross_entropy_with_logits(logits, self._y[rows]))
            if first is None:
                assert summed.grad is not None
                first = summed.grad.numpy() * len(rows)
        assert first is not None
        return first

    def _logits(
        self, others: torch.Tensor, rows: Rows | slice
    ) -> tuple[torch.Tensor, torch.Tensor]:
        modules = self._network.module
        assert isinstance(modules, nn.ModuleDict)
        summed: torch.Tensor = modules["bottom"](self._x[rows]) + others
        logits: torch.Tensor = modules["top"](summed).squeeze(1)
        return logits, summed
