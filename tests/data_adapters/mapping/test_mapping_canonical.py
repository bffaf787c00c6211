"""`canonical` and `private` of a mapped site: what it states, and numbers of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_adapters.base import open_adapter
from edufed.records import CANONICAL, PRIVATE, DataError

COLUMNS = {"learner_id": "nr", "course_id": "course"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pupils.csv").write_text("nr,course,fee,grade\na,M,1,14\nb,M,0,9\n")
    return tmp_path


def settings(**more: Any) -> dict[str, Any]:
    return {
        "name": "community",
        "source": {"kind": "files", "path": "."},
        "tables": {"enrolments": {"from": "pupils.csv", "columns": COLUMNS}},
        **more,
    }


def test_without_a_word_all_is_supplied_by_course(folder: Path) -> None:
    stated = open_adapter(settings(), folder).canonical
    assert (stated.supplies, stated.cohort) == (CANONICAL, "course")


def test_a_site_states_what_it_supplies(folder: Path) -> None:
    said = {"supplies": ["load", "means"], "cohort": "intake"}
    stated = open_adapter(settings(canonical=said), folder).canonical
    assert (stated.supplies, stated.cohort) == (("load", "means"), "intake")


def test_private_numbers_are_there_from_their_day_on(folder: Path) -> None:
    parts = [
        {"from": "pupils.csv", "columns": {**COLUMNS, "fee_paid": "fee"}},
        {
            "from": "pupils.csv",
            "dated": {"constant": 140},
            "columns": {**COLUMNS, "first_grade": "grade"},
        },
    ]
    adapter = open_adapter(settings(private=parts), folder)
    for cutoff, known in ((139.0, 0), (140.0, 2)):
        records = adapter.read(cutoff)
        [(fees, grades)] = records.connection.execute(
            f'SELECT count(fee_paid), count(first_grade) FROM "{PRIVATE}"'
        ).fetchall()
        assert (fees, grades) == (2, known)
        assert PRIVATE not in records.present()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"canonical": {"supplies": ["talent"]}}, "no canonical feature 'talent'"),
        ({"canonical": {"cohort": "village"}}, "canonical.cohort"),
        ({"private": {"from": "pupils.csv", "columns": {"fee": "fee"}}}, "private: map learner_id"),
        (
            {"private": {"from": "pupils.csv", "columns": COLUMNS, "one_per_key": True}},
            "one_per_key",
        ),
    ],
)
def test_mistakes_are_one_line(folder: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        open_adapter(settings(**wrong), folder).read()
    assert "\n" not in str(caught.value)
