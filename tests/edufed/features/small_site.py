"""A small site, held in memory: its tables, and records of any variant of it."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd

from edufed.records import LearningRecords

Site = Callable[..., LearningRecords]

#: One course, cutoff 20: weeks back are days 14-20, 7-13 and 0-6. Ada works, Bo registers on day 10
#: and does nothing, Cy left on day 15, Di comes on day 25, Eve leaves later.
LEARNERS = pd.DataFrame(
    {
        "learner_id": ["ada", "bo", "cy", "di", "eve"],
        "gender": ["female", "male", "male", "female", None],
        "age_band": ["18-24", "55-", "18-24", "18-24", None],
        "education_level": pd.array([3, 6, 3, 3, None], dtype="Int64"),
        "support_need": pd.array([True, False, False, False, None], dtype="boolean"),
        "means": [0.25, 0.75, 0.5, 0.5, np.nan],
    }
)
RESOURCES = pd.DataFrame(
    {
        "resource_id": ["home", "text1", "text2", "forum", "quiz", "A1", "A2", "A3"],
        "kind": ["home", "content", "content", "forum", "quiz", *["assessment"] * 3],
        "course_id": "M",
        "due": [np.nan] * 5 + [7.0, 14.0, 21.0],
        "weight": [np.nan] * 5 + [0.2, 0.3, 0.5],
    }
)
ENROLMENTS = pd.DataFrame(
    {
        "learner_id": ["eve", "ada", "bo", "cy", "di"],
        "course_id": "M",
        "course_start": pd.Timestamp("2024-09-02"),
        "start": [np.nan, -30.0, 10.0, -10.0, 25.0],
        "end": [30.0, np.nan, np.nan, 15.0, np.nan],
        "attempts": [np.nan, 1.0, 0.0, 0.0, 0.0],
        "credits": [np.nan, 60.0, 120.0, 60.0, 60.0],
    }
)
EVENTS = pd.DataFrame(
    [
        ("ada", "home", -3, 2, 60.0, 1.0),
        ("ada", "home", 0, 1, 60.0, 1.0),
        ("ada", "text1", 0, 4, 1800.0, 0.3),
        ("ada", "text2", 5, 3, 900.0, 0.9),
        ("ada", "forum", 8, 2, np.nan, np.nan),
        ("ada", "text1", 15, 5, 840.0, 0.5),
        ("ada", "quiz", 20, 1, np.nan, np.nan),
        ("ada", "quiz", 21, 100, 100.0, 1.0),
        ("cy", "home", 3, 7, 10.0, 1.0),
        ("eve", "text1", -1, 6, np.nan, 0.4),
        ("eve", "unlisted", 12, np.nan, 36.0, np.nan),
    ],
    columns=["learner_id", "resource_id", "time", "count", "duration_s", "progress"],
).assign(
    course_id="M",
    time=lambda t: t["time"].astype(float),
    score=[np.nan] * 6 + [0.75, 0.1] + [np.nan] * 3,
)
OUTCOMES = pd.DataFrame(
    [
        ("ada", "assessment", "A1", 6.0, 0.8, True),
        ("ada", "assessment", "A2", 16.0, 0.5, True),
        ("ada", "assessment", "A3", 20.5, 0.0, False),
        ("eve", "assessment", "A1", 3.0, 0.6, True),
        ("eve", "assessment", "A1", 5.0, 0.4, True),
        ("eve", "assessment", "A3", 19.0, 1.0, True),
        ("ada", "final", None, np.nan, np.nan, True),
        ("bo", "final", None, 200.0, 0.2, False),
    ],
    columns=["learner_id", "kind", "resource_id", "time", "score", "passed"],
).assign(course_id="M", passed=lambda t: t["passed"].astype("boolean"))

TABLES = {
    "learners": LEARNERS,
    "resources": RESOURCES,
    "enrolments": ENROLMENTS,
    "events": EVENTS,
    "outcomes": OUTCOMES,
}


def make_site(**tables: pd.DataFrame | None) -> LearningRecords:
    connection = duckdb.connect(config={"threads": 1})
    for name, frame in {**TABLES, **tables}.items():
        if frame is not None:
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
            connection.unregister("frame")
    return LearningRecords(connection, "small")
