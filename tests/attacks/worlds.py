"""Learners to attack, and the ways of training that the attacks are tried on."""

import numpy as np
import torch

from clients.training import predict_logit, train_locally
from edufed.models import RiskModel, get_weights, set_weights
from edufed.privacy.attacks.membership import margins
from edufed.privacy.dp.accounting import calibrate
from edufed.privacy.dp.descent import Descent
from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.training import gradient_share

INPUTS, TRAITS, SITES, ROUNDS = 30, 4, 5, 20
LOADINGS = np.random.default_rng(0).standard_normal((TRAITS, INPUTS)) * 0.5


def learners(count, seed):
    """Learners whose features rise and fall together, as measures of activity do."""
    rng = np.random.default_rng(seed)
    traits = rng.standard_normal((count, TRAITS))
    own = rng.standard_normal((count, INPUTS))
    x = (traits @ LOADINGS + 0.6 * own).astype(np.float32)
    y = (rng.random(count) < 1 / (1 + np.exp(-2 * traits[:, 0]))).astype(np.float32)
    return x, y, np.arange(count).astype(str).astype(object)


def from_zero():
    model = RiskModel(INPUTS)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    return model


def with_room(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RiskModel(INPUTS, [64])


def overfitted(x, y, whose, seed):
    """A network with room to learn each learner by heart, trained until it has."""
    model = with_room(seed)
    train_locally(
        model, x, y, epochs=40, batch_size=64, learning_rate=0.01, l2=0.0, proximal_mu=0.0,
        seed=seed,
    )  # fmt: skip
    return model


def under_shared_noise(epsilon):
    """Five sites, noise in shares, δ = 1e-5: how `privacy=secagg_dp` trains."""
    noise = calibrate(epsilon, 1e-5, 1.0, ROUNDS)

    def train(x, y, whose, seed):
        source, descent, model = RandomSource.repeatable(seed), Descent(0.5), from_zero()
        sites = np.arange(len(x)) % SITES
        for _ in range(ROUNDS):
            shares = [
                gradient_share(
                    model, x[sites == s], y[sites == s], whose[sites == s],
                    noise_multiplier=noise, clip=1.0, sample_rate=1.0,
                    minimum_sites=SITES - SITES // 3, grid=2.0**-24, source=source,
                )
                for s in range(SITES)
            ]  # fmt: skip
            total = {name: sum(share[name] for share in shares) for name in shares[0]}
            set_weights(model, descent.step(get_weights(model), total, float(len(x))))
        return model

    return train


def fitting(train, x, y, whose):
    """What `likelihood_ratio` calls: train on some learners, return everybody's margin."""
    order = np.argsort(whose.astype(str))  # margins come in the order of sorted learners

    def fit(members, seed):
        rows = np.isin(np.arange(len(x)), order[members])
        model = train(x[rows], y[rows], whose[rows], seed)
        return margins(predict_logit(model, x), y, whose)

    return fit
