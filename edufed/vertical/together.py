"""All parties in one place, in plain NumPy: what the federation must come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from edufed.vertical.blocks import FeatureBlock, LabelBlock
from edufed.vertical.logistic import Array

#: Gives a feature party's gradient, shape (columns, labels), for its number and a residual.
Products = Callable[[int, Array], Array]


def train_together(
    label: LabelBlock, blocks: Sequence[FeatureBlock], products: Products, rounds: int
) -> Iterator[Array]:
    """Train, giving the objective after each round, shape (labels,).

    Parameters
    ----------
    label : LabelBlock
    blocks : sequence of FeatureBlock
    products : callable
        `lambda k, r: features[k].T @ r`, or a protocol that computes it.
    rounds : int
    """
    for _ in range(rounds):
        residual = label.residual()
        scores = [block.propose(products(at, residual)) for at, block in enumerate(blocks)]
        lengths = label.search(
            np.sum(scores, axis=0), np.sum([block.pulls() for block in blocks], axis=0)
        )
        for block in blocks:
            block.move(lengths)
        yield label.objective
