"""The models that sites train together: a design row in, the logit of a learner's risk out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Weights = dict[str, npt.NDArray[np.float32]]


class ModelSettings(Protocol):
    """What `build_model` reads of the settings; `"mlp"` has `hidden` and `dropout` as well."""

    @property
    def name(self) -> str:
        """Name the kind of model: `"logistic"` or `"mlp"`."""
        ...


class _MlpSettings(ModelSettings, Protocol):
    hidden: Sequence[int]
    dropout: float


class RiskModel(nn.Module):
    """A stack of linear layers with ReLU and dropout between; none hidden is logistic regression.

    There is no batch normalisation: its running means and variances describe one site's
    learners, their average over sites describes nobody's, and they would leave the site outside
    what secure aggregation and differential privacy count (Hsieh et al. 2020; Li et al. 2021,
    FedBN). Inputs are standardised by federated sums instead.

    Parameters
    ----------
    inputs : int
        Columns of the design.
    hidden : sequence of int
        Units of each hidden layer.
    dropout : float
        Share of hidden units left out in training.
    """

    def __init__(self, inputs: int, hidden: Sequence[int] = (), dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [inputs, *hidden, 1]
        self.layers = nn.ModuleList(nn.Linear(columns, units) for columns, units in pairwise(sizes))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, shape (rows,), of a design of shape (rows, inputs)."""
        for layer in list(self.layers)[:-1]:
            x = self.dropout(torch.relu(layer(x)))
        return cast(torch.Tensor, self.layers[-1](x)).squeeze(-1)


def build_model(settings: ModelSettings, inputs: int, seed: int) -> RiskModel:
    """Build the model that `settings` names, with weights that depend on `seed` alone.

    Hidden layers start as He et al. (2015) propose for ReLU. The output layer starts at zero, so
    that every first prediction is 0.5 and logistic regression starts the same whatever the seed.

    Parameters
    ----------
    settings : ModelSettings
        The `model` part of a job.
    inputs : int
        Columns of the design.
    seed : int
        Torch's global random state is neither read nor changed.

    Raises
    ------
    ValueError
        No model has that name.
    """
    if settings.name == "logistic":
        hidden, dropout = [], 0.0
    elif settings.name == "mlp":
        mlp = cast(_MlpSettings, settings)
        hidden, dropout = list(mlp.hidden), mlp.dropout
    else:
        raise ValueError(f"model.name: no model {settings.name!r}; choose one of logistic, mlp")
    with torch.random.fork_rng(devices=[]):  # Linear draws its default weights globally
        model = RiskModel(inputs, hidden, dropout)
    generator = torch.Generator().manual_seed(seed)
    for layer in list(model.layers)[:-1]:
        linear = cast(nn.Linear, layer)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(linear.bias)
    for parameter in model.layers[-1].parameters():
        nn.init.zeros_(parameter)
    return model


def get_weights(model: nn.Module) -> Weights:
    """Copy a model's weights out as float32 arrays, by name."""
    return {
        name: tensor.detach().cpu().numpy().astype(np.float32)
        for name, tensor in model.state_dict().items()
    }


def set_weights(model: nn.Module, weights: Mapping[str, npt.NDArray[np.floating]]) -> None:
    """Replace all of a model's weights.

    Raises
    ------
    ValueError
        A name is missing or unknown, or a shape differs; the model is then unchanged.
    """
    state = model.state_dict()
    if missing := sorted(state.keys() - weights.keys()):
        raise ValueError(f"weights: {', '.join(missing)} missing")
    if unknown := sorted(weights.keys() - state.keys()):
        raise ValueError(f"weights: the model has no {', '.join(unknown)}")
    for name, tensor in state.items():
        if weights[name].shape != tuple(tensor.shape):
            raise ValueError(
                f"weights: {name} has shape {weights[name].shape}, the model {tuple(tensor.shape)}"
            )
    with torch.no_grad():
        for name, tensor in state.items():
            tensor.copy_(torch.tensor(weights[name]))


def personal_names(model: RiskModel, layers: int) -> set[str]:
    """Names of the weights that stay at the site: those of the last `layers` linear layers.

    Arivazhagan et al. 2019, "Federated learning with personalization layers" (FedPer): the first
    layers are averaged over sites, the last never leave theirs.

    Raises
    ------
    ValueError
        Nothing would be left to share.
    """
    depth = len(model.layers)
    if not 0 <= layers < depth:
        raise ValueError(
            f"strategy.personal_layers: {layers} given, but the model has {depth} layer(s)"
            " and must share at least one"
        )
    kept = tuple(f"layers.{index}." for index in range(depth - layers, depth))
    return {name for name in model.state_dict() if name.startswith(kept)} if layers else set()
