"""Which learners are behind a gradient? By reconstructing their rows from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity

from edufed.privacy.attacks.advantage import Advantage, rate_above_chance

FloatArray = npt.NDArray[np.float32]
Gradient = list[torch.Tensor]

#: Gives the gradient that the attacker sees of a batch: x, shape (rows, inputs), and y.
Observe = Callable[[FloatArray, FloatArray], Gradient]


def plain_gradient(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Gradient:
    """Gradient of the mean loss of a batch, one tensor a parameter."""
    loss = binary_cross_entropy_with_logits(model(x), y)
    return list(torch.autograd.grad(loss, list(model.parameters()), create_graph=x.requires_grad))


def invert(model: nn.Module, gradient: Gradient, rows: int, steps: int, seed: int) -> FloatArray:
    """Reconstruct a batch from its gradient.

    A single row is read off the first layer: x = dL/dW_u / dL/db_u for any unit u (Phong et al.
    2018). Several start from that, each with another unit, and then rows and labels move until
    their gradient points as the one seen (Geiping et al. 2020).

    Parameters
    ----------
    model : torch.nn.Module
        In the state in which the gradient was taken; its first two parameters are the first
        layer's weight and bias.
    gradient : list of tensors
    rows : int
        Batch size, which the attacker is given.
    steps : int
        Of Adam.
    seed : int

    Returns
    -------
    float32 array, shape (rows, inputs)
    """
    x = _first_layer(gradient, rows)
    if rows == 1:
        return x.numpy()
    generator = torch.Generator().manual_seed(seed)
    x += 0.1 * torch.randn(x.shape, generator=generator)  # rows that share a unit part ways
    x.requires_grad_()
    label = torch.zeros(rows, requires_grad=True)
    seen = torch.cat([part.flatten() for part in gradient])
    optimiser = torch.optim.Adam([x, label], lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        made = plain_gradient(model, x, torch.sigmoid(label))
        distance = 1 - cosine_similarity(torch.cat([p.flatten() for p in made]), seen, dim=0)
        distance.backward(inputs=[x, label])
        optimiser.step()
    return x.detach().numpy()


def _first_layer(gradient: Gradient, rows: int) -> torch.Tensor:
    weight, bias = gradient[0], gradient[1]
    strongest = bias.abs().argsort(descending=True)
    units = strongest[torch.arange(rows) % len(strongest)]
    divisor = bias[units, None]
    divisor = divisor.where(divisor != 0, torch.ones(()))
    return (weight[units] / divisor).clamp(-10.0, 10.0)


def recognise(
    model: nn.Module,
    observe: Observe,
    x: FloatArray,
    y: FloatArray,
    *,
    batch: int,
    crowd: int,
    trials: int,
    steps: int,
    seed: int,
) -> Advantage:
    """Invert batches and look for the learner who is nearest to a reconstructed row.

    In each trial the attacker sees the gradient of a random batch and has the rows of a crowd, the
    batch among them, as from another source. It is right if the one it points at is in the batch.

    Parameters
    ----------
    model : torch.nn.Module
    observe : callable
        What the attacker sees of a batch: `plain_gradient`, or a defended one.
    x, y : float32 arrays, shapes (rows, inputs) and (rows,)
        Learners to draw from, one row each.
    batch, crowd : int
        Learners in a batch, and in the crowd; luck finds one in batch/crowd of trials.
    trials, steps, seed : int
    """
    rng = np.random.default_rng(seed)
    right = 0
    for trial in range(trials):
        people = rng.permutation(len(x))[:crowd]
        own = people[:batch]
        rebuilt = invert(model, observe(x[own], y[own]), batch, steps, seed + trial)
        likeness = _unit(x[people]) @ _unit(rebuilt).T
        right += int(likeness.max(axis=1).argmax() < batch)
    return rate_above_chance("gradient inversion", right, trials, batch / crowd)


def _unit(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-12)
