"""Neural models with differing features: a private encoder at each site, something small in common.

Three ways of having something in common, each a strategy of scenario=transfer:

- LG-FedAvg (Liang et al. 2020, "Think locally, act globally"): the head behind the encoders.
- FedProto (Tan et al. 2022, AAAI 36:8432-8440): the mean embedding of each class.
- FedMD (Li & Wang 2019, "FedMD: heterogenous federated learning via model distillation"): the
  logits of rows that everybody can see; here rows drawn from the moments of canonical features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import norm
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from edufed.features.canonical import canonical_design
from edufed.transfer.imputer import Imputer

Array = npt.NDArray[np.float64]
Weights = dict[str, npt.NDArray[np.float32]]
#: Names of the head's weights begin with this.
HEAD = "head."


class EncodedModel(nn.Module):
    """An encoder of a site's own features, and a head that is as wide at every site.

    Parameters
    ----------
    inputs : int
        The site's columns.
    hidden : sequence of int
        Units of the encoder's hidden layers.
    embedding : int
        Units of its last layer.
    dropout : float
    """

    def __init__(self, inputs: int, hidden: Sequence[int], embedding: int, dropout: float) -> None:
        super().__init__()
        sizes = [inputs, *hidden, embedding]
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.head = nn.Linear(embedding, 1)
        self.dropout = nn.Dropout(dropout)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Embeddings, shape (rows, embedding)."""
        for layer in list(self.encoder)[:-1]:
            x = self.dropout(torch.relu(layer(x)))
        return torch.tanh(list(self.encoder)[-1](x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, shape (rows,)."""
        return cast(torch.Tensor, self.head(self.encode(x))).squeeze(-1)


def build(
    inputs: int, hidden: Sequence[int], embedding: int, dropout: float, seed: int
) -> EncodedModel:
    """Build a model whose weights depend on its sizes and the seed alone; the head starts at 0."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = EncodedModel(inputs, hidden, embedding, dropout)
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    return model


def head_of(model: EncodedModel) -> Weights:
    """Copy the head's weights."""
    return {
        name: tensor.detach().numpy().astype(np.float32)
        for name, tensor in model.state_dict().items()
        if name.startswith(HEAD)
    }


def put(model: EncodedModel, weights: Mapping[str, npt.NDArray[np.floating]]) -> None:
    """Replace those of the model's weights that are given."""
    state = model.state_dict()
    with torch.no_grad():
        for name, array in weights.items():
            state[name].copy_(torch.from_numpy(np.asarray(array, dtype=np.float32)))


@dataclass(frozen=True)
class Pull:
    """What a site's training is drawn to beside its own labels.

    Attributes
    ----------
    prototypes : float array, shape (2, embedding), optional
        Where embeddings of either class are drawn to; NaN for a class that nobody has.
    prototype_weight : float
    rows : float array, shape (rows, columns), optional
        Rows that everybody can see, as this site's model reads them.
    logits : float array, shape (rows,), optional
        What the federation says of them.
    distillation_weight : float
    """

    prototypes: Array | None = None
    prototype_weight: float = 0.0
    rows: Array | None = None
    logits: Array | None = None
    distillation_weight: float = 0.0


def train(
    model: EncodedModel,
    x: Array,
    y: Array,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    l2: float,
    seed: int,
    pull: Pull = Pull(),
) -> None:
    """Train a site's model on its labelled rows, drawn to what the federation says.

    Parameters
    ----------
    model : EncodedModel
        Changed in place.
    x : float array, shape (rows, columns)
    y : float array, shape (rows,)
    epochs, batch_size, learning_rate, l2, seed
        As `clients.training.train_locally`.
    pull : Pull
    """
    features = torch.from_numpy(np.asarray(x, dtype=np.float32))
    target = torch.from_numpy(np.asarray(y, dtype=np.float32))
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate, weight_decay=l2)
    order = torch.Generator().manual_seed(seed)
    batches = max(1, -(-len(x) // batch_size))
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for _ in range(epochs):
            for part in torch.randperm(len(x), generator=order).tensor_split(batches):
                optimiser.zero_grad()
                embedded = model.encode(features[part])
                logit = model.head(embedded).squeeze(-1)
                loss = binary_cross_entropy_with_logits(logit, target[part])
                loss = loss + _pulled(model, pull, embedded, target[part])
                loss.backward()
                optimiser.step()
    model.eval()


def _pulled(
    model: EncodedModel, pull: Pull, embedded: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    total = torch.zeros(())
    if pull.prototypes is not None:
        towards = torch.from_numpy(pull.prototypes.astype(np.float32))[y.long()]
        known = ~torch.isnan(towards).any(dim=1)
        if known.any():
            off = (embedded[known] - towards[known]) ** 2
            total = total + pull.prototype_weight * off.mean()
    if pull.rows is not None and pull.logits is not None:
        rows = torch.from_numpy(pull.rows.astype(np.float32))
        said = torch.sigmoid(torch.from_numpy(pull.logits.astype(np.float32)))
        off = binary_cross_entropy_with_logits(model(rows), said)
        total = total + pull.distillation_weight * off
    return total


def logits(model: EncodedModel, x: Array) -> Array:
    """Log-odds of rows, shape (rows,)."""
    model.eval()
    with torch.inference_mode():
        out: Array = model(torch.from_numpy(np.asarray(x, dtype=np.float32))).numpy()
    return out.astype(np.float64)


def class_sums(model: EncodedModel, x: Array, y: Array) -> tuple[Array, Array]:
    """Sum embeddings by class; the sums over sites divided by the counts are prototypes.

    Returns
    -------
    sums : float64 array, shape (2, embedding)
    count : float64 array, shape (2,)
    """
    model.eval()
    with torch.inference_mode():
        embedded = model.encode(torch.from_numpy(np.asarray(x, dtype=np.float32))).numpy()
    sums = np.stack([embedded[y == value].sum(axis=0) for value in (0, 1)]).astype(np.float64)
    return sums, np.array([(y == value).sum() for value in (0, 1)], dtype=np.float64)


def generated(imputer: Imputer, rows: int, seed: int) -> Array:
    """Draw rows of canonical features that are nobody's, alike wherever they are drawn.

    Parameters
    ----------
    imputer : Imputer
        Of the federation's moments.
    rows, seed : int

    Returns
    -------
    float64 array, shape (rows, canonical columns)
        As `edufed.features.canonical.canonical_design` gives them.
    """
    drawn = np.random.default_rng(seed).standard_normal((rows, len(imputer.mean)))
    scored = imputer.mean + drawn @ np.linalg.cholesky(imputer.covariance).T
    return canonical_design(np.where(imputer.known, norm.cdf(scored), np.nan))
