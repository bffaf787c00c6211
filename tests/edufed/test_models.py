from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from edufed.models import build_model, get_weights, personal_names, set_weights

LOGISTIC = SimpleNamespace(name="logistic", l2=0.0)
MLP = SimpleNamespace(name="mlp", hidden=[16, 8], dropout=0.5, l2=0.0)


def test_one_logit_a_row():
    for settings in (LOGISTIC, MLP):
        assert build_model(settings, 5, seed=1)(torch.zeros(3, 5)).shape == (3,)


def test_first_prediction_is_even():
    assert torch.equal(build_model(MLP, 5, seed=1)(torch.randn(3, 5)), torch.zeros(3))


def test_weights_depend_on_the_seed_alone_and_leave_the_global_state():
    torch.manual_seed(1)
    first = get_weights(build_model(MLP, 5, seed=7))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = get_weights(build_model(MLP, 5, seed=7))
    assert torch.equal(before, torch.get_rng_state())
    assert all(np.array_equal(first[name], second[name]) for name in first)
    other = get_weights(build_model(MLP, 5, seed=8))
    assert not np.array_equal(first["layers.0.weight"], other["layers.0.weight"])


def test_weights_survive_a_round_trip_as_copies():
    model, twin = build_model(MLP, 5, seed=1), build_model(MLP, 5, seed=2)
    weights = get_weights(model)
    set_weights(twin, weights)
    weights["layers.0.weight"][:] = 9.0
    x = torch.randn(4, 5)
    assert torch.equal(model.eval()(x), twin.eval()(x))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda w: w.pop("layers.0.bias"), "layers.0.bias missing"),
        (lambda w: w.update(extra=np.zeros(1)), "the model has no extra"),
        (lambda w: w.update({"layers.0.bias": np.zeros(3)}), r"shape \(3,\), the model \(16,\)"),
    ],
)
def test_weights_of_another_model_are_refused_whole(change, word):
    model = build_model(MLP, 5, seed=1)
    before = get_weights(model)
    weights = {name: value + 1.0 for name, value in before.items()}
    change(weights)
    with pytest.raises(ValueError, match=word):
        set_weights(model, weights)
    assert all(np.array_equal(before[name], value) for name, value in get_weights(model).items())


def test_last_layers_are_personal():
    model = build_model(MLP, 5, seed=1)
    assert personal_names(model, 0) == set()
    assert personal_names(model, 1) == {"layers.2.weight", "layers.2.bias"}
    assert personal_names(model, 2) == personal_names(model, 1) | {
        "layers.1.weight",
        "layers.1.bias",
    }


def test_something_must_be_shared():
    with pytest.raises(ValueError, match="personal_layers"):
        personal_names(build_model(MLP, 5, seed=1), 3)
    with pytest.raises(ValueError, match="personal_layers"):
        personal_names(build_model(LOGISTIC, 5, seed=1), 1)


def test_unknown_model():
    with pytest.raises(ValueError, match="no model 'tree'"):
        build_model(SimpleNamespace(name="tree"), 5, seed=1)
