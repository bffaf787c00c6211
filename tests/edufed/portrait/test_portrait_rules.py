"""Tags by rules, the settings that ship, and the night."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from edufed.config import compose_job
from edufed.config.portrait import Condition, TagRule
from edufed.features.catalogue import NAMES
from edufed.features.matrix import FeatureMatrix
from edufed.portrait.night import night_share
from edufed.portrait.rules import tag
from edufed.records import LearningRecords

NAN = np.nan


def rule(**parts: object) -> TagRule:
    return TagRule.model_validate({"name": "x", "en": "x", "zh": "x", **parts})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"all": [{"feature": "clicks", "at_least": 5}]}, [0, 1, 1, 0]),
        ({"all": [{"feature": "clicks", "at_most": 5}]}, [1, 1, 0, 0]),
        ({"all": [{"feature": "clicks", "at_least": 5, "at_most": 5}]}, [0, 1, 0, 0]),
        ({"all": [{"feature": "clicks", "of": "rank", "at_least": 0.5}]}, [0, 0, 1, 0]),
        (
            {"any": [{"feature": "missed", "at_least": 1}, {"feature": "clicks", "at_most": 1}]},
            [1, 0, 1, 0],
        ),
        (
            {
                "all": [{"feature": "clicks", "at_least": 5}],
                "any": [{"feature": "missed", "at_least": 1}, {"feature": "clicks", "at_least": 9}],
            },
            [0, 0, 1, 0],
        ),
    ],
)
def test_who_has_a_tag(parts: dict[str, object], expected: list[int]) -> None:
    values = {"clicks": np.array([1, 5, 9, NAN]), "missed": np.array([0, 0, 2, NAN])}
    ranks = {"clicks": np.array([0.1, 0.4, 0.9, NAN])}
    found = tag([rule(**parts)], values, ranks, 4)
    assert found[:, 0].tolist() == [bool(each) for each in expected]


def test_a_tag_can_be_added_on_the_command_line() -> None:
    own = "{name: keen, en: keen, zh: '积极', all: [{feature: days_before, at_least: 3}]}"
    settings = compose_job(["task=portrait", "out=x", f"task.tags=[{own}]"]).portrait
    assert settings.tags[0].all == [Condition(feature="days_before", at_least=3)]
    assert not settings.needs_hours
    assert compose_job(["task=portrait", "out=x"]).portrait.needs_hours


def test_the_tags_that_ship() -> None:
    settings = compose_job(["task=portrait", "out=x"]).portrait
    assert {each.name for each in settings.tags} >= {
        *("regular", "binge", "early_bird", "at_risk", "sampler", "completer", "night_owl"),
    }
    assert set(settings.ranked) <= set(NAMES)
    assert all(each.en and each.zh for each in settings.tags)


def at(times: dict[str, list[float]]) -> tuple[LearningRecords, FeatureMatrix]:
    connection = duckdb.connect()
    connection.execute('CREATE TABLE events (learner_id VARCHAR, course_id VARCHAR, "time" DOUBLE)')
    for learner, days in times.items():
        for day in days:
            connection.execute("INSERT INTO events VALUES (?, 'c', ?)", [learner, day])
    names = np.array([*times, "absent"], dtype=object)
    matrix = FeatureMatrix(
        values=np.zeros((len(names), len(NAMES)), dtype=np.float32),
        names=NAMES,
        learner_id=names,
        course_id=np.array(["c"] * len(names), dtype=object),
        course_start=np.array(["2024-01-01"] * len(names), dtype="datetime64[D]"),
        target=np.zeros(len(names), dtype=np.float32),
    )
    return LearningRecords(connection, "x"), matrix


def test_the_night_is_from_ten_to_five() -> None:
    def hours(*clock: float) -> list[float]:
        return [3 + hour / 24 for hour in clock]

    records, matrix = at(
        {
            "day": hours(5, 12, 21.9),
            "night": hours(22, 23.9, 0, 4.9),
            "both": [*hours(12), -2 + 23 / 24, 99 + 0.5],
        }
    )
    assert night_share(records, matrix, 60, 0).tolist()[:3] == [0, 1, 0.5]
    assert np.isnan(night_share(records, matrix, 60, 0)[3])
    # An hour later on the clock: 21.9 is of the night, and 4.9 is not.
    later = night_share(records, matrix, 60, 1)
    np.testing.assert_allclose(later[:3], [1 / 3, 3 / 4, 0.5])


def test_whole_days_have_no_night() -> None:
    records, matrix = at({"day": [1.0, 2.0], "other": [3.0, 60.5]})
    assert np.isnan(night_share(records, matrix, 60, 0)).all()


def test_a_threshold_can_be_changed_on_the_command_line() -> None:
    job = compose_job(["task=portrait", "out=x", "task.tags.0.all.0.at_least=0.5"])
    shipped = compose_job(["task=portrait", "out=x"])
    assert job.portrait.tags[0].all[0].at_least == 0.5
    assert job.portrait.tags[1:] == shipped.portrait.tags[1:]
