from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from clients.reasons import (
    LEAST_RISE,
    contributions,
    reason_texts,
    reasons,
    related_features,
    top_features,
)
from edufed.features import FEATURES, FeatureMatrix, design_features, design_names
from edufed.models import build_model

NAMES = tuple(feature.name for feature in FEATURES)
WIDTH = len(design_names())


def matrix_of(values):
    rows = len(values)
    return FeatureMatrix(
        values=values.astype(np.float32),
        names=NAMES,
        learner_id=np.array([f"l{i}" for i in range(rows)], dtype=object),
        course_id=np.array(["c"] * rows, dtype=object),
        course_start=np.full(rows, "2014-02-01", dtype="datetime64[D]"),
        target=np.full(rows, np.nan, dtype=np.float32),
    )


def random_model(settings, seed=0):
    model = build_model(settings, WIDTH, seed)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return model.eval()


def test_exact_for_logistic_regression():
    model = random_model(SimpleNamespace(name="logistic"))
    x = np.random.default_rng(0).normal(size=(7, WIDTH)).astype(np.float32)
    share = x * model.layers[0].weight.detach().numpy()
    expected = np.stack(
        [share[:, design_features() == f].sum(axis=1) for f in range(len(FEATURES))], axis=1
    )
    np.testing.assert_allclose(contributions(model, x), expected, atol=1e-5)


def test_a_feature_the_model_does_not_read_adds_nothing():
    model = random_model(SimpleNamespace(name="mlp", hidden=[8], dropout=0.5))
    unread = design_features() == 3
    with torch.no_grad():
        model.layers[0].weight[:, torch.from_numpy(unread)] = 0.0
    x = np.random.default_rng(0).normal(size=(5, WIDTH)).astype(np.float32)
    before = x.copy()
    raised = contributions(model, x)
    assert np.array_equal(x, before)
    assert (raised[:, 3] == 0.0).all()
    assert (np.abs(np.delete(raised, 3, axis=1)) > 0.0).any(axis=0).all()


def test_related_are_those_that_go_together_where_both_are_known():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, len(FEATURES)))
    values[:, 5] = -values[:, 4] + 0.1 * rng.normal(size=400)
    values[:, 7] = values[:, 6]
    values[::2, 7] = np.nan
    values[:, 8] = 1.0
    values[:, 9] = np.nan
    x = np.zeros((400, WIDTH), dtype=np.float32)
    x[:, : len(FEATURES)] = np.nan_to_num(values)
    related = related_features(matrix_of(values), x)
    pairs = {(int(a), int(b)) for a, b in np.argwhere(np.triu(related, 1))}
    assert pairs == {(4, 5), (6, 7)}
    assert np.array_equal(related, related.T)


def test_one_learner_is_no_correlation():
    x = np.ones((1, WIDTH), dtype=np.float32)
    assert np.array_equal(
        related_features(matrix_of(np.ones((1, len(FEATURES)))), x), np.eye(len(FEATURES))
    )


def test_highest_first_without_repeating_a_matter():
    raised = np.array([[0.5, 0.9, 0.8, 0.1, -1.0], [0.02, -0.1, -np.inf, 0.0, 0.3]])
    related = np.eye(5, dtype=bool)
    related[1, 2] = related[2, 1] = True
    assert top_features(raised, related, 3).tolist() == [[1, 0, 3], [4, -1, -1]]
    assert LEAST_RISE > 0.02


@pytest.mark.parametrize("language", ["en", "zh"])
def test_words_say_high_low_or_not_known(language):
    values = np.full((4, len(FEATURES)), 5.0)
    values[2, 0] = np.nan
    ranks = np.full(values.shape, np.nan, dtype=np.float32)
    ranks[:2, 0] = 0.9, 0.1
    x = np.zeros((4, WIDTH), dtype=np.float32)
    x[:2, 0] = -1.0, 1.0  # the place in the course decides, not the one in the federation
    texts = reason_texts(matrix_of(values), x, ranks, np.array([[0], [0], [0], [-1]]), language)
    words = FEATURES[0].words(language)
    assert texts[0, 0] == words.high
    assert texts[1, 0] == words.low
    assert texts[2, 0].startswith(words.label)
    assert texts[3, 0] == ""
    assert bool(re.search("[一-鿿]", "".join(texts.ravel()))) == (language == "zh")


def test_what_the_site_lacks_is_nobodys_reason():
    model = random_model(SimpleNamespace(name="logistic"))
    with torch.no_grad():
        model.layers[0].weight.zero_()
        model.layers[0].weight[:, list(design_names()).index(f"{NAMES[0]}:missing")] = 5.0
    x = np.zeros((2, WIDTH), dtype=np.float32)
    x[:, list(design_names()).index(f"{NAMES[0]}:missing")] = 1.0
    values = np.ones((2, len(FEATURES)))
    ranks = np.full(values.shape, np.nan, dtype=np.float32)
    values[:, 0] = np.nan, 1.0
    some = reasons(model, matrix_of(values), x, ranks, 3, "en")
    assert some[0].tolist() == [f"{FEATURES[0].en.label}: not known", "", ""]
    values[:, 0] = np.nan
    assert (reasons(model, matrix_of(values), x, ranks, 3, "en") == "").all()
