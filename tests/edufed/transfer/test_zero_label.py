from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from edufed.metrics import score_summary
from edufed.transfer.zero_label import empty_summary, risk_by_rank


def test_scores_on_another_scale_get_the_sources_risks() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(-1.0, 1.2, 5000)
    summary = score_summary((rng.random(5000) < expit(z)).astype(float), expit(z))
    stretched = 3.0 * z + 4.0  # the same learners, their scores spread and moved
    risk = risk_by_rank(stretched, stretched, summary)
    assert risk == pytest.approx(expit(z), abs=0.01)
    assert risk.mean() == pytest.approx(expit(z).mean(), abs=1e-3)


def test_order_stays_as_it_is() -> None:
    rng = np.random.default_rng(1)
    unlabelled, z = rng.standard_normal(300), np.sort(rng.standard_normal(50))
    summary = score_summary(np.zeros(200), rng.random(200))
    assert (np.diff(risk_by_rank(z, unlabelled, summary)) >= 0).all()


def test_without_anything_to_match_with_risks_stay() -> None:
    z = np.array([-1.0, 0.0, 2.0])
    assert risk_by_rank(z, z, empty_summary()) == pytest.approx(expit(z))
    assert risk_by_rank(z, np.zeros(0), score_summary([1.0], [0.5])) == pytest.approx(expit(z))
