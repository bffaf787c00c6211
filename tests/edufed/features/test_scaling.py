from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_site import Site

from edufed.features import (
    FEATURES,
    FeatureMatrix,
    Scaling,
    build,
    cohort_counts,
    cohort_ranks,
    design,
    design_features,
    design_names,
    moments,
    transformed,
)
from edufed.features.catalogue import NAMES

Make = Callable[[int, int], FeatureMatrix]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_federated_mean_and_deviation_equal_pooled(
    random_matrix: Make, seed: int, sites: int
) -> None:
    x = transformed(random_matrix(200, seed).values)
    site = np.random.default_rng(seed).integers(0, sites, len(x))
    total = sum(moments(x[site == k]) for k in range(sites))
    scaling = Scaling.from_moments(total)
    np.testing.assert_allclose(scaling.mean, np.nanmean(x, axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(scaling.deviation, np.nanstd(x, axis=0), rtol=1e-9, atol=1e-9)


def test_moments_by_hand() -> None:
    x = np.array([[1.0, np.nan], [2.0, 5.0], [4.0, 7.0]])
    np.testing.assert_array_equal(moments(x), [[3, 2], [7, 12], [21, 74]])
    rows = np.array([True, False, True])
    np.testing.assert_array_equal(moments(x, rows), [[2, 1], [5, 7], [17, 49]])
    np.testing.assert_array_equal(moments(x, x > 1.5), [[2, 2], [6, 12], [20, 74]])


def test_constant_and_unknown_columns_do_not_blow_up() -> None:
    x = np.column_stack([np.full(1000, 0.1), np.full(1000, np.nan), np.arange(1000.0)])
    scaling = Scaling.from_moments(moments(x))
    np.testing.assert_allclose(scaling.mean, [0.1, 0.0, 499.5])
    np.testing.assert_allclose(scaling.deviation, [1.0, 1.0, np.arange(1000).std()])


def test_counts_are_logged() -> None:
    values = np.full((1, len(FEATURES)), 7.0, dtype=np.float32)
    logged = [feature.transform == "log1p" for feature in FEATURES]
    np.testing.assert_allclose(transformed(values)[0], np.where(logged, np.log(8), 7.0))


def test_design_is_standard_and_complete(random_matrix: Make) -> None:
    matrix = random_matrix(3000, 3)
    cohorts = ["A", "B", "C"]
    ranks = cohort_ranks(matrix, cohorts, cohort_counts(matrix, cohorts))
    x = transformed(matrix.values)
    scaling = Scaling.from_moments(moments(x))
    made = design(matrix, np.full_like(ranks, np.nan), scaling)
    names, n = design_names(), len(FEATURES)
    assert made.shape == (3000, len(names))
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    known = ~np.isnan(x)
    np.testing.assert_allclose((made[:, :n].sum(0) / known.sum(0)), 0, atol=1e-5)
    np.testing.assert_allclose((made[:, :n] ** 2).sum(0) / known.sum(0), 1, atol=1e-4)
    assert (made[:, :n][~known] == 0).all()
    assert (made[:, n : 2 * n] == 0).all()
    made = design(matrix, ranks, scaling)
    assert (made[:, n : 2 * n][~known] == 0).all()
    np.testing.assert_allclose(made[:, n : 2 * n].mean(0), 0, atol=0.02)
    for column, name in enumerate(names):
        if name.endswith(":missing"):
            number = NAMES.index(name.removesuffix(":missing"))
            np.testing.assert_array_equal(made[:, column], ~known[:, number])


def test_a_rank_takes_the_place_of_a_value_that_other_courses_do_not_share(
    random_matrix: Make,
) -> None:
    matrix = random_matrix(300, 2)
    ranks = cohort_ranks(matrix, ["A"], cohort_counts(matrix, ["A"]))  # B is not ranked
    scaling = Scaling.from_moments(moments(transformed(matrix.values)))
    values = design(matrix, ranks, scaling)[:, : len(FEATURES)]
    unranked = design(matrix, np.full_like(ranks, np.nan), scaling)[:, : len(FEATURES)]
    comparable = np.array([feature.comparable for feature in FEATURES])
    in_a = matrix.course_id == "A"
    assert (values[np.ix_(in_a, ~comparable)] == 0).all()
    np.testing.assert_array_equal(values[:, comparable], unranked[:, comparable])
    np.testing.assert_array_equal(values[~in_a], unranked[~in_a])


def test_columns_point_to_their_features() -> None:
    owners = [NAMES[i] for i in design_features()]
    assert owners == [name.partition(":")[0] for name in design_names()]
    assert len(set(design_names())) == len(design_names())
    indicated = {name.partition(":")[0] for name in design_names() if name.endswith(":missing")}
    assert indicated == {feature.name for feature in FEATURES if feature.indicator}


@pytest.mark.parametrize("absent", ["events", "outcomes", "learners", "resources"])
def test_every_site_has_the_same_columns(site: Site, absent: str) -> None:
    matrix = build(site(**{absent: None}), 20.0)
    ranks = cohort_ranks(matrix, ["M"], cohort_counts(matrix, ["M"]))
    made = design(matrix, ranks, Scaling.from_moments(moments(transformed(matrix.values))))
    assert made.shape == (3, len(design_names()))
    assert np.isfinite(made).all()
    assert (made[:, [name.endswith(":missing") for name in design_names()]] == 1).any()
