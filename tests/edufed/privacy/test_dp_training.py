import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.functional import binary_cross_entropy_with_logits

from edufed.models import RiskModel, get_weights
from edufed.privacy.dp.descent import Descent
from edufed.privacy.dp.gradients import ClippedSum, LearnerRows
from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.training import (
    AdaptiveClip,
    PrivateTrainingError,
    gradient_share,
    train_privately,
)

INPUTS = 6


def model_of(hidden):
    torch.manual_seed(0)
    return RiskModel(INPUTS, hidden)


def rows_of(seed=0, rows=60, learners=25):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, INPUTS)).astype(np.float32)
    y = (x[:, 0] + 0.3 * rng.standard_normal(rows) > 0).astype(np.float32)
    return x, y, rng.integers(0, learners, rows).astype(str).astype(object)


def one_by_one(model, x, y, learners, clip):
    total = [torch.zeros_like(p) for p in model.parameters()]
    for learner in set(learners):
        own = learners == learner
        loss = binary_cross_entropy_with_logits(
            model(torch.from_numpy(x[own])), torch.from_numpy(y[own])
        )
        gradient = torch.autograd.grad(loss, list(model.parameters()))
        length = torch.sqrt(sum((g**2).sum() for g in gradient))
        for sum_, g in zip(total, gradient, strict=True):
            sum_ += g * min(1.0, clip / float(length))
    return total


@pytest.mark.parametrize("hidden", [[], [7], [5, 4]])
@pytest.mark.parametrize("clip", [0.2, 100.0])
def test_each_learners_gradient_is_clipped_as_one_whatever_their_rows(hidden, clip):
    model = model_of(hidden)
    x, y, learners = rows_of()
    rows = LearnerRows(x, y, learners)
    total = ClippedSum(model)
    clipped = total(rows.sample(np.ones(rows.count, bool)), clip)
    total.close()
    for got, wanted in zip(clipped, one_by_one(model, x, y, learners, clip), strict=True):
        assert torch.allclose(got, wanted, atol=1e-4 * clip)


def test_only_sampled_learners_count_and_an_empty_sample_gives_zero():
    model = model_of([3])
    x, y, learners = rows_of()
    names = sorted(set(learners))
    rows = LearnerRows(x, y, learners)
    chosen = np.arange(rows.count) % 3 == 0
    own = np.isin(learners, np.array(names, object)[chosen])
    total = ClippedSum(model)
    clipped = total(rows.sample(chosen), 0.5)
    nothing = total(rows.sample(np.zeros(rows.count, bool)), 0.5)
    total.close()
    wanted = one_by_one(model, x[own], y[own], learners[own], 0.5)
    assert all(torch.allclose(g, w, atol=1e-5) for g, w in zip(clipped, wanted, strict=True))
    assert not any(gradient.any() for gradient in nothing)


def test_the_model_is_left_without_hooks():
    model = model_of([3])
    train(model, *rows_of())
    assert not model._forward_hooks
    assert not any(layer._forward_hooks for layer in model.layers)


def train(model, x, y, learners, **changes):
    settings = {
        "noise_multiplier": 1.0,
        "clip": 1.0,
        "sample_rate": 0.5,
        "steps": 30,
        "population": 25.0,
        "learning_rate": 0.5,
        "source": RandomSource.repeatable(0),
    }
    return train_privately(model, x, y, learners, **settings | changes)


@pytest.mark.parametrize("hidden", [[], [8]])
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_it_learns_when_learners_are_many_beside_the_noise(hidden, optimiser):
    x, y, _ = rows_of(rows=2000)
    learners = np.arange(2000).astype(str).astype(object)
    model = model_of(hidden)
    rate = 1.0 if optimiser == "sgd" else 0.05
    train(model, x, y, learners, population=2000.0, optimiser=optimiser, learning_rate=rate)
    right = (model(torch.from_numpy(x)).detach().numpy() > 0) == (y > 0)
    assert right.mean() > 0.9


def test_a_step_carries_noise_of_multiplier_times_clip_and_no_gradient_beyond_it():
    x = np.zeros((4, INPUTS), np.float32)
    moved = []
    for seed in range(400):
        model = RiskModel(INPUTS)
        before = get_weights(model)
        train(
            model, x, np.ones(4, np.float32), np.array(list("abcd"), object), steps=1,
            noise_multiplier=3.0, clip=2.0, population=10.0, learning_rate=1.0, sample_rate=0.5,
            source=RandomSource.repeatable(seed),
        )  # fmt: skip
        after = get_weights(model)
        moved.append((after["layers.0.weight"] - before["layers.0.weight"]).ravel())
    # 0.5 · 10 learners are expected in a step, and the features are zero.
    scaled = np.concatenate(moved) * 5.0 / 6.0
    assert stats.kstest(scaled, "norm").pvalue > 0.01


def test_a_run_repeats_with_its_source_and_differs_without():
    def weights(source):
        model = model_of([4])
        train(model, *rows_of(), source=source)
        return np.concatenate([w.ravel() for w in get_weights(model).values()])

    repeat = [weights(RandomSource.repeatable(5)) for _ in range(2)]
    assert np.array_equal(*repeat)
    # Of two runs a weight may come close to the same by chance, but hardly of three.
    apart = np.ptp([weights(None) for _ in range(3)], axis=0)
    assert (apart > 1e-5 * np.abs(repeat[0])).all()


def test_penalties_pull_weights_but_read_no_record():
    model = RiskModel(INPUTS)
    x, y, learners = rows_of()
    train(model, x * 0, y, learners, l2=1.0, noise_multiplier=1e-3, steps=60, population=1e6)
    assert model.layers[0].weight.abs().max().item() < 1e-3


def test_adaptive_clip_finds_the_quantile_of_gradient_lengths():
    x, y, _ = rows_of(rows=1000)
    learners = np.arange(1000).astype(str).astype(object)
    model = RiskModel(INPUTS)
    torch.nn.init.zeros_(model.layers[0].weight)
    torch.nn.init.zeros_(model.layers[0].bias)
    lengths = 0.5 * np.sqrt((x**2).sum(axis=1) + 1)
    for start in (0.01, 50.0):
        clip = train(
            model, x, y, learners, clip=AdaptiveClip(start, quantile=0.7, rate=0.5),
            steps=60, population=1000.0, learning_rate=1e-9,
        )  # fmt: skip
        assert clip == pytest.approx(np.quantile(lengths, 0.7), rel=0.1)


def test_count_and_gradient_together_cost_what_the_multiplier_says():
    z = AdaptiveClip(1.0, deviation=4.0).gradient_noise(2.0)
    assert z**-2 + (2 * 4.0) ** -2 == pytest.approx(2.0**-2)
    with pytest.raises(ValueError, match="costs more"):
        AdaptiveClip(1.0, deviation=0.5).gradient_noise(2.0)


def test_shares_over_the_sites_make_one_step_with_the_noise_once():
    model = model_of([4])
    sites = [rows_of(seed, rows=300, learners=10**6) for seed in range(6)]
    source = RandomSource.repeatable(1)
    shares = [
        gradient_share(
            model, *site, noise_multiplier=4.0, clip=0.5, sample_rate=1.0, minimum_sites=6,
            grid=2.0**-24, source=source,
        )
        for site in sites
    ]  # fmt: skip
    exact = [one_by_one(model, *site, 0.5) for site in sites]
    error = np.concatenate(
        [
            (sum(s[name] for s in shares) - sum(e[place] for e in exact).numpy()).ravel()
            for place, name in enumerate(shares[0])
        ]
    )
    assert set(shares[0]) == set(get_weights(model))
    assert error.std() == pytest.approx(2.0, rel=0.3)
    assert stats.kstest(error / 2.0, "norm").pvalue > 0.01


def test_descent_takes_the_mean_gradient_and_keeps_speed():
    weights = {"w": np.ones((1, 2), np.float32), "b": np.ones(1, np.float32)}
    total = {"w": np.full((1, 2), 10.0), "b": np.full(1, 10.0)}
    descent = Descent(learning_rate=0.1, momentum=0.5)
    first = descent.step(weights, total, expected=10.0)
    assert np.allclose(first["w"], 0.9)
    second = descent.step(first, total, expected=10.0, l2=1.0)
    assert np.allclose(second["b"], 0.9 - 0.15)
    assert np.allclose(second["w"], 0.9 - 0.1 * (0.5 + 1.0 + 0.9))


def test_what_cannot_be_trained_on_privately_is_refused():
    x, y, learners = rows_of()
    with pytest.raises(PrivateTrainingError, match="NaN"):
        train(RiskModel(INPUTS), np.full_like(x, np.nan), y, learners)
    with pytest.raises(ValueError, match="noise multiplier"):
        train(RiskModel(INPUTS), x, y, learners, noise_multiplier=0.0)
    with pytest.raises(ValueError, match="sample rate"):
        train(RiskModel(INPUTS), x, y, learners, sample_rate=1.5)
    with pytest.raises(PrivateTrainingError, match="lower the learning rate"):
        train(RiskModel(INPUTS), x, y, learners, learning_rate=1e30, l2=1e30, steps=4)


@pytest.mark.parametrize("hidden", [[], [7]])
def test_a_learner_whose_gradient_is_not_finite_adds_nothing(hidden):
    """Else a model of huge weights would tell, whatever the noise, that such a learner is there."""
    model = model_of(hidden)
    x, y, learners = rows_of()
    extreme = x.copy()
    extreme[learners == "3"] = 3.0
    with torch.no_grad():
        first = next(iter(model.parameters()))
        first[0, 0], first[0, 1] = 2e38, -2e38  # beyond 1.7, the two are NaN together
    x = np.clip(x, -1.5, 1.5)
    extreme = np.where((learners == "3")[:, None], extreme, x)

    def clipped(rows):
        total = ClippedSum(model)
        try:
            return total(rows.sample(np.ones(rows.count, bool)), 1.0)
        finally:
            total.close()

    others = learners != "3"
    without = clipped(LearnerRows(x[others], y[others], learners[others]))
    for got, wanted in zip(clipped(LearnerRows(extreme, y, learners)), without, strict=True):
        assert torch.equal(got, wanted)
    alone = clipped(LearnerRows(extreme[~others], y[~others], learners[~others]))
    assert all(not sum_.any() for sum_ in alone)
