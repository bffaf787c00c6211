"""Clusterings by sums: those of scikit-learn from one start, however learners are shared out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from edufed.portrait.fits import LEAST_VARIANCE, Family, Fits, assign, site_sums
from edufed.portrait.starts import first_fits, moments

FEATURES = 3


def learners(seed: int, size: int = 300) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2, (4, FEATURES))
    return centres[rng.integers(4, size=size)] + rng.normal(0, 0.7, (size, FEATURES))


def fitted(
    family: Family, parts: list[np.ndarray], steps: int, weights: list[np.ndarray] | None = None
) -> Fits:
    """Take steps with the sums of several sites, added up."""
    total = [moments(part) for part in parts]
    summed = {name: sum(each[name] for each in total) for name in total[0]}
    fits = first_fits(family, summed, 1, 1, seed=5)
    weights = weights or [np.ones((len(part), 1), np.int64) for part in parts]
    for _ in range(steps):
        answers = [
            site_sums(family, fits.parameters, fits.resample, part, weight)
            for part, weight in zip(parts, weights, strict=True)
        ]
        sums = {name: sum(each[name] for each in answers) for name in answers[0]}
        fits = fits.stepped(sums, tolerance=-1.0)  # none is ever done
    return fits


@pytest.mark.parametrize("k", [2, 4, 6])
def test_k_means_is_that_of_scikit_learn(k: int) -> None:
    x = learners(1)
    family = Family("kmeans", k)
    start = first_fits(family, moments(x), 1, 1, seed=5).parameters["centres"][0]
    pooled = KMeans(k, init=start, n_init=1, max_iter=300, tol=0).fit(x)
    ours = fitted(family, np.split(x, [40, 150]), 60)
    centres = ours.parameters["centres"][0]
    np.testing.assert_allclose(centres, pooled.cluster_centers_, atol=1e-9)
    np.testing.assert_array_equal(assign(family, {"centres": centres}, x), pooled.labels_)
    assert ours.loss[0] * len(x) == pytest.approx(pooled.inertia_)


@pytest.mark.parametrize("k", [2, 4])
def test_a_mixture_is_that_of_scikit_learn(k: int) -> None:
    x = learners(2)
    family = Family("gaussian", k)
    start = {n: a[0] for n, a in first_fits(family, moments(x), 1, 1, seed=5).parameters.items()}
    steps = 25
    pooled = GaussianMixture(
        k,
        covariance_type="diag",
        reg_covar=LEAST_VARIANCE,
        max_iter=steps,
        tol=0,
        weights_init=start["shares"],
        means_init=start["centres"],
        precisions_init=1 / start["spreads"],
    )
    with pytest.warns(UserWarning, match="did not converge"):
        pooled.fit(x)
    ours = fitted(family, np.split(x, [100, 130]), steps)
    for name, theirs in (
        ("centres", pooled.means_),
        ("spreads", pooled.covariances_),
        ("shares", pooled.weights_),
    ):
        np.testing.assert_allclose(ours.parameters[name][0], theirs, atol=1e-9)
    own = {name: array[0] for name, array in ours.parameters.items()}
    np.testing.assert_array_equal(assign(family, own, x), pooled.predict(x))


@given(
    st.sampled_from(["kmeans", "gaussian"]),
    st.integers(2, 5),
    st.lists(st.integers(0, 80), min_size=1, max_size=4),
    st.integers(0, 1000),
)
def test_it_does_not_matter_how_learners_are_shared_out(
    kind: str, k: int, cuts: list[int], seed: int
) -> None:
    family = Family(kind, k)  # type: ignore[arg-type]
    x = learners(seed, 80)
    together = fitted(family, [x], 4)
    apart = fitted(family, np.split(x, sorted(cuts)), 4)
    for name, array in together.parameters.items():
        np.testing.assert_allclose(apart.parameters[name], array, atol=1e-7)


@given(st.sampled_from(["kmeans", "gaussian"]), st.integers(2, 4), st.integers(0, 1000))
def test_a_weight_stands_for_as_many_learners(kind: str, k: int, seed: int) -> None:
    family = Family(kind, k)  # type: ignore[arg-type]
    x = learners(seed, 60)
    times = np.random.default_rng(seed).poisson(1.0, len(x)) + (np.arange(len(x)) == 0)
    start = first_fits(family, moments(x), 1, 1, seed)
    weighted = site_sums(family, start.parameters, start.resample, x, times[:, None])
    ones = np.ones((times.sum(), 1), np.int64)
    repeated = site_sums(
        family, start.parameters, start.resample, np.repeat(x, times, axis=0), ones
    )
    for name, array in repeated.items():
        np.testing.assert_allclose(weighted[name], array, atol=1e-8)


@given(st.sampled_from(["kmeans", "gaussian"]), st.integers(0, 1000))
def test_no_step_makes_it_worse(kind: str, seed: int) -> None:
    family = Family(kind, 3)  # type: ignore[arg-type]
    x = learners(seed, 120)
    # The floor under variances is added, so that a mixture's step may lose a little by it.
    slack = 1e-9 if kind == "kmeans" else 0.05
    losses = [float(fitted(family, [x], steps).loss[0]) for steps in range(1, 8)]
    assert all(after <= before + slack for before, after in pairwise(losses))


def test_of_several_starts_the_best_goes_on() -> None:
    fits = Fits(
        Family("kmeans", 2),
        np.array([0, 0, 1, 1]),
        {"centres": np.arange(4 * 2 * FEATURES, dtype=float).reshape(4, 2, FEATURES)},
        np.array([2.0, 1.0, 1.0, 1.0]),
        np.zeros(4, dtype=bool),
    )
    best = fits.best_starts()
    assert best.resample.tolist() == [0, 1]
    assert best.parameters["centres"][:, 0, 0].tolist() == [6.0, 12.0]


def test_an_empty_cluster_keeps_its_centre() -> None:
    family = Family("kmeans", 2)
    far = np.array([[[0.0] * FEATURES, [99.0] * FEATURES]])
    fits = Fits.begin(family, np.array([0]), {"centres": far})
    x = np.zeros((5, FEATURES))
    sums = site_sums(family, fits.parameters, fits.resample, x, np.ones((5, 1), np.int64))
    assert fits.stepped(sums, 1e-4).parameters["centres"][0, 1].tolist() == [99.0] * FEATURES
