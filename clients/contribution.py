"""What a party's part of a vertical model adds for a learner, and what all parts come to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clients.block import Block
from edufed.config.strategy import SplitNNSettings
from edufed.features import FeatureMatrix

Array = npt.NDArray[np.float64]


def width(block: Block) -> int:
    """Return how many numbers each party adds for a learner."""
    strategy = block.job.strategy
    return strategy.embedding if isinstance(strategy, SplitNNSettings) else 1


def contribution(block: Block, matrix: FeatureMatrix) -> Array:
    """Return what a feature party adds for each of its rows, shape (rows, width)."""
    values = block.columns.values(matrix, block.job)
    if not isinstance(block.job.strategy, SplitNNSettings):
        weights = block.parameters["weights"]
        score: Array = values @ weights[:-1] + weights[-1]
        return score
    from clients.splitnn_label import plan_of  # brings torch along
    from edufed.vertical.neural import FeatureNetwork

    network = FeatureNetwork(values, np.ones(len(values)), plan_of(block.job), 0)
    network.set_weights(block.parameters)
    return network.embed(np.arange(len(values)))


def logits(block: Block, matrix: FeatureMatrix, others: Array) -> Array:
    """Return the label party's rows' logits, shape (rows,).

    Parameters
    ----------
    block : Block
        The label party's.
    matrix : FeatureMatrix
    others : array, shape (rows, width)
        Sum of the feature parties' contributions; 0 where there are none.
    """
    values = block.columns.values(matrix, block.job)
    if not isinstance(block.job.strategy, SplitNNSettings):
        weights = block.parameters["weights"]
        score: Array = (values @ weights[:-1] + weights[-1] + others)[:, 0]
        return score
    from clients.splitnn_label import plan_of
    from edufed.vertical.neural import LabelNetwork

    network = LabelNetwork(values, np.zeros(len(values)), plan_of(block.job), 0)
    network.set_weights(block.parameters)
    return network.logits(others)
