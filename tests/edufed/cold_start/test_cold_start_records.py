"""From records to arrivals, profiles and popularity."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from edufed.cold_start.arrivals import Arrivals, read_arrivals
from edufed.cold_start.evaluation import categories_used, category_shares, first_uses
from edufed.cold_start.popularity import popularity
from edufed.cold_start.profile import read_profile
from edufed.records import DataError, LearningRecords

LEARNERS = pd.DataFrame(
    {"learner_id": ["a", "b", "c"], "link_id": ["A", "B", None], "age_band": ["18-24", None, "55-"]}
)
ENROLMENTS = pd.DataFrame(
    {
        "learner_id": ["a", "b", "b", "c"],
        "course_id": ["y", "x", "y", "y"],
        "course_start": pd.to_datetime(["2024-09-01", "2024-02-01", "2024-09-01", "2024-09-01"]),
        "start": [0.0, 0.0, 0.0, 40.0],  # c is not there yet on day 30
    }
)
RESOURCES = pd.DataFrame(
    {
        "resource_id": ["x1", "y1", "y2", "open1", "open2", "t1"],
        "kind": ["quiz", "quiz", "video", "page", "page", "assessment"],
        "subject": ["law", "arts", "arts", "law", None, "arts"],
        "course_id": ["x", "y", "y", None, None, "y"],
    }
)
EVENTS = pd.DataFrame(
    [
        ("b", "x1", "x", 100.0),  # long before its second course
        ("b", "open1", "x", 20.0),
        ("a", "y2", "y", 31.0),
        ("a", "open1", "y", 90.0),
        ("a", "y1", "y", 91.0),  # later than what is foretold
        ("b", "y1", "y", 30.0),
        ("b", "y1", "y", 45.0),
        ("a", "t1", "y", 40.0),  # an assessment
        ("c", "y1", "y", 41.0),
    ],
    columns=["learner_id", "resource_id", "course_id", "time"],
)


def records(**changes: pd.DataFrame) -> LearningRecords:
    connection = duckdb.connect()
    tables = {
        "learners": LEARNERS,
        "enrolments": ENROLMENTS,
        "resources": RESOURCES,
        "events": EVENTS,
    }
    for name, frame in (tables | changes).items():
        connection.register(f"source_{name}", frame)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM source_{name}")
    return LearningRecords(connection, "made up")


@pytest.fixture(scope="module")
def arrivals() -> Arrivals:
    return read_arrivals(records(), 30.0, 60.0)


def test_who_comes_and_who_is_new(arrivals: Arrivals) -> None:
    rows = list(zip(arrivals.course_id, arrivals.learner_id, arrivals.link, strict=True))
    assert rows == [("x", "b", "B"), ("y", "a", "A"), ("y", "b", "B")]
    # b used something in the earlier course, and by the cutoff of it.
    assert arrivals.new.tolist() == [False, True, False]
    assert arrivals.attributes[1, 4] == 18.0
    assert arrivals.resources.categories == (
        "kind:quiz",
        "kind:video",
        "open:page",
        "subject:law",
    )


def test_use_before_in_an_earlier_course_makes_a_learner_known() -> None:
    before = EVENTS[(EVENTS["course_id"] == "x") & (EVENTS["time"] == 100.0)]
    found = read_arrivals(records(events=before), 30.0, 60.0)
    # Day 100 of the course of February is before September, and after February's day 30.
    assert found.new.tolist() == [True, True, False]


def test_what_is_known_and_what_is_foretold(arrivals: Arrivals) -> None:
    def uses(kind: str) -> set[tuple[str, str, str, float]]:
        found = getattr(arrivals, kind)
        return {
            (arrivals.course_id[r], arrivals.learner_id[r], arrivals.resources.names[i], day)
            for r, i, day in zip(found.row, found.resource, found.day, strict=True)
        }

    assert uses("before") == {("x", "b", "open1", 20.0), ("y", "b", "y1", 30.0)}
    assert uses("after") == {
        ("y", "a", "y2", 31.0),
        ("y", "a", "open1", 90.0),
        ("y", "b", "y1", 45.0),
    }
    assert categories_used(arrivals).tolist() == [[0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0]]
    known, later = first_uses(arrivals, 1)
    names = arrivals.resources.names
    assert names[known[1]].tolist() == ["y2"]
    assert names[later[1]].tolist() == ["open1"]
    assert not later[2].any()  # has no more than one


def test_a_platform_without_days_of_enrolment_knows_whom_it_has_seen() -> None:
    undated = ENROLMENTS.drop(columns="start")
    found = read_arrivals(records(enrolments=undated), 30.0, 60.0)
    assert [*found.learner_id] == ["b", "a", "b", "c"]
    early = read_arrivals(records(enrolments=undated), 30.0, 5.0)
    assert [*early.learner_id] == ["b", "a", "b"]  # c comes on day 41


def test_own_uses_do_not_make_a_resource_popular(arrivals: Arrivals) -> None:
    found = popularity(arrivals, "y", 30.0, 14.0)
    names = arrivals.resources.names[found.offered].tolist()
    assert names == ["open1", "open2", "y1", "y2"]
    # Open ones: of those in February's and September's courses; a sees b's two rows, b sees a's.
    assert found.share[:, 0].tolist() == [0.5, 0.0]
    assert found.share[:, 2].tolist() == [1.0, 0.0]
    assert found.recent[:, 2].tolist() == [1.0, 0.0]
    assert found.recent[:, 0].tolist() == [0.5, 0.0]


def test_shares_of_categories_tell_nothing_of_one_learner(arrivals: Arrivals) -> None:
    found = category_shares(arrivals, 30.0, 14.0, ["x", "y"])
    assert (found[1] == found[2]).all()


def test_a_profile_is_of_the_learner_up_to_that_day_of_the_calendar() -> None:
    names, found = read_profile(records(), ["b", "b", "a"], ["x", "y", "y"], 30.0)
    # Events of later days of their own course are dropped before anything else: so is day 100.
    assert names == ("kind:quiz", "subject:law")
    assert np.expm1(found).round(6).tolist() == [[0, 1], [1, 1], [0, 0]]


def test_platforms_without_resources_have_no_profile_and_no_newcomers() -> None:
    nameless = records(events=EVENTS.drop(columns="resource_id"))
    assert read_profile(nameless, ["a"], ["y"], 30.0)[1].shape == (1, 0)
    with pytest.raises(DataError, match="newcomers_at"):
        read_arrivals(nameless, 30.0, 60.0)
    with pytest.raises(DataError, match="course_start"):
        read_arrivals(records(enrolments=ENROLMENTS.drop(columns="course_start")), 30.0, 60.0)
