from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from edufed.recommend.usage import Catalogue, Usage, interactions, read_usage
from edufed.records import RESOURCE_KINDS, DataError, LearningRecords

ENROLMENTS = pd.DataFrame(
    {
        "learner_id": ["a", "b", "c", "d"],
        "course_id": ["x", "x", "x", "y"],
        "course_start": pd.to_datetime(["2024-02-01"] * 4),
        "start": [0.0, 0.0, 70.0, 0.0],  # c is not there yet on day 60
        "end": [np.nan, 61.0, np.nan, np.nan],
    }
)
RESOURCES = pd.DataFrame(
    {
        "resource_id": ["r1", "r2", "r3", "z1", "t1"],
        "kind": ["quiz", "video", "forum", "page", "assessment"],
        "course_id": ["x", "x", "x", "z", "x"],
    }
)
EVENTS = pd.DataFrame(
    [
        ("a", "r1", "x", 3.0),
        ("a", "r1", "x", 60.0),
        ("a", "r1", "x", 61.0),  # known already: not new
        ("a", "r2", "x", 74.0),  # foretold
        ("a", "r3", "x", 74.5),  # later than what is foretold
        ("a", "t1", "x", 10.0),  # an assessment
        ("b", "r2", "x", 59.0),
        ("c", "r1", "x", 5.0),
        ("d", "r1", "y", 5.0),  # its course has no resource
        ("a", None, "x", 7.0),
    ],
    columns=["learner_id", "resource_id", "course_id", "time"],
)


def records(**tables: pd.DataFrame) -> LearningRecords:
    connection = duckdb.connect()
    for name, frame in tables.items():
        connection.register(f"source_{name}", frame)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM source_{name}")
    return LearningRecords(connection, "made up")


def read(**tables: pd.DataFrame) -> Usage:
    return read_usage(records(**tables), 60.0, 14.0)


def test_what_was_used_and_what_is_foretold() -> None:
    usage = read(enrolments=ENROLMENTS, resources=RESOURCES, events=EVENTS)
    assert list(zip(usage.learner_id, usage.course_id, strict=True)) == [
        ("a", "x"),
        ("b", "x"),
        ("d", "y"),
    ]
    assert usage.course_start[0] == np.datetime64("2024-02-01")
    assert usage.catalogues == {"x": {"r1": "quiz", "r2": "video", "r3": "forum"}}
    seen = interactions(usage, Catalogue.of("x", usage.catalogues["x"]))
    np.testing.assert_array_equal(seen.first, [[3, np.inf, np.inf], [np.inf, 59, np.inf]])
    np.testing.assert_array_equal(seen.last, [[60, -np.inf, -np.inf], [-np.inf, 59, -np.inf]])
    np.testing.assert_array_equal(seen.later, [[False, True, False], [False, False, False]])


def test_nothing_is_foretold_of_what_is_not_there_yet() -> None:
    usage = read_usage(
        records(enrolments=ENROLMENTS, resources=RESOURCES, events=EVENTS), 60.0, 0.0
    )
    assert not usage.later.any()
    assert "r3" not in set(usage.resource)


def test_without_courses_of_resources_a_catalogue_is_what_was_used_by_the_cutoff() -> None:
    plain = RESOURCES.drop(columns="course_id")
    usage = read(enrolments=ENROLMENTS, resources=plain, events=EVENTS)
    assert usage.catalogues == {"x": {"r1": "quiz", "r2": "video"}, "y": {"r1": "quiz"}}
    bare = read(enrolments=ENROLMENTS, events=EVENTS)
    assert bare.catalogues["y"] == {"r1": "other"}


def test_without_enrolments_the_learners_are_those_who_did_something() -> None:
    usage = read(resources=RESOURCES, events=EVENTS)
    assert usage.learner_id.tolist() == ["a", "b", "c", "d"]
    assert np.isnat(usage.course_start).all()


def test_a_site_without_resources_in_its_events_is_told_so() -> None:
    with pytest.raises(DataError, match=r"events\.resource_id is missing"):
        read(enrolments=ENROLMENTS, events=EVENTS.drop(columns="resource_id"))
    with pytest.raises(DataError, match=r"events\.resource_id is missing"):
        read(enrolments=ENROLMENTS)


def test_a_resource_outside_the_agreed_catalogue_is_left_out() -> None:
    usage = read(enrolments=ENROLMENTS, resources=RESOURCES, events=EVENTS)
    catalogue = Catalogue.of("x", {"r1": "quiz", "r9": "page"})
    assert catalogue.resources == ("r1", "r9")
    assert RESOURCE_KINDS[catalogue.kinds[1]] == "page"
    seen = interactions(usage, catalogue)
    assert seen.used.tolist() == [[True, False], [False, False]]
    nobody = interactions(usage, Catalogue.of("elsewhere", {"r1": "quiz"}))
    assert nobody.first.shape == (0, 1)
