"""Split networks trained in one place, exchange by exchange as the parties do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edufed.vertical.neural import Array, FeatureNetwork, LabelNetwork, Rows, batch


@dataclass(frozen=True)
class Exchange:
    """What one exchange was, and how good the networks were before it.

    Attributes
    ----------
    loss : float
        Mean log loss of the rows to judge by.
    rows : int array
        Training rows that the label party sends gradients of.
    gradients : array, shape (rows, embedding)
        As they leave the label party.
    summed : array, shape (all rows, embedding)
        Sums of the feature parties' embeddings, as the label party has them.
    logits : array, shape (all rows,)
        By the networks before it.
    """

    loss: float
    rows: Rows
    gradients: Array
    summed: Array
    logits: Array


def train_split(
    label: LabelNetwork,
    features: Sequence[FeatureNetwork],
    train: Rows,
    rest: Rows,
    judged: Rows,
    *,
    width: int,
    size: int,
    seed: int,
    protect: Callable[[Array], Array] = lambda gradients: gradients,
) -> Iterator[Exchange]:
    """Train for ever.

    Parameters
    ----------
    label : LabelNetwork
    features : sequence of FeatureNetwork
        None: the label party alone.
    train, rest, judged : int arrays
        Positions of the training rows, of all others, and of those to judge by.
    width : int
        Numbers in an embedding.
    size, seed : int
        Of the batches.
    protect : callable
        What gradients go through before they leave the label party.
    """
    everyone = np.arange(len(train) + len(rest))
    summed, number = _sum(features, everyone, width), 0
    while True:
        rows = batch(train, number, size, seed)
        loss, logits = label.loss(summed[judged], judged), label.logits(summed)
        gradients = protect(label.learn(rows, summed[rows]))
        yield Exchange(loss, rows, gradients, summed, logits)
        for party in features:
            party.learn(rows, gradients)
        number += 1
        seen = np.concatenate([batch(train, number, size, seed), rest])
        summed = summed.copy()
        summed[seen] = _sum(features, seen, width)


def best_of(losses: Sequence[float], min_improvement: float) -> int:
    """Return where the best loss stands: one counts as better only by `min_improvement`."""
    best = 0
    for at, loss in enumerate(losses):
        if loss < losses[best] - min_improvement:
            best = at
    return best


def _sum(features: Sequence[FeatureNetwork], rows: Rows, width: int) -> Array:
    total = np.zeros((len(rows), width))
    for party in features:
        total += party.embed(rows)
    return total
