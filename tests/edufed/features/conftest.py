"""Sites and matrices for the tests of features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from small_site import Site, make_site

from edufed.features import FEATURES, FeatureMatrix, build
from edufed.features.catalogue import NAMES


@pytest.fixture(scope="session")
def site() -> Site:
    """Make records of the small site; a keyword replaces a table, None leaves it out."""
    return make_site


@pytest.fixture(scope="session")
def at_20(site: Site) -> FeatureMatrix:
    """Build the small site's features at day 20, when Ada, Bo and Eve are enrolled."""
    return build(site(), 20.0)


@pytest.fixture(scope="session")
def random_matrix() -> Callable[[int, int], FeatureMatrix]:
    """Make a matrix of so many rows from a seed: skewed, tied and missing values, three courses."""

    def make(rows: int, seed: int) -> FeatureMatrix:
        rng = np.random.default_rng(seed)
        values = rng.gamma(1.0, 20.0, (rows, len(NAMES))).astype(np.float32)
        values[:, ::2] = np.floor(values[:, ::2])
        shares = [i for i, feature in enumerate(FEATURES) if feature.grid == "fraction"]
        values[:, shares] = np.floor(rng.random((rows, len(shares))) * 100) / 100
        values[rng.random(values.shape) < 0.1] = np.nan
        return FeatureMatrix(
            values=values,
            names=NAMES,
            learner_id=np.array([f"l{i}" for i in range(rows)], dtype=object),
            course_id=rng.choice(np.array(["A", "B", "C"], dtype=object), rows),
            course_start=np.full(rows, "2024-09-02", dtype="datetime64[D]"),
            target=rng.integers(0, 2, rows).astype(np.float32),
        )

    return make
