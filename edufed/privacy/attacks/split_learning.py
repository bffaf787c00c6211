"""Split learning as it is commonly done, without protection: what the attacks must succeed on.

SplitNN (Vepakomma et al. 2018) with sum aggregation (Ceballos et al. 2020): each party maps its
columns to an embedding, the label party adds the embeddings up, and sends each row's gradient back.
In every mini-batch each feature party sends an embedding and gets a gradient: two messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Array = npt.NDArray[np.float64]

#: Numbers in an embedding.
WIDTH = 8


@dataclass
class Batch:
    """One mini-batch: an exchange between the label party and all feature parties.

    Attributes
    ----------
    rows : int array, shape (batch,)
    gradients : array, shape (batch, WIDTH)
        What each feature party gets, for each row; the same to all, as embeddings are added up.
    """

    rows: npt.NDArray[np.int64]
    gradients: Array


class SplitNN:
    """Parties' bottoms and the label party's top.

    Parameters
    ----------
    columns : sequence of int
        Of each party, the label party first.
    seed : int
    learning_rate : float
        Adam's.
    """

    def __init__(self, columns: Sequence[int], seed: int, learning_rate: float = 3e-3) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._bottoms = nn.ModuleList(nn.Linear(count, WIDTH) for count in columns)
            self._top = nn.Sequential(nn.ReLU(), nn.Linear(WIDTH, 1))
        every = [*self._bottoms.parameters(), *self._top.parameters()]
        self._optimiser = torch.optim.Adam(every, lr=learning_rate)
        self._order = torch.Generator().manual_seed(seed)

    def train(self, x: Sequence[Array], y: Array, batch_size: int) -> Iterator[Batch]:
        """Train for ever, a mini-batch at a time; x of shape (rows, columns) for each party."""
        columns = [torch.from_numpy(part.astype(np.float32)) for part in x]
        target = torch.from_numpy(y.astype(np.float32))
        while True:
            for rows in torch.randperm(len(y), generator=self._order).split(batch_size):
                embedding = sum(
                    bottom(part[rows]) for bottom, part in zip(self._bottoms, columns, strict=True)
                )
                assert isinstance(embedding, torch.Tensor)
                embedding.retain_grad()
                logit = self._top(embedding).squeeze(1)
                self._optimiser.zero_grad()
                nn.functional.binary_cross_entropy_with_logits(logit, target[rows]).backward()
                assert embedding.grad is not None
                self._optimiser.step()
                yield Batch(rows.numpy(), embedding.grad.detach().numpy().astype(np.float64))

    def gradients(self, x: Sequence[Array], y: Array, batch_size: int, epochs: int) -> Array:
        """Train, and return what came for each row in the last epoch, shape (rows, WIDTH)."""
        received = np.zeros((len(y), WIDTH))
        batches = self.train(x, y, batch_size)
        for _ in range(epochs * -(-len(y) // batch_size)):
            batch = next(batches)
            received[batch.rows] = batch.gradients
        return received

    def scores(self, x: Sequence[Array]) -> Array:
        """Return each row's logit, shape (rows,)."""
        with torch.inference_mode():
            embedding = sum(
                bottom(torch.from_numpy(part.astype(np.float32)))
                for bottom, part in zip(self._bottoms, x, strict=True)
            )
            scores: Array = self._top(embedding).squeeze(1).numpy().astype(np.float64)
        return scores
