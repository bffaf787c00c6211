from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from small_course import CUTOFF, course

from edufed.recommend.counts import count
from edufed.recommend.items import SHRINK_FOLLOWS, Items, cosine, ease


@pytest.mark.parametrize("l2", [0.5, 100.0])
def test_ease_is_the_minimum_of_its_objective(l2: float) -> None:
    used = course(40, 7, 1).used.astype(float)
    size = used.shape[1]
    free = ~np.eye(size, dtype=bool)

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights = np.zeros((size, size))
        weights[free] = values
        rest = used @ weights - used
        value = float((rest**2).sum() + l2 * (weights**2).sum())
        return value, (2 * used.T @ rest + 2 * l2 * weights)[free]

    found = ease(np.rint(used.T @ used).astype(int), l2)
    brute = minimize(objective, np.zeros(free.sum()), jac=True, method="L-BFGS-B", tol=1e-15)
    assert not np.diagonal(found).any()
    np.testing.assert_allclose(found[free], brute.x, atol=1e-4)
    assert objective(found[free])[0] <= brute.fun * (1 + 1e-9)


def test_a_resource_that_nobody_used_says_nothing() -> None:
    counts = count(course(40, 7, 1), CUTOFF)
    gram = np.pad(counts.gram, (0, 1))
    assert not ease(gram, 10.0)[-1].any()
    assert not ease(gram, 10.0)[:, -1].any()
    assert not cosine(gram)[-1].any()


def test_following_is_directed_and_shrunk() -> None:
    counts = count(course(300, 8, 2), CUTOFF)
    following = Items.of(counts, 100.0).following
    assert following[2, 3] == counts.follows[2, 3] / (counts.users[2] + SHRINK_FOLLOWS)
    # Learners follow the path forwards.
    assert np.triu(following, 1).sum() > 3 * np.tril(following, -1).sum()
