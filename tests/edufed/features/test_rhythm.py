from __future__ import annotations

import math

import pytest
from small_site import EVENTS, Site

from edufed.features import FeatureMatrix, build
from edufed.features.catalogue import NAMES

NAN = float("nan")


def entropy(*amounts: float) -> float:
    total = sum(amounts)
    return -sum(a / total * math.log(a / total) for a in amounts if a)


@pytest.mark.parametrize(
    ("name", "ada", "bo", "eve"),
    [
        # Ada: days 0 (5 clicks), 5 (3), 8 (2), 15 (5), 20 (1). Eve: day 12 (1).
        ("clicks_week_1", 6, 0, 0),
        ("clicks_week_2", 2, 0, 1),
        ("clicks_week_3", 8, 0, 0),
        ("clicks_week_4", NAN, NAN, NAN),  # before the course
        ("clicks_last_2", 8, 0, 1),
        ("clicks_last_4", 16, 0, 1),
        ("days_last_1", 2, 0, 0),
        ("days_last_2", 3, 0, 1),
        ("days_last_4", 5, 0, 1),
        ("recency_days", 0, 10, 8),  # Bo never came, but registered on day 10 only
        ("gap_longest", 7, 10, 12),
        ("gap_mean", 5, NAN, NAN),
        ("gap_sd", math.sqrt((0 + 4 + 4 + 0) / 4), NAN, NAN),
        # Weekdays of the course: 0 -> 0, 5 -> 5, 8 -> 1, 15 -> 1, 20 -> 6.
        ("weekday_entropy", entropy(5, 3, 7, 1) / math.log(7), NAN, 0),
        ("week_entropy", entropy(6, 2, 8) / math.log(3), NAN, 0),
        ("weekly_sd", math.sqrt(2 / 9), 0, math.sqrt(2 / 9)),  # days 2, 1, 2 and 0, 1, 0
        ("weeks_active", 1, 0, 1 / 3),
        ("trend", 0, 0, 0),
        ("change", NAN, NAN, NAN),  # needs four weeks
    ],
)
def test_by_hand(at_20: FeatureMatrix, name: str, ada: float, bo: float, eve: float) -> None:
    column = at_20.values[:, NAMES.index(name)]
    assert column.tolist() == pytest.approx([ada, bo, eve], nan_ok=True, abs=1e-6)


def test_trend_and_change_over_five_weeks(site: Site) -> None:
    # Day 34 is the cutoff: weeks back hold 1, 2, 3, 4, 5 active days, each of 2 clicks.
    days = [34 - 7 * back - i for back in range(5) for i in range(back + 1)]
    events = EVENTS.iloc[[0] * len(days)].assign(
        learner_id="ada", time=[float(day) for day in days], count=2.0
    )
    columns = dict(zip(NAMES, build(site(events=events), 34.0).values[0], strict=True))
    assert [columns[f"clicks_week_{k}"] for k in range(1, 6)] == [2, 4, 6, 8, 10]
    assert columns["trend"] == pytest.approx(-1.0)
    assert columns["change"] == pytest.approx(math.log(7 / 15))
    assert columns["weekly_sd"] == pytest.approx(math.sqrt(2))


def test_a_learner_who_starts_late_has_no_gap_before(site: Site) -> None:
    # Bo registers on day 10 and comes on day 12 and 13.
    events = EVENTS.iloc[:2].assign(learner_id="bo", time=[12.0, 13.0])
    matrix = build(site(events=events), 15.0)
    assert matrix.values[1, NAMES.index("gap_longest")] == 2


def test_a_gap_of_half_a_year(site: Site) -> None:
    events = EVENTS.iloc[[0, 0]].assign(learner_id="ada", time=[0.0, 196.0])
    columns = dict(zip(NAMES, build(site(events=events), 200.0).values[0], strict=True))
    assert columns["gap_longest"] == 196
    assert columns["gap_sd"] == 0
