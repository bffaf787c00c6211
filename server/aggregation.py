"""Flower's own strategies, applied to what one round brought back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAdam, FedAvg, FedMedian, FedProx, FedTrimmedAvg, Krum

from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.strategy import (
    FedAdamSettings,
    FedMedianSettings,
    FedProxSettings,
    FedTrimmedAvgSettings,
    KrumSettings,
    LocalTraining,
)
from edufed.updates import update_norm

WEIGHT = "num-examples"


def build_strategy(settings: LocalTraining) -> FedAvg:
    """Return the Flower strategy that `settings` names.

    FedPer averages as FedAvg does: what differs is which layers a site sends.
    """
    if isinstance(settings, FedAdamSettings):
        return FedAdam(
            eta=settings.server_learning_rate,
            beta_1=settings.beta_1,
            beta_2=settings.beta_2,
            tau=settings.tau,
        )
    if isinstance(settings, FedProxSettings):
        return FedProx(proximal_mu=settings.proximal_mu)
    if isinstance(settings, FedMedianSettings):
        return FedMedian()
    if isinstance(settings, FedTrimmedAvgSettings):
        return FedTrimmedAvg(beta=settings.beta)
    if isinstance(settings, KrumSettings):
        return Krum(num_malicious_nodes=settings.malicious_sites)
    return FedAvg()


def aggregate(
    strategy: FedAvg, number: int, current: Arrays, updates: list[tuple[Arrays, float]]
) -> Arrays:
    """Turn one round's local models into the next global model.

    Parameters
    ----------
    strategy : flwr.serverapp.strategy.FedAvg
    number : int
        The round, from 1.
    current : dict of arrays
        The global model that the sites started from.
    updates : list of (dict of arrays, float)
        Each site's model and its weight (training rows), in a fixed order of sites: floating
        point sums depend on it, and two runs with one seed are to be equal.
    """
    if isinstance(strategy, FedAdam):
        # Flower sets this in configure_train, which would also choose nodes and send.
        strategy.current_arrays = current
    origin: Arrays = {}
    if isinstance(strategy, Krum):
        # Flower takes distances as |x|^2 + |y|^2 - 2 xy: the steps alone, and in double precision,
        # do not drown in the size of the weights that they start from.
        origin = {name: array.astype(np.float64) for name, array in current.items()}
        updates = [({n: a - origin[n] for n, a in model.items()}, w) for model, w in updates]
    replies = [_as_reply(arrays, weight) for arrays, weight in updates]
    aggregated, _ = strategy.aggregate_train(number, replies)
    assert aggregated is not None
    return {
        name: (aggregated[name].numpy() + origin.get(name, 0)).astype(array.dtype, copy=False)
        for name, array in current.items()
    }


def beyond(bound: float | None, model: Arrays, current: Arrays) -> str | None:
    """Say in one line why a site's model is too far from the one it was sent, or None.

    Parameters
    ----------
    bound : float or None
        `strategy.max_update_norm`.
    model, current : dict of arrays
        The same names and shapes.
    """
    if bound is None or (norm := update_norm(model, current)) <= bound:
        return None
    return f"its update has norm {norm:.4g}, more than strategy.max_update_norm ({bound:g})"


def memory(strategy: FedAvg) -> Arrays:
    """Return what a strategy remembers from round to round: FedAdam's two moments."""
    if not isinstance(strategy, FedAdam) or strategy.m_t is None or strategy.v_t is None:
        return {}
    return prefixed("m/", strategy.m_t) | prefixed("v/", strategy.v_t)


def recall(strategy: FedAvg, kept: Arrays) -> None:
    """Give a strategy back what `memory` returned."""
    if isinstance(strategy, FedAdam) and kept:
        strategy.m_t, strategy.v_t = unprefixed("m/", kept), unprefixed("v/", kept)


@dataclass(frozen=True)
class _LocalModel:
    """What Flower's strategies read of a reply: a `Message` proper exists only inside a run."""

    content: RecordDict

    def has_error(self) -> bool:
        return False


def _as_reply(arrays: Arrays, weight: float) -> Message:
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    content = RecordDict({"arrays": record, "metrics": MetricRecord({WEIGHT: float(weight)})})
    return cast(Message, _LocalModel(content))
