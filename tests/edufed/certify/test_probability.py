from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from edufed.certify.conformal import BINS, bins_of, count
from edufed.certify.probability import merged, table


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Learners of whom the model's logit says too much: the truth is half of it."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0.5, 3.0, n)
    return bins_of(logit), rng.random(n) < expit(logit / 2)


def test_it_is_venn_abers_on_all_learners_in_one_place() -> None:
    bins, passed = drawn(300, 1)
    found = table(count(bins, passed))
    for bin_ in (0, 480, 600, 733, BINS - 1):
        for row, result in enumerate((0, 1)):
            fit = IsotonicRegression().fit([*bins, bin_], [*passed.astype(int), result])
            assert abs(fit.predict([bin_])[0] - found[row, bin_]) < 1e-9


def test_low_is_below_high_and_both_rise_and_narrow_with_learners() -> None:
    few, many = (table(count(*drawn(n, 2))) for n in (50, 5000))
    for found in (few, many):
        assert (found[0] <= found[1]).all()
        assert (np.diff(found, axis=1) >= -1e-12).all()
        assert found.min() >= 0
        assert found.max() <= 1
    middle = slice(400, 800)
    assert np.mean(many[1, middle] - many[0, middle]) < np.mean(few[1, middle] - few[0, middle]) / 4


def test_the_probability_comes_true() -> None:
    low, high = table(count(*drawn(3000, 3)))
    bins, passed = drawn(40000, 4)
    said = merged(low[bins], high[bins])
    for lower in np.arange(0.1, 0.9, 0.2):
        group = (said >= lower) & (said < lower + 0.2)
        assert abs(said[group].mean() - passed[group].mean()) < 0.04
