from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from scipy.stats import rankdata

from edufed.features import FEATURES, FeatureMatrix, cohort_counts, cohort_ranks
from edufed.features.cohort import BINS, edges
from edufed.features.feature import Grid

COHORTS = ["A", "B", "C", "D"]
Make = Callable[[int, int], FeatureMatrix]


def rows(matrix: FeatureMatrix, which: np.ndarray) -> FeatureMatrix:
    return FeatureMatrix(
        matrix.values[which],
        matrix.names,
        matrix.learner_id[which],
        matrix.course_id[which],
        matrix.course_start[which],
        matrix.target[which],
    )


@pytest.mark.parametrize("grid", get_args(Grid))
def test_edges_rise(grid: Grid) -> None:
    assert edges(grid).shape == (BINS + 1,)
    assert (np.diff(edges(grid)) > 0).all()


@pytest.mark.parametrize(
    ("grid", "values"),
    [
        ("count", np.arange(48)),
        ("days", np.arange(98)),
        ("lead", np.arange(-19, 20)),
        ("fraction", np.arange(101) / 100),
        ("change", np.zeros(1)),
    ],
)
def test_whole_values_lie_in_the_middle_of_their_own_bin(grid: Grid, values: np.ndarray) -> None:
    edge = edges(grid)
    place = np.searchsorted(edge, values) - 1
    assert len(set(place)) == len(values)
    np.testing.assert_allclose((edge[place] + edge[place + 1]) / 2, values, atol=1e-12)


@pytest.mark.parametrize("sites", [2, 13])
def test_counts_add_up_over_any_split(random_matrix: Make, sites: int) -> None:
    whole = random_matrix(400, 5)
    site = np.random.default_rng(sites).integers(0, sites, 400)
    parts = [cohort_counts(rows(whole, site == k), COHORTS) for k in range(sites)]
    np.testing.assert_array_equal(sum(parts), cohort_counts(whole, COHORTS))


def test_counts_hold_every_known_value_once(random_matrix: Make) -> None:
    matrix = random_matrix(300, 6)
    counts = cohort_counts(matrix, COHORTS)
    assert counts.dtype == np.int64
    assert counts.shape == (4, len(FEATURES), BINS)
    np.testing.assert_array_equal(counts.sum(axis=(0, 2)), (~np.isnan(matrix.values)).sum(axis=0))
    assert (counts[3] == 0).all()
    only_b = cohort_counts(matrix, ["B"])
    np.testing.assert_array_equal(only_b[0], counts[1])


def test_values_beyond_the_grid_count_in_its_last_bins(random_matrix: Make) -> None:
    matrix = random_matrix(20, 7)
    matrix.values[:10], matrix.values[10:] = -1e9, 1e9
    counts = cohort_counts(matrix, COHORTS)
    assert counts[:, :, 0].sum(axis=0).tolist() == [10] * len(FEATURES)
    ranks = cohort_ranks(matrix, COHORTS, counts, min_cohort=1)
    assert ((ranks >= 0) & (ranks <= 1)).all()


def test_ranks_are_exact_within_the_bin(random_matrix: Make) -> None:
    matrix = random_matrix(900, 8)
    counts = cohort_counts(matrix, COHORTS)
    ranks = cohort_ranks(matrix, COHORTS, counts)
    assert ranks.dtype == np.float32
    for cohort, course in enumerate("ABC"):
        mine = matrix.course_id == course
        for number, feature in enumerate(FEATURES):
            column, rank = matrix.values[mine, number], ranks[mine, number]
            known = ~np.isnan(column)
            np.testing.assert_array_equal(np.isnan(rank), ~known)
            exact = (rankdata(column[known]) - 0.5) / known.sum()
            place = np.searchsorted(edges(feature.grid)[1:-1], column[known], side="right")
            share = counts[cohort, number, place] / known.sum()
            assert (np.abs(rank[known] - exact) <= share + 1e-6).all()


def test_ties_on_whole_values_share_the_exact_middle_rank(random_matrix: Make) -> None:
    matrix = random_matrix(500, 9)
    matrix.values[:] = np.random.default_rng(1).integers(0, 9, (500, 1))
    number = [feature.grid for feature in FEATURES].index("count")
    ranks = cohort_ranks(matrix, COHORTS, cohort_counts(matrix, COHORTS))
    mine = matrix.course_id == "A"
    exact = (rankdata(matrix.values[mine, number]) - 0.5) / mine.sum()
    np.testing.assert_allclose(ranks[mine, number], exact, atol=1e-6)


def test_a_site_ranks_its_learners_as_if_all_were_pooled(random_matrix: Make) -> None:
    whole = random_matrix(400, 10)
    counts = cohort_counts(whole, COHORTS)
    pooled = cohort_ranks(whole, COHORTS, counts)
    some = np.random.default_rng(2).random(400) < 0.1
    np.testing.assert_array_equal(cohort_ranks(rows(whole, some), COHORTS, counts), pooled[some])


def test_absent_and_small_cohorts_have_no_ranks(random_matrix: Make) -> None:
    matrix = random_matrix(300, 11)
    counts = cohort_counts(matrix, COHORTS)
    without_a = cohort_ranks(matrix, ["B", "C"], cohort_counts(matrix, ["B", "C"]))
    assert np.isnan(without_a[matrix.course_id == "A"]).all()
    assert not np.isnan(without_a[matrix.course_id == "B"]).all()
    assert np.isnan(cohort_ranks(matrix, COHORTS, counts, min_cohort=300)).all()
    none = cohort_ranks(matrix, [], cohort_counts(matrix, []))
    assert np.isnan(none).all()
