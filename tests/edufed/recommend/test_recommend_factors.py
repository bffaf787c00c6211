from __future__ import annotations

import numpy as np
from small_course import course, shared_out

from edufed.recommend.factors import learner_vectors, normal_equations, resource_vectors, start

ALPHA, L2, RANK = 10.0, 1.0, 3


def objective(used: np.ndarray, learners: np.ndarray, resources: np.ndarray) -> float:
    confidence = 1 + ALPHA * used
    rest = confidence * (used - learners @ resources.T) ** 2
    return float(rest.sum() + L2 * ((learners**2).sum() + (resources**2).sum()))


def test_every_half_step_is_the_least_squares_solution() -> None:
    used = course(50, 12, 4).used
    resources = start(12, RANK, np.random.default_rng(1))
    before = np.inf
    for _ in range(6):
        learners = learner_vectors(used, resources, ALPHA, L2)
        resources = resource_vectors(*normal_equations(used, learners, ALPHA), L2)
        now = objective(used, learners, resources)
        assert now <= before
        before = now
    for axis in np.ndindex(resources.shape):
        for step in (1e-3, -1e-3):
            moved = resources.copy()
            moved[axis] += step
            assert objective(used, learners, moved) >= before


def test_over_sites_it_is_the_factorisation_of_all_learners() -> None:
    whole = course(50, 12, 4)
    parts = shared_out(whole, 4)
    apart = together = start(12, RANK, np.random.default_rng(1))
    for _ in range(8):
        own = [learner_vectors(part.used, apart, ALPHA, L2) for part in parts]
        sums = [
            normal_equations(p.used, vectors, ALPHA) for p, vectors in zip(parts, own, strict=True)
        ]
        apart = resource_vectors(sum(s[0] for s in sums), sum(s[1] for s in sums), L2)
        learners = learner_vectors(whole.used, together, ALPHA, L2)
        together = resource_vectors(*normal_equations(whole.used, learners, ALPHA), L2)
    np.testing.assert_allclose(apart, together, rtol=1e-9)
