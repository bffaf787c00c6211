from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from clients.training import (
    TrainingError,
    add_penalty_gradient,
    mean_loss,
    predict_logit,
    predict_risk,
    train_locally,
    train_to_convergence,
)
from edufed.models import build_model, get_weights

LOGISTIC = SimpleNamespace(name="logistic")
MLP = SimpleNamespace(name="mlp", hidden=[32], dropout=0.3)
PLAN = {
    "epochs": 2,
    "batch_size": 64,
    "learning_rate": 0.01,
    "l2": 1e-3,
    "proximal_mu": 0.0,
    "seed": 5,
}
ALONE = {
    "rounds": 40,
    "patience": 4,
    "min_delta": 1e-4,
    "epochs": 1,
    "batch_size": 64,
    "learning_rate": 0.01,
    "l2": 1e-3,
    "seed": 5,
}


def learners(rows=600, columns=10, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    logit = x @ rng.normal(size=columns) * 0.7 - 0.5
    y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-logit))).astype(np.float32)
    return x, y


def test_one_seed_one_result_whatever_the_global_state():
    x, y = learners()
    results = []
    for state in (1, 2):
        torch.manual_seed(state)
        model = build_model(MLP, 10, seed=3)
        before = torch.get_rng_state()
        outcome = train_locally(model, x, y, **PLAN)
        assert torch.equal(before, torch.get_rng_state())
        results.append((outcome, get_weights(model)))
    assert results[0][0] == results[1][0]
    assert all(np.array_equal(results[0][1][n], results[1][1][n]) for n in results[0][1])
    other = build_model(MLP, 10, seed=3)
    assert train_locally(other, x, y, **{**PLAN, "seed": 6}).loss != results[0][0].loss


@given(st.integers(0, 2**31), st.floats(0.0, 2.0), st.floats(0.0, 2.0))
@settings(max_examples=30, deadline=None)
def test_penalty_gradient_is_that_of_the_formula(seed, l2, mu):
    """l2/2 |weights|^2 + mu/2 |w - w0|^2, by autograd."""
    torch.manual_seed(seed)
    model = build_model(MLP, 4, seed=seed).double()
    parameters = list(model.parameters())
    start = [p.detach() + torch.randn_like(p) for p in parameters]
    loss = model.eval()(torch.randn(8, 4, dtype=torch.float64)).square().mean()
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    penalty = l2 / 2 * sum(w.square().sum() for w in weights)
    penalty += mu / 2 * sum((p - o).square().sum() for p, o in zip(parameters, start, strict=True))
    expected = torch.autograd.grad(loss + penalty, parameters, retain_graph=True)
    loss.backward()
    add_penalty_gradient(parameters, start, l2, mu)
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_proximal_term_holds_the_model_near_its_start():
    x, y = learners()
    moved = []
    for mu in (0.0, 1.0, 100.0):
        model = build_model(LOGISTIC, 10, seed=0)
        train_locally(model, x, y, **{**PLAN, "epochs": 20, "proximal_mu": mu})
        moved.append(float(model.layers[0].weight.detach().norm()))
    assert moved[0] > moved[1] > moved[2]


def test_reaches_the_optimum_of_logistic_regression():
    x, y = learners(2_000)
    model = build_model(LOGISTIC, 10, seed=0)
    for learning_rate in (0.05, 0.005, 0.0005):
        train_locally(
            model, x, y, **{**PLAN, "epochs": 40, "learning_rate": learning_rate, "batch_size": 500}
        )
    exact = LogisticRegression(C=1.0 / (PLAN["l2"] * len(x)), tol=1e-8).fit(x, y)
    np.testing.assert_allclose(model.layers[0].weight.detach(), exact.coef_, atol=3e-3)
    assert mean_loss(model, x, y) == pytest.approx(
        -np.mean(np.log(exact.predict_proba(x)[np.arange(len(y)), y.astype(int)])), abs=1e-5
    )


def test_no_rows():
    with pytest.raises(TrainingError, match="no rows"):
        train_locally(
            build_model(LOGISTIC, 3, 0),
            np.zeros((0, 3), np.float32),
            np.zeros(0, np.float32),
            **PLAN,
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_feature_that_is_no_number(bad):
    x, y = learners()
    x[3, 2] = bad
    with pytest.raises(TrainingError, match="NaN or infinite") as caught:
        train_locally(build_model(LOGISTIC, 10, 0), x, y, **PLAN)
    assert "\n" not in str(caught.value)


def test_divergence_names_the_epoch_and_a_remedy():
    x, y = learners()
    with pytest.raises(TrainingError, match=r"epoch \d of 2: lower strategy.learning_rate"):
        train_locally(build_model(MLP, 10, 0), x, y, **{**PLAN, "learning_rate": 1e30})


def test_one_row_and_one_class_train():
    x, y = learners(1)
    assert train_locally(build_model(LOGISTIC, 10, 0), x, y, **PLAN).examples == 1


def test_predictions_leave_the_mode_and_are_whole():
    x, _ = learners()
    model = build_model(MLP, 10, seed=1)
    train_locally(model, *learners(), **PLAN)
    model.train()
    first, second = predict_risk(model, x), predict_risk(model, x)
    assert model.training
    assert np.array_equal(first, second)
    assert first.dtype == np.float64
    np.testing.assert_allclose(first, 1.0 / (1.0 + np.exp(-predict_logit(model, x))))
    assert predict_risk(model, x[:0]).shape == (0,)


def test_alone_stops_by_patience_and_keeps_the_best_round():
    x, y = learners(200, 40)
    x_validation, y_validation = learners(200, 40, seed=0)
    rng = np.random.default_rng(1)
    y_validation = rng.permutation(y_validation)
    model = build_model(MLP, 40, seed=0)
    result = train_to_convergence(model, x, y, x_validation, y_validation, **ALONE)
    assert result.stopped_by == "patience"
    assert len(result.losses) == result.best_round + ALONE["patience"]
    assert mean_loss(model, x_validation, y_validation) == pytest.approx(
        result.losses[result.best_round - 1]
    )


def test_alone_without_validation_rows_trains_every_round():
    x, y = learners(100)
    model = build_model(LOGISTIC, 10, seed=0)
    result = train_to_convergence(model, x, y, x[:0], y[:0], **{**ALONE, "rounds": 3})
    assert (result.best_round, result.stopped_by, result.losses) == (3, "rounds", [])


def test_an_epoch_of_a_site_takes_well_under_a_tenth_of_a_second():
    x, y = learners(1_500, 180)
    model = build_model(SimpleNamespace(name="mlp", hidden=[64, 32], dropout=0.2), 180, seed=0)
    train_locally(model, x, y, **PLAN)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        train_locally(model, x, y, **{**PLAN, "epochs": 1})
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.1
