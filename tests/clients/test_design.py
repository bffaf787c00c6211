"""Sums over sites give the design that one place with all rows would make."""

from __future__ import annotations

import numpy as np

from clients.design import build_design, statistics
from edufed.config import compose_job
from edufed.features import FEATURES, FeatureMatrix

JOB = compose_job(["out=x"])
COURSES = ["c1", "c2"]


def matrix(rows: int) -> FeatureMatrix:
    rng = np.random.default_rng(1)
    values = rng.gamma(2.0, 3.0, (rows, len(FEATURES))).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    return FeatureMatrix(
        values=values,
        names=tuple(feature.name for feature in FEATURES),
        learner_id=np.array([f"l{number}" for number in range(rows)], dtype=object),
        course_id=np.array([COURSES[number % 2] for number in range(rows)], dtype=object),
        course_start=np.full(rows, "2024-02-01", dtype="datetime64[D]"),
        target=(rng.random(rows) < 0.4).astype(np.float32),
    )


def part(whole: FeatureMatrix, rows: slice) -> FeatureMatrix:
    return FeatureMatrix(
        whole.values[rows],
        whole.names,
        whole.learner_id[rows],
        whole.course_id[rows],
        whole.course_start[rows],
        whole.target[rows],
    )


def test_federated_sums_and_designs_are_the_pooled_ones() -> None:
    whole = matrix(300)
    sites = [part(whole, rows) for rows in (slice(0, 50), slice(50, 220), slice(220, 300))]
    pooled = statistics(whole, JOB, COURSES)
    shares = [statistics(site, JOB, COURSES) for site in sites]
    sums = {name: np.sum([share[name] for share in shares], axis=0) for name in pooled}
    assert np.array_equal(sums["counts"], pooled["counts"])
    np.testing.assert_allclose(sums["moments"], pooled["moments"], rtol=1e-9)
    together = build_design(whole, JOB, COURSES, pooled)
    apart = [build_design(site, JOB, COURSES, sums) for site in sites]
    np.testing.assert_allclose(np.concatenate([d.x for d in apart]), together.x, atol=1e-6)
    for name in ("train", "valid", "test"):
        masks = np.concatenate([getattr(d.split, name) for d in apart])
        assert np.array_equal(masks, getattr(together.split, name))
