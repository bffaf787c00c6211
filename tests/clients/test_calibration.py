from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from clients.calibration import IDENTITY, fit_calibration


def learners(rows, intercept, slope, seed=0):
    rng = np.random.default_rng(seed)
    logit = rng.normal(-0.8, 1.2, rows)
    return (rng.random(rows) < expit(intercept + slope * logit)).astype(float), logit


def test_recovers_a_shift_and_a_slope_from_many_rows():
    found = fit_calibration(*learners(20_000, 0.8, 0.6))
    assert found.intercept == pytest.approx(0.8, abs=0.06)
    assert found.slope == pytest.approx(0.6, abs=0.05)
    assert found.ece_after < 0.02 < found.ece_before


def test_few_rows_move_little():
    moves = [abs(fit_calibration(*learners(8, 0.0, 1.0, seed)).intercept) for seed in range(50)]
    assert max(moves) < 0.7
    assert np.mean(moves) < 0.25


def test_on_average_it_helps_a_small_site_that_differs_and_hardly_hurts_one_that_does_not():
    def gain(rows, intercept):
        before, after = [], []
        for seed in range(60):
            y, logit = learners(rows, intercept, 1.0, seed)
            truth, fresh = learners(2_000, intercept, 1.0, seed + 1_000)
            found = fit_calibration(y, logit)
            for losses, risk in ((before, expit(fresh)), (after, found.risk(fresh))):
                losses.append(np.mean((truth - risk) ** 2))
        return np.mean(before) - np.mean(after)

    assert gain(60, 1.0) > 0.01
    assert gain(60, 0.0) > -0.003


@pytest.mark.parametrize("y", [[], [0.0, 0.0, 0.0], [1.0]])
def test_one_class_or_none_changes_nothing(y):
    found = fit_calibration(np.array(y), np.zeros(len(y)))
    assert found == IDENTITY
    logit = np.array([-3.0, 0.0, 2.0])
    np.testing.assert_array_equal(found.risk(logit), expit(logit))


@given(st.integers(0, 2**32 - 1), st.integers(2, 200))
@settings(max_examples=50, deadline=None)
def test_never_turns_the_order_round(seed, rows):
    rng = np.random.default_rng(seed)
    y, logit = rng.integers(0, 2, rows).astype(float), rng.normal(0.0, 5.0, rows)
    y[np.argsort(logit)[: rows // 2]] = 1.0  # the model has it backwards
    found = fit_calibration(y, logit)
    assert found.slope > 0.0
    assert (np.diff(found.risk(np.sort(logit))) >= 0.0).all()


def test_same_rows_same_calibration():
    assert fit_calibration(*learners(300, 0.3, 1.0)) == fit_calibration(*learners(300, 0.3, 1.0))
