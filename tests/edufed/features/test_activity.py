from __future__ import annotations

import pytest
from small_site import ENROLMENTS, EVENTS, Site

from edufed.features import FeatureMatrix, build
from edufed.features.catalogue import NAMES

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "ada", "bo", "eve"),
    [
        ("clicks", 1 + 4 + 3 + 2 + 5 + 1, 0, 1),  # a missing count is one
        ("events", 6, 0, 1),
        ("clicks_before", 2, 0, 6),
        ("days_before", 1, 0, 1),
        ("resources", 5, 0, 1),
        ("hours", (60 + 1800 + 900 + 840) / 3600, 0, 0.01),
        ("progress", (1.0 + 0.5 + 0.9) / 3, NAN, NAN),  # the best for each resource
        ("activity_score", 0.75, NAN, NAN),
        ("kind_home", 1, 0, 0),
        ("kind_content", 4 + 3 + 5, 0, 0),
        ("kind_forum", 2, 0, 0),
        ("kind_quiz", 1, 0, 0),
        ("kind_assessment", 0, 0, 0),
        ("kind_video", NAN, NAN, NAN),  # this site has none
        ("active_days", 5, 0, 1),
        ("sessions", 5, 0, 1),  # whole days: a session is a day
        ("first_visit", -3, NAN, -1),
    ],
)
def test_by_hand(at_20: FeatureMatrix, name: str, ada: float, bo: float, eve: float) -> None:
    column = at_20.values[:, NAMES.index(name)]
    assert column.tolist() == pytest.approx([ada, bo, eve], nan_ok=True)


def test_sessions_end_after_half_an_hour(site: Site) -> None:
    minutes = [0, 30, 61, 62, 24 * 60]  # 30 minutes are no pause, 31 are
    events = EVENTS.iloc[: len(minutes)].assign(
        learner_id="ada", time=[3 + minute / (24 * 60) for minute in minutes]
    )
    columns = dict(
        zip(NAMES, build(site(events=events, enrolments=ENROLMENTS), 20.0).values[0], strict=True)
    )
    assert columns["sessions"] == 3
    assert columns["active_days"] == 2


def test_a_day_begins_at_midnight(site: Site) -> None:
    events = EVENTS.iloc[:3].assign(learner_id="ada", time=[-0.25, 0.0, 6.99], count=1.0)
    columns = dict(zip(NAMES, build(site(events=events), 13.0).values[0], strict=True))
    assert columns["clicks"] == 2
    assert columns["clicks_before"] == 1
    assert columns["first_visit"] == -1
    assert (columns["clicks_week_1"], columns["clicks_week_2"]) == (0, 2)
