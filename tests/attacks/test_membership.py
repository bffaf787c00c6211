import numpy as np
import pytest
from worlds import fitting, learners, overfitted, under_shared_noise

from edufed.privacy.attacks.membership import likelihood_ratio, loss_threshold, margins

X, Y, WHOSE = learners(1000, seed=0)


@pytest.fixture(scope="module")
def defended():
    return under_shared_noise(4.0)


def by_loss(train):
    members = np.random.default_rng(1).random(len(X)) < 0.5
    return loss_threshold(fitting(train, X, Y, WHOSE)(members, 7), members)


def by_shadows(train):
    return likelihood_ratio(fitting(train, X, Y, WHOSE), len(X), shadows=8, targets=1, seed=3)


@pytest.mark.parametrize("attack", [by_loss, by_shadows])
def test_members_of_an_overfitted_model_are_given_away(attack):
    gained = attack(overfitted)
    assert gained.measurable
    assert gained.value > 0.2


@pytest.mark.parametrize("attack", [by_loss, by_shadows])
def test_members_of_a_private_model_are_not(attack, defended):
    gained = attack(defended)
    assert not gained.measurable
    assert gained.high < 0.15


def test_margins_are_means_over_a_learners_rows():
    margin = margins(
        np.array([1.0, 3.0, -2.0]), np.array([1, 1, 0]), np.array(["b", "b", "a"], object)
    )
    assert np.allclose(margin, [2.0, 2.0])
