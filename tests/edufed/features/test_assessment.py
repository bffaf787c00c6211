from __future__ import annotations

import pandas as pd
import pytest
from small_site import OUTCOMES, Site

from edufed.features import FeatureMatrix, build
from edufed.features.catalogue import NAMES

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "ada", "bo", "eve"),
    [
        # Due by day 20: A1 (day 7, weight 0.2) and A2 (day 14, weight 0.3); A3 on day 21.
        # Ada: A1 on day 6 with 0.8, A2 on day 16 with 0.5; her A3 comes after the cutoff.
        # Eve: A1 again on day 5 with 0.4, A3 on day 19 with 1.
        ("submitted", 2, 0, 2),
        ("submitted_share", 1, 0, 0.5),
        ("missed", 0, 2, 1),
        ("score_mean", 0.65, NAN, 0.7),
        ("score_weighted", (0.2 * 0.8 + 0.3 * 0.5) / 0.5, NAN, (0.2 * 0.4 + 0.5) / 0.7),
        ("score_last", 0.5, NAN, 1),
        ("score_lowest", 0.5, NAN, 0.4),
        ("score_change", -0.3, NAN, 0.6),
        ("score_of_due", 0.65, 0, 0.2),
        ("score_of_due_weighted", 0.62, 0, 0.16),
        ("lateness_days", (-1 + 2) / 2, NAN, -2),
        ("late_share", 0.5, NAN, 0),
        ("lead_last", -2, NAN, 2),
        ("days_since_submission", 4, NAN, 1),
    ],
)
def test_by_hand(at_20: FeatureMatrix, name: str, ada: float, bo: float, eve: float) -> None:
    column = at_20.values[:, NAMES.index(name)]
    assert column.tolist() == pytest.approx([ada, bo, eve], nan_ok=True, abs=1e-6)


def test_a_mark_to_come_is_neither_zero_nor_missed(site: Site) -> None:
    waiting = OUTCOMES.assign(
        score=OUTCOMES["score"].where(OUTCOMES["resource_id"] != "A2", pd.NA).astype(float)
    )
    columns = dict(zip(NAMES, build(site(outcomes=waiting), 20.0).values[0], strict=True))
    assert columns["missed"] == 0
    assert columns["submitted"] == 2
    assert columns["score_of_due"] == pytest.approx(0.8)
    assert columns["score_mean"] == pytest.approx(0.8)


def test_before_anything_is_due(site: Site) -> None:
    columns = dict(zip(NAMES, build(site(), 6.5).values[0], strict=True))
    assert columns["submitted"] == 1
    assert columns["score_mean"] == pytest.approx(0.8)
    assert columns["missed"] != columns["missed"]  # NaN: nothing was due
