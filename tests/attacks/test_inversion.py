import numpy as np
import pytest
import torch
from worlds import INPUTS, ROUNDS, learners, with_room

from edufed.privacy.attacks.inversion import invert, plain_gradient, recognise
from edufed.privacy.dp.accounting import calibrate
from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.training import gradient_share

X, Y, _ = learners(400, seed=5)
SETTINGS = {"crowd": 40, "trials": 24, "steps": 20, "seed": 1}


@pytest.fixture(scope="module")
def model():
    return with_room(0)


def seen_plainly(model):
    def observe(x, y):
        return plain_gradient(model, torch.from_numpy(x), torch.from_numpy(y))

    return observe


def seen_through_noise(model, epsilon):
    source = RandomSource.repeatable(2)
    noise = calibrate(epsilon, 1e-5, 1.0, ROUNDS)

    def observe(x, y):
        noisy = gradient_share(
            model, x, y, np.arange(len(x)).astype(str).astype(object), noise_multiplier=noise,
            clip=1.0, sample_rate=1.0, minimum_sites=1, grid=2.0**-24, source=source,
        )  # fmt: skip
        return [torch.from_numpy(g.astype(np.float32)) / len(x) for g in noisy.values()]

    return observe


def test_a_single_learner_is_read_off_a_plain_gradient(model):
    gradient = seen_plainly(model)(X[:1], Y[:1])
    rebuilt = invert(model, gradient, rows=1, steps=0, seed=0)
    assert rebuilt.shape == (1, INPUTS)
    assert np.allclose(rebuilt, X[:1], atol=1e-3)


@pytest.mark.parametrize("batch", [1, 4])
def test_learners_are_recognised_in_a_plain_gradient(model, batch):
    gained = recognise(model, seen_plainly(model), X, Y, batch=batch, **SETTINGS)
    assert gained.measurable
    assert gained.value > 0.8


@pytest.mark.parametrize("batch", [1, 4])
def test_nobody_is_recognised_in_a_private_gradient(model, batch):
    gained = recognise(model, seen_through_noise(model, 4.0), X, Y, batch=batch, **SETTINGS)
    assert not gained.measurable


def test_secure_aggregation_hides_a_batch_among_those_of_all_sites(model):
    rng = np.random.default_rng(3)

    def observe(x, y):
        others = rng.permutation(len(X))[: 12 * len(x)]
        return seen_plainly(model)(np.concatenate([x, X[others]]), np.concatenate([y, Y[others]]))

    gained = recognise(model, observe, X, Y, batch=4, **SETTINGS)
    assert gained.value < 0.4
