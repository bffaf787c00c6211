"""What a clustering is judged by, against scikit-learn and against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, r2_score, roc_auc_score

from edufed.config.portrait import AcceptSettings
from edufed.portrait.agreement import adjusted_rand, contingency
from edufed.portrait.choice import Candidate, choose
from edufed.portrait.fits import Family
from edufed.portrait.profiles import told_groups
from edufed.portrait.resamples import LEAST_SITES, Resamples, draw_partitions, tells_of_few
from edufed.portrait.separation import interval, rates, separation

ACCEPT = AcceptSettings(stability=0.8, replication=0.8, separation=0.06)


@given(st.integers(2, 6), st.integers(2, 200), st.integers(0, 10_000))
def test_the_rand_index_is_scikit_learns_whoever_counts(k: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(k, size=(2, size))
    cut = size // 3
    table = contingency(one[:cut], other[:cut], k) + contingency(one[cut:], other[cut:], k)
    assert adjusted_rand(table) == pytest.approx(adjusted_rand_score(one, other), abs=1e-12)


def test_the_rand_index_of_one_learner_is_none() -> None:
    assert np.isnan(adjusted_rand(np.eye(2, dtype=np.int64)[:, :1] * 1))


@given(st.integers(2, 6), st.integers(0, 10_000))
def test_separation_is_that_of_single_learners(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cluster, y = rng.integers(k, size=200), rng.integers(2, size=200)
    y[:2] = [0, 1]
    foretold = rng.choice([0.1, 0.3, 0.3001, 0.7], size=k)
    known = np.bincount(cluster, minlength=k).astype(float)
    positive = np.bincount(cluster, y, minlength=k)
    found = separation(foretold, known, positive)
    score = foretold[cluster]
    assert found.eta_squared == pytest.approx(r2_score(y, score), abs=1e-12)
    assert found.roc_auc == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    own = rates(known, positive)
    means = np.array(
        [y[cluster == c].mean() if (cluster == c).any() else y.mean() for c in range(k)]
    )
    np.testing.assert_allclose(own, means)


def test_nothing_is_said_of_learners_who_all_ended_alike() -> None:
    alike = separation(np.array([0.2, 0.8]), np.array([3.0, 4.0]), np.zeros(2))
    assert np.isnan(alike.eta_squared)
    assert np.isnan(alike.roc_auc)
    assert np.isnan(interval(np.full(3, np.nan))).all()


@given(st.integers(6, 14), st.integers(1, 4), st.integers(0, 1000))
def test_no_sum_over_halves_is_of_few_sites(sites: int, wanted: int, seed: int) -> None:
    names = [f"site-{number:02d}" for number in range(sites)]
    found = draw_partitions(names, wanted, seed)
    assert 1 <= len(found) <= wanted
    assert found == draw_partitions(names[::-1], wanted, seed)
    indicators = []
    for one, other in found:
        assert sorted((*one, *other)) == names
        assert min(len(one), len(other)) >= LEAST_SITES
        indicators += [[float(name in half) for name in names] for half in (one, other)]
    known = np.array(indicators).T
    for few in (*((a,) for a in range(sites)), *((a, b) for a in range(sites) for b in range(a))):
        target = np.zeros(sites)
        target[list(few)] = 1.0
        nearest = known @ np.linalg.lstsq(known, target, rcond=None)[0]
        assert np.abs(nearest - target).max() > 1e-6


def test_partitions_that_would_tell_of_one_site_are_found_out() -> None:
    names = list("abcdef")
    one = (("a", "b", "c"), ("d", "e", "f"))
    other = (("a", "b", "d"), ("c", "e", "f"))  # the difference is c less d
    assert not tells_of_few(names, [one])
    assert tells_of_few(names, [one, other])


def test_there_are_no_halves_of_few_sites() -> None:
    assert draw_partitions(list("abcde"), 3, 1) == ()


def test_weights_are_of_all_of_bootstraps_and_of_ones_own_halves() -> None:
    halves = draw_partitions(list("abcdef"), 1, 1)
    resamples = Resamples(4, halves)
    weights = resamples.weights("c", 500, np.random.default_rng(1))
    assert weights.shape == (500, len(resamples)) == (500, 7)
    assert (weights[:, 0] == 1).all()
    assert weights[:, 1:5].mean() == pytest.approx(1, abs=0.1)
    inside = resamples.half(0, resamples.side(0, "c"))
    assert (weights[:, inside] == 1).all()
    assert weights[:, 5:].sum() == 500


def row(name: str, *, stable: float, same: float, trained: float, least: int = 100) -> Candidate:
    return Candidate(
        family=Family.named(name),
        smallest=least,
        stability=[stable, stable],
        replication=[same],
        eta_training=trained,
        eta=0.2,
        eta_low=0.1,
        eta_high=0.3,
        auc=0.7,
        auc_low=0.6,
        auc_high=0.8,
    )


def test_the_one_that_explains_most_is_chosen_of_those_that_hold() -> None:
    rows = [
        row("kmeans-2", stable=0.9, same=0.9, trained=0.1),
        row("kmeans-3", stable=0.9, same=0.85, trained=0.2),
        row("gaussian-5", stable=0.9, same=0.85, trained=0.2),
        row("kmeans-4", stable=0.79, same=0.9, trained=0.3),
        row("kmeans-5", stable=0.9, same=0.79, trained=0.3),
        row("kmeans-6", stable=0.9, same=0.9, trained=0.3, least=19),
    ]
    chosen = choose(rows, ACCEPT, 20)
    assert chosen is not None
    assert chosen.family.name == "kmeans-3"
    assert choose(rows[3:], ACCEPT, 20) is None
    assert not Candidate(**{**vars(rows[0]), "replication": []}).replicates(ACCEPT)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=7),
    st.integers(2, 20),
)
def test_what_is_withheld_does_not_follow(cells: list[tuple[int, int]], least: int) -> None:
    marked = np.array([a for a, _ in cells], float)
    size = np.array([a + b for a, b in cells], float)
    told = told_groups(marked, size, least)
    for group in np.flatnonzero(told):
        assert min(marked[group], size[group] - marked[group]) >= least
    rest = ~told
    if told.any() and rest.any():
        left, without = marked[rest].sum(), (size - marked)[rest].sum()
        assert min(left, without) >= least
        assert rest.sum() > 1 or min(left, without) >= least
