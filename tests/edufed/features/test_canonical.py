from __future__ import annotations

import duckdb
import numpy as np
import pytest
from small_site import Site

from edufed.features import FeatureMatrix, build
from edufed.features.canonical import (
    canonical_columns,
    canonical_design,
    canonical_features,
    cohorts,
    columns_of,
    earned_credits,
    ranks,
)
from edufed.features.catalogue import NAMES
from edufed.features.own import own_columns
from edufed.records import CANONICAL, CanonicalStatement, LearningRecords

COURSE = np.array(["M"] * 4 + ["N"] * 4, dtype=object)


def column(name: str, values: list[float]) -> np.ndarray:
    table = np.full((len(values), len(CANONICAL)), np.nan)
    table[:, CANONICAL.index(name)] = values
    return table


def placed(name: str, values: list[float], least: int = 1) -> list[float]:
    return ranks(column(name, values), COURSE[: len(values)], least)[
        :, CANONICAL.index(name)
    ].tolist()


def matrix(rows: int, **features: list[float]) -> FeatureMatrix:
    values = np.full((rows, len(NAMES)), np.nan, dtype=np.float32)
    for name, column_values in features.items():
        values[:, NAMES.index(name)] = column_values
    return FeatureMatrix(
        values=values,
        names=NAMES,
        learner_id=np.array([f"s{number}" for number in range(rows)], dtype=object),
        course_id=COURSE[:rows],
        course_start=np.array(["2024-09-01"] * rows, dtype="datetime64[D]"),
        target=np.zeros(rows, dtype=np.float32),
    )


def test_ranks_are_places_within_the_cohort_and_ties_share_theirs() -> None:
    values = [10, 30, 20, 20, 5, 6, 7, 8]
    assert placed("load", values) == [0.125, 0.875, 0.5, 0.5, 0.125, 0.375, 0.625, 0.875]


def test_a_scale_of_its_own_changes_no_rank() -> None:
    values = np.array([10.0, 30, 20, 25, 5, 6, 7, 8])
    assert placed("load", list(values)) == placed("load", list(np.exp(values / 10)))


def test_small_cohorts_are_ranked_with_the_whole_site() -> None:
    values = [1, 2, 3, 4, 5, 6, 7, 8]
    assert placed("load", values, least=5) == pytest.approx([(n - 0.5) / 8 for n in values])


def test_nothing_handed_in_is_the_lowest_place_where_half_the_cohort_did() -> None:
    nan = np.nan
    found = placed("achievement", [nan, 0.5, 0.7, 0.2, nan, nan, nan, 0.9])
    assert found[:4] == [0.125, 0.625, 0.875, 0.375]
    assert np.isnan(found[4:7]).all()  # in N one of four handed in: nothing was due
    assert np.isnan(placed("completion", [nan, 0.5, 0.7, 0.2])[0])


def test_credits_make_completion_where_they_are_known() -> None:
    few = matrix(3, credits=[30.0, 30.0, 0.0], submitted_share=[0.1, 0.2, 0.3])
    statement = CanonicalStatement()
    place = CANONICAL.index("completion")
    found = canonical_features(few, np.array([15.0, 30.0, 0.0]), statement, 1).values[:, place]
    assert found[:2].tolist() == [0.5, 1.0]
    assert np.isnan(found[2])
    without = canonical_features(few, np.full(3, np.nan), statement, 1).values[:, place]
    assert without == pytest.approx([0.1, 0.2, 0.3])


def test_what_an_adapter_does_not_state_is_missing() -> None:
    few = matrix(3, credits=[10.0, 20.0, 30.0], clicks=[1.0, 2.0, 3.0])
    statement = CanonicalStatement(supplies=("load",))
    assert canonical_features(few, np.full(3, np.nan), statement, 1).supplied == ("load",)
    both = canonical_features(few, np.full(3, np.nan), CanonicalStatement(), 1)
    assert both.supplied == ("load", "activity")


def test_the_design_marks_what_a_learner_lacks_and_not_what_a_site_lacks() -> None:
    table = np.full((2, len(CANONICAL)), np.nan)
    table[0, 0] = 0.75
    x = canonical_design(table)
    assert x.shape == (2, len(canonical_columns()))
    assert x[:, 0] == pytest.approx([0.25 * np.sqrt(12), 0.0])
    assert x[:, len(CANONICAL) :].tolist() == [[0.0] * 12, [1.0] + [0.0] * 11]
    chosen = columns_of(["achievement"])
    assert [name for name, use in zip(canonical_columns(), chosen, strict=True) if use] == [
        "achievement",
        "achievement:missing",
    ]


def test_an_intake_is_the_courses_that_began_together() -> None:
    few = matrix(6)
    assert set(cohorts(few, "course")) == {"M", "N"}
    assert set(cohorts(few, "intake")) == {"2024-09-01"}


def test_a_small_site_supplies_what_it_has(site: Site) -> None:
    records = site()
    built = build(records, 20)
    earned = earned_credits(records, built, 20)
    assert np.isnan(earned).all()
    found = canonical_features(built, earned, CanonicalStatement(), 1)
    assert set(found.supplied) == set(CANONICAL)


def test_own_columns_follow_the_matrix_and_later_rows_do_not_count() -> None:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE outcomes (learner_id VARCHAR, course_id VARCHAR, kind VARCHAR,"
        " time DOUBLE, credits DOUBLE)"
    )
    connection.execute(
        "INSERT INTO outcomes VALUES ('s0', 'M', 'assessment', 10, 3),"
        " ('s0', 'M', 'assessment', 30, 9), ('s1', 'M', 'final', 5, 60)"
    )
    connection.execute(
        'CREATE VIEW "private" AS SELECT * FROM (VALUES'
        " ('s2', 'M', 7.0, NULL), ('s0', 'M', 1.0, 2.0), ('x', 'M', 5.0, 5.0))"
        " AS t(learner_id, course_id, b, a)"
    )
    records, few = LearningRecords(connection, "f"), matrix(3)
    assert earned_credits(records, few, 20).tolist() == [3.0, 0.0, 0.0]
    names, values = own_columns(records, few)
    assert names == ("a", "b")
    assert values[:, 1].tolist()[::2] == [1.0, 7.0]
    assert np.isnan(values[1]).all()
    assert np.isnan(values[2, 0])
