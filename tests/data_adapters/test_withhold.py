from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from data_adapters.governance import clean
from data_adapters.governance.table import HOLD_ROWS
from data_adapters.oulad import open as open_oulad
from edufed.features import build
from edufed.records import DataError, LearningRecords


def records(events: int = 3) -> LearningRecords:
    connection = duckdb.connect()
    connection.execute("""
        CREATE TABLE learners AS
        SELECT 'a' AS learner_id, 'female' AS gender, 0.5 AS means, 'x' AS private
        UNION ALL SELECT 'b', 'unheard of', 0.1, 'y'
    """)
    # A view of another canonical table, which goes on meaning the whole one.
    connection.execute("""
        CREATE VIEW enrolments AS
        SELECT learner_id, 'c' AS course_id, means AS credits FROM learners
    """)
    connection.execute(f"""
        CREATE VIEW events AS SELECT 'a' AS learner_id, 'c' AS course_id,
        (range % 50)::DOUBLE AS time, 1.0 AS count FROM range({events})
    """)
    return LearningRecords(connection, "print")


def test_a_column_that_is_not_allowed_is_absent_also_from_the_checks() -> None:
    allowed = {"learners": ("learner_id", "means"), "enrolments": ("learner_id", "course_id")}
    checked, quality = clean(records(), None, allowed)
    assert checked.present() == ("learners", "enrolments")
    assert checked.columns("learners") == ("learner_id", "means")
    assert list(checked.frame("learners").columns) == ["learner_id", "means"]
    # The unheard-of gender is nobody's concern now.
    assert quality.tables["learners"].rejected == 0
    assert "gender" in quality.tables["learners"].missing_columns
    assert "events" in quality.missing_tables


def test_what_is_made_of_a_withheld_column_stays_if_it_is_allowed() -> None:
    allowed = {"enrolments": ("learner_id", "course_id", "credits")}
    checked, _ = clean(records(), None, allowed)
    assert checked.present() == ("enrolments",)
    assert sorted(checked.frame("enrolments")["credits"]) == [0.1, 0.5]


def test_a_table_too_large_to_hold_is_withheld_as_well() -> None:
    allowed = {"events": ("learner_id", "course_id", "time")}
    checked, quality = clean(records(HOLD_ROWS + 1), None, allowed)
    assert checked.columns("events") == ("learner_id", "course_id", "time")
    assert checked.count("events") == quality.rows == HOLD_ROWS + 1


def test_everything_allowed_changes_nothing() -> None:
    whole, _ = clean(records(), None)
    allowed = {table: whole.columns(table) for table in whole.present()}
    again, _ = clean(records(), None, allowed)
    for table in whole.present():
        assert again.frame(table).equals(whole.frame(table))


def test_a_site_without_an_allowed_table_is_told_so() -> None:
    with pytest.raises(DataError, match=r"policy\.data leaves none of the site's tables"):
        clean(records(), None, {"outcomes": ("learner_id", "course_id", "kind")})


def test_oulad_without_deprivation_and_clicks_has_no_such_feature(shared_data: Path) -> None:
    settings = {"name": "oulad", "path": str(shared_data / "oulad"), "region": "Ireland"}
    whole, _ = clean(open_oulad(settings, Path()).read(60), None)
    allowed = {table: whole.columns(table) for table in whole.present() if table != "events"}
    allowed["learners"] = tuple(name for name in allowed["learners"] if name != "means")
    less, _ = clean(open_oulad(settings, Path()).read(60), None, allowed)
    before, after = build(whole, 60), build(less, 60)
    lost = {"means", "active_days", "clicks_total"} & set(before.names)
    columns = [before.names.index(name) for name in lost]
    assert (before.values[:, columns] == before.values[:, columns]).any(axis=0).all()
    assert (after.values[:, columns] != after.values[:, columns]).all()
    assert after.learner_id.tolist() == before.learner_id.tolist()
    np.testing.assert_array_equal(after.target, before.target)
