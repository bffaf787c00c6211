"""The example sites in conf/site: what YAML alone makes of real files, against pandas."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from data_adapters.base import open_adapter
from data_adapters.mapping.adapter import MappedAdapter
from edufed.records import TABLES, LearningRecords

pytestmark = pytest.mark.data
SITES = ("polytechnic", "school_portuguese", "school_maths", "funmooc", "oulad_scotland")


@pytest.fixture(scope="module")
def site(root: Path, shared_data: Path):
    """Open an example site, its data found where the tests' data are."""

    @cache
    def open_site(name: str) -> MappedAdapter:
        file = root / "conf" / "site" / f"{name}.yaml"
        adapter = yaml.safe_load(file.read_text(encoding="utf-8"))["adapter"]
        place = adapter if "path" in adapter else adapter["source"]
        assert place["path"].startswith("../../../shared/data/")
        place["path"] = str(shared_data / place["path"].removeprefix("../../../shared/data/"))
        return open_adapter(adapter, file.parent)

    return open_site


@pytest.fixture(scope="module")
def read(site):
    """Read an example site whole, once for all tests."""
    return cache(lambda name: site(name).read())


@pytest.mark.parametrize("name", SITES)
def test_every_row_satisfies_the_schemas(name: str, site, read) -> None:
    adapter = site(name)
    records: LearningRecords = read(name)
    for table in records.present():
        if records.count(table) < 100_000:
            TABLES[table].validate(records.frame(table), lazy=True)
    known = "SELECT count(*) FROM {} WHERE learner_id NOT IN (SELECT learner_id FROM learners)"
    for table in set(records.present()) & {"enrolments", "events", "outcomes"}:
        assert records.connection.execute(known.format(table)).fetchone() == (0,)
    if isinstance(adapter, MappedAdapter):
        supplied = {table: records.columns(table) for table in records.present()}
        assert adapter.supplies() == supplied
        assert records.connection.execute("FROM source_rejects").fetchall() == []
        assert records.connection.execute("FROM source_warnings").fetchall() == []


def test_polytechnic(site, read, shared_data: Path) -> None:
    raw = pd.read_csv(
        shared_data / "uci_dropout_success" / "data.csv", sep=";", encoding="utf-8-sig"
    )
    raw["id"] = [f"student-{n + 1}" for n in range(len(raw))]
    records = read("polytechnic")

    learners = records.frame("learners").set_index("learner_id").loc[raw["id"]]
    assert (learners["gender"] == raw["Gender"].map({0: "female", 1: "male"}).array).all()
    bands = pd.cut(raw["Age at enrollment"], [14, 17, 24, 34, 44, 54, 999])
    names = ["15-17", "18-24", "25-34", "35-44", "45-54", "55-"]
    assert (learners["age_band"] == bands.cat.rename_categories(names).astype(str).array).all()
    need = raw["Educational special needs"].astype(bool)
    assert (learners["support_need"].astype(bool).array == need.array).all()
    qualification = raw["Previous qualification"]
    assert (learners["education_level"].array[qualification == 1] == 3).all()
    assert (learners["education_level"].array[qualification == 42] == 5).all()
    assert learners["education_level"].value_counts().to_dict() == {
        3: 3717 + 16,
        6: 23 + 126 + 40,
        2: 11 + 4 + 45 + 1 + 2 + 162,
        4: 219,
        5: 36,
        7: 8 + 6,
        1: 7,
        8: 1,
    }

    enrolments = records.frame("enrolments").set_index("learner_id").loc[raw["id"]]
    assert (enrolments["course_id"].array == raw["Course"].astype(str).array).all()
    assert (enrolments["credits"].array == raw["Curricular units 1st sem (enrolled)"].array).all()

    outcomes = records.frame("outcomes")
    final = outcomes[outcomes["kind"] == "final"].set_index("learner_id").loc[raw["id"]]
    passed = final["passed"].array
    assert (passed.isna() == (raw["Target"] == "Enrolled").array).all()
    assert (passed.fillna(False) == (raw["Target"] == "Graduate").array).all()
    assert set(final["level"]) == {6}
    for semester, ordinal, day in ((1, "1st", 140.0), (2, "2nd", 290.0)):
        rows = outcomes[outcomes["resource_id"] == f"semester-{semester}"]
        evaluated = raw[raw[f"Curricular units {ordinal} sem (evaluations)"] > 0]
        assert len(rows) == len(evaluated)
        rows = rows.set_index("learner_id").loc[evaluated["id"]]
        assert set(rows["time"]) == {day}
        grades = evaluated[f"Curricular units {ordinal} sem (grade)"].to_numpy()
        assert rows["score"].to_numpy() == pytest.approx(grades / 20)
    early = site("polytechnic").read(cutoff=150).frame("outcomes")
    assert set(early["resource_id"].dropna()) == {"semester-1"}
    assert (early["kind"] == "final").sum() == len(raw)


@pytest.mark.parametrize(
    ("name", "file", "separator", "rows"),
    [
        ("school_portuguese", "student-por.csv", ";", 649),
        ("school_maths", "student-mat.csv", ",", 395),
    ],
)
def test_schools(name: str, file: str, separator: str, rows: int, read, shared_data: Path) -> None:
    raw = pd.read_csv(shared_data / "uci_student_performance" / file, sep=separator)
    raw["id"] = [f"pupil-{n + 1}" for n in range(len(raw))]
    records = read(name)
    assert records.count("learners") == records.count("enrolments") == len(raw) == rows
    learners = records.frame("learners").set_index("learner_id").loc[raw["id"]]
    assert (learners["gender"].array == raw["sex"].map({"F": "female", "M": "male"}).array).all()
    assert (learners["support_need"].astype(bool).array == (raw["schoolsup"] == "yes").array).all()
    enrolments = records.frame("enrolments").set_index("learner_id").loc[raw["id"]]
    subject = name.removeprefix("school_")
    assert (enrolments["course_id"].array == (f"{subject}-" + raw["school"]).array).all()
    assert (enrolments["attempts"].array == raw["failures"].array).all()
    outcomes = records.frame("outcomes")
    for period, day in ((1, 95.0), (2, 190.0)):
        found = outcomes[outcomes["resource_id"] == f"period-{period}"]
        found = found.set_index("learner_id").loc[raw["id"]]
        assert set(found["time"]) == {day}
        assert found["score"].to_numpy() == pytest.approx(raw[f"G{period}"].to_numpy() / 20)
    final = outcomes[outcomes["kind"] == "final"].set_index("learner_id").loc[raw["id"]]
    assert (final["passed"].astype(bool).array == (raw["G3"] >= 10).array).all()
    assert final["score"].to_numpy() == pytest.approx(raw["G3"].to_numpy() / 20)


def test_funmooc(read, shared_data: Path) -> None:
    records = read("funmooc")
    raw = pd.read_json(shared_data / "funmooc_xapi" / "statements.json.gz", lines=True)
    assert records.count("events") == len(raw) == 22_000
    actors = raw["actor"].map(lambda actor: actor["account"]["name"])
    assert records.count("learners") == actors.nunique()
    events = records.frame("events")
    assert events["learner_id"].value_counts().to_dict() == actors.value_counts().to_dict()
    verbs = raw["verb"].map(lambda verb: verb["id"].rsplit("/", 1)[-1])
    assert events["verb"].value_counts().to_dict() == verbs.value_counts().to_dict()
    days = (raw["timestamp"].dt.tz_localize(None) - pd.Timestamp("2021-11-01")).dt.total_seconds()
    assert sorted(events["time"]) == pytest.approx(sorted(days / 86400))
    watched = "https://w3id.org/xapi/video/extensions/progress"
    progress = raw["result"].map(
        lambda result: result["extensions"].get(watched) if isinstance(result, dict) else None
    )
    assert events["progress"].sum() == pytest.approx(progress.astype(float).sum())
    assert set(records.frame("resources")["kind"]) == {"video"}
    assert records.count("enrolments") == len(
        set(
            zip(
                actors,
                raw["context"].map(lambda c: c["contextActivities"]["parent"][0]["id"]),
                strict=True,
            )
        )
    )


def test_oulad_scotland(site, shared_data: Path) -> None:
    info = pd.read_parquet(shared_data / "oulad" / "studentInfo.parquet")
    expected = (info["region"] == "Scotland").sum()
    assert site("oulad_scotland").read(60).count("enrolments") == expected


COURSE = {"columns": ["code_module", "code_presentation"], "join": "_"}
ASSESSMENT = {"columns": ["id_assessment"], "prefix": "assessment-"}
OULAD: dict[str, Any] = {
    "learners": {
        "from": "studentInfo.parquet",
        "one_per_key": True,
        "columns": {"learner_id": "id_student"},
    },
    "enrolments": {
        "from": "studentInfo.parquet",
        "columns": {
            "learner_id": "id_student",
            "course_id": COURSE,
            "attempts": "num_of_prev_attempts",
            "credits": "studied_credits",
        },
    },
    "events": {
        "from": "studentVle.parquet",
        "columns": {
            "learner_id": "id_student",
            "course_id": COURSE,
            "resource_id": {"columns": ["id_site"], "prefix": "vle-"},
            "time": "date",
            "count": "sum_click",
        },
    },
    "outcomes": [
        {
            "from": "studentInfo.parquet",
            "columns": {
                "learner_id": "id_student",
                "course_id": COURSE,
                "kind": {"constant": "final"},
                "passed": {
                    "column": "final_result",
                    "values": {"Pass": True, "Distinction": True},
                    "default": False,
                },
            },
        },
        {
            "from": "studentAssessment.parquet",
            "columns": {
                "learner_id": "id_student",
                "course_id": {
                    "column": "id_assessment",
                    "lookup": {
                        "from": "assessments.parquet",
                        "match": "id_assessment",
                        "take": COURSE,
                    },
                },
                "kind": {"constant": "assessment"},
                "resource_id": ASSESSMENT,
                "time": "date_submitted",
                "score": {"column": "score", "unit": "percent"},
            },
        },
    ],
}


def test_a_mapping_of_oulad_gives_what_its_own_adapter_gives(shared_data: Path) -> None:
    """Ten million rows, mapped by YAML, against an adapter written by hand."""
    folder = shared_data / "oulad"
    mapped = {"name": "higher", "source": {"kind": "files", "path": str(folder)}, "tables": OULAD}
    by_yaml = open_adapter(mapped, folder).read(60)
    by_hand = open_adapter({"name": "oulad", "path": str(folder)}, folder).read(60)
    for query in (
        "SELECT count(*), sum(hash(learner_id, course_id, resource_id)), sum(time), sum(count)"
        " FROM events",
        "SELECT sum(hash(learner_id, course_id)), sum(attempts), sum(credits) FROM enrolments",
        "SELECT count(*), sum(hash(learner_id)) FROM learners",
        "SELECT kind, count(*), sum(hash(learner_id, course_id, resource_id, passed)),"
        " sum(time) FROM outcomes WHERE kind = 'final' GROUP BY kind",
        "SELECT kind, count(*), sum(hash(learner_id, course_id, resource_id)), sum(time),"
        " round(sum(CAST(score AS DOUBLE)), 6) FROM outcomes WHERE kind <> 'final' GROUP BY kind",
    ):
        expected = by_hand.connection.execute(query).fetchall()
        assert by_yaml.connection.execute(query).fetchall() == expected
