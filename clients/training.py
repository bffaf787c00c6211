"""Training at a site: local epochs from the weights it was sent, and a site or a pool on its own.

Learners who need help are the minority, and that is left alone: reweighting or resampling classes
would shift every predicted risk away from the share that really comes true (van den Goorbergh et
al. 2022), and the caseload is chosen by rank anyway.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

FloatArray = npt.NDArray[np.float32]

#: Rows scored at a time, so that a million learners do not need a million rows of hidden units.
SCORED_AT_ONCE = 65_536

# Mini-batches are too small to be shared out: on two busy cores two threads took four times the
# processor time of one. And sums do not then depend on how many cores a machine has.
torch.set_num_threads(1)


class TrainingError(Exception):
    """Training that cannot go on; the message is one line and holds no learner's value."""


@dataclass(frozen=True)
class TrainResult:
    """What local training gives back beside the model's new weights.

    Attributes
    ----------
    loss : float
        Mean cross-entropy (nats a learner) over the last epoch, penalties not included.
    examples : int
        Learners trained on: the site's weight in the average.
    """

    loss: float
    examples: int


@dataclass(frozen=True)
class ConvergenceResult:
    """How training alone went; the model holds the weights of its best round.

    Attributes
    ----------
    losses : list of float
        Validation cross-entropy after each round.
    best_round : int
        The round, counted from 1, with the least of them.
    stopped_by : str
        `"patience"` or `"rounds"`.
    """

    losses: list[float]
    best_round: int
    stopped_by: str


def train_locally(
    model: nn.Module,
    x: FloatArray,
    y: FloatArray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    l2: float,
    proximal_mu: float,
    seed: int,
) -> TrainResult:
    """Move `model` from the weights it holds, w0, towards the minimum of the site's objective.

    By Adam (Kingma & Ba 2015), started afresh each call, on mini-batches of

        mean cross-entropy + l2/2 * |weights|^2 + mu/2 * |w - w0|^2,

    in which the l2 term leaves biases out, and the last term is FedProx's (Li et al. 2020).

    Parameters
    ----------
    model : torch.nn.Module
        Gives logits, shape (rows,); trained in place.
    x : float32 array, shape (rows, inputs)
        Scaled features.
    y : float32 array, shape (rows,)
        1 or 0.
    epochs : int
        Passes over the rows.
    batch_size : int
        Most rows in a mini-batch. Batches are of equal size within one row, so that no small rest
        of a site takes a full, noisy step.
    learning_rate : float
        Adam's step size.
    l2, proximal_mu : float
        Strengths of the two penalties; 0 for none.
    seed : int
        Decides order and dropout; torch's global random state is left as it was.

    Raises
    ------
    TrainingError
        There are no rows, a feature is not finite, or the loss or a weight became so.
    """
    if len(x) == 0:
        raise TrainingError("no rows to train on")
    features, target = torch.from_numpy(x), torch.from_numpy(y)
    if not (torch.isfinite(features).all() and torch.isfinite(target).all()):
        raise TrainingError(f"a feature or target among {len(x)} rows is NaN or infinite")
    parameters = [p for p in model.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in parameters]
    optimiser = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    batches = math.ceil(len(x) / batch_size)
    order = torch.Generator().manual_seed(seed)
    total = 0.0
    model.train()
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global state
        torch.default_generator.manual_seed(seed)
        for epoch in range(1, epochs + 1):
            shuffle = torch.randperm(len(x), generator=order)
            losses = []
            for rows, labels in zip(
                features[shuffle].tensor_split(batches),
                target[shuffle].tensor_split(batches),
                strict=True,
            ):
                optimiser.zero_grad()
                loss = binary_cross_entropy_with_logits(model(rows), labels)
                loss.backward()
                add_penalty_gradient(parameters, start, l2, proximal_mu)
                optimiser.step()
                losses.append(loss.detach() * len(rows))
            total = float(torch.stack(losses).sum()) / len(x)
            if not math.isfinite(total):
                raise TrainingError(_diverged("the loss", epoch, epochs))
    if not all(torch.isfinite(p).all() for p in parameters):
        raise TrainingError(_diverged("a weight", epochs, epochs))
    return TrainResult(loss=total, examples=len(x))


def decayed(learning_rate: float, done: int, rounds: int) -> float:
    """Return the step size after `done` of at most `rounds` rounds.

    It falls in a straight line, to a last round at 1/rounds of the first: late rounds then average
    out the noise of small batches (and of sites that differ) instead of adding to it.
    """
    return learning_rate * (1.0 - done / rounds)


def _diverged(what: str, epoch: int, epochs: int) -> str:
    return (
        f"{what} became NaN or infinite in epoch {epoch} of {epochs}:"
        " lower strategy.learning_rate, or look at the features' scaling"
    )


def add_penalty_gradient(
    parameters: Sequence[torch.Tensor], start: Sequence[torch.Tensor], l2: float, mu: float
) -> None:
    """Add the gradient of l2/2 |weights|^2 + mu/2 |w - start|^2 to that of the loss, in place.

    A bias is told by its one dimension. Written out because autograd through the penalties takes
    longer than the rest of a small model's step.
    """
    with torch.no_grad():
        for parameter, origin in zip(parameters, start, strict=True):
            assert parameter.grad is not None
            if l2 and parameter.ndim > 1:
                parameter.grad.add_(parameter, alpha=l2)
            if mu:
                parameter.grad.add_(parameter - origin, alpha=mu)


def train_to_convergence(
    model: nn.Module,
    x: FloatArray,
    y: FloatArray,
    x_validation: FloatArray,
    y_validation: FloatArray,
    *,
    rounds: int,
    patience: int,
    min_delta: float,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    l2: float,
    seed: int,
) -> ConvergenceResult:
    """Train `model` as a federation of one site would: the local-only and pooled baselines.

    The same rounds of the same local epochs, the same stop (no validation loss lower than the
    best by more than `min_delta` for `patience` rounds) and the same choice of the best
    round, so that a difference from the federated model is not one of budget. Without validation
    rows, all rounds are trained and the last one is kept.

    Raises
    ------
    TrainingError
        As `train_locally`.
    """
    best, best_round, losses = math.inf, 0, []
    kept = _copy(model)
    stopped_by = "rounds"
    for number in range(1, rounds + 1):
        train_locally(
            model,
            x,
            y,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=decayed(learning_rate, number - 1, rounds),
            l2=l2,
            proximal_mu=0.0,
            seed=seed + number,
        )
        if len(x_validation) == 0:
            best_round, kept = number, _copy(model)
            continue
        losses.append(mean_loss(model, x_validation, y_validation))
        if losses[-1] < best - min_delta:
            best, best_round, kept = losses[-1], number, _copy(model)
        elif number - best_round >= patience:
            stopped_by = "patience"
            break
    model.load_state_dict(kept)
    return ConvergenceResult(losses=losses, best_round=best_round, stopped_by=stopped_by)


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def predict_logit(model: nn.Module, x: FloatArray) -> npt.NDArray[np.float64]:
    """Logit of each row's risk, shape (rows,), dropout off; the model's mode is left as it was."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        parts = [model(part).numpy() for part in torch.from_numpy(x).split(SCORED_AT_ONCE)]
    model.train(was_training)
    return np.concatenate(parts).astype(np.float64)


def predict_risk(model: nn.Module, x: FloatArray) -> npt.NDArray[np.float64]:
    """Risk of each row, shape (rows,), in 0..1."""
    risk: npt.NDArray[np.float64] = expit(predict_logit(model, x))
    return risk


def mean_loss(model: nn.Module, x: FloatArray, y: FloatArray) -> float:
    """Mean cross-entropy (nats a learner) on one row or more, penalties not included."""
    logit = predict_logit(model, x)
    return float(np.mean(np.logaddexp(0.0, logit) - y * logit))
