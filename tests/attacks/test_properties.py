import numpy as np
import pytest
from worlds import ROUNDS, from_zero, learners

from clients.training import train_locally
from edufed.models import get_weights
from edufed.privacy.attacks.properties import infer_property
from edufed.privacy.dp.accounting import calibrate
from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.training import train_privately

SITE, GROUP, MARK = 200, 2, 29
SETTINGS = {"shadows": 40, "trials": 50, "seed": 100}


def site(has, seed):
    """A site of 200 learners; with the property, two of them have a mark that is otherwise rare."""
    x, y, whose = learners(SITE, seed)
    x[:, MARK] = 0.0
    if has:
        x[:GROUP, MARK], y[:GROUP] = 1.0, 1.0
    return x, y, whose


def flat(model):
    return np.concatenate([weight.ravel() for weight in get_weights(model).values()])


def plain(has, seed):
    x, y, _ = site(has, seed)
    model = from_zero()
    train_locally(
        model, x, y, epochs=5, batch_size=64, learning_rate=0.02, l2=0.0, proximal_mu=0.0, seed=0
    )
    return flat(model)


@pytest.fixture(scope="module")
def private():
    noise = calibrate(4.0, 1e-5, 1.0, ROUNDS)

    def update(has, seed):
        x, y, whose = site(has, seed)
        model = from_zero()
        train_privately(
            model, x, y, whose, noise_multiplier=noise, clip=1.0, sample_rate=1.0, steps=ROUNDS,
            population=float(SITE), learning_rate=1.0, source=RandomSource.repeatable(seed),
        )  # fmt: skip
        return flat(model)

    return update


def test_a_plain_update_shows_two_learners_of_a_rare_kind():
    gained = infer_property(plain, **SETTINGS)
    assert gained.measurable
    assert gained.value > 0.8


def test_a_private_update_does_not(private):
    gained = infer_property(private, **SETTINGS)
    assert not gained.measurable


def test_a_sum_over_sites_does_not_show_which_of_them_has_such_learners():
    def summed(has, seed):
        others = np.random.default_rng(seed).random(4) < 0.5
        return plain(has, seed) + sum(
            plain(bool(yes), 10_000 + 4 * seed + place) for place, yes in enumerate(others)
        )

    gained = infer_property(summed, **SETTINGS | {"trials": 30})
    assert gained.value < 0.6
