"""OULAD as learning records, from files of the official form and from the real ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from data_adapters.base import open_adapter
from data_adapters.governance import clean, with_warnings
from edufed.records import TABLES, DataError, LearningRecords

NORTH, WALES = "North Region", "Wales"

#: The seven tables as the official files write them: every field quoted, `?` where it is missing.
TINY = {
    "courses": """
code_module,code_presentation,module_presentation_length
AAA,2013J,268
BBB,2014B,234
""",
    "assessments": """
code_module,code_presentation,id_assessment,assessment_type,date,weight
AAA,2013J,1,TMA,19,10.0
AAA,2013J,2,Exam,?,100.0
BBB,2014B,3,CMA,54,12.5
""",
    "vle": """
id_site,code_module,code_presentation,activity_type,week_from,week_to
10,AAA,2013J,homepage,?,?
11,AAA,2013J,forumng,?,?
12,BBB,2014B,hologram,1,2
""",
    "studentInfo": """
code_module,code_presentation,id_student,gender,region,highest_education,imd_band,age_band,\
num_of_prev_attempts,studied_credits,disability,final_result
AAA,2013J,100,F,North Region,A Level or Equivalent,10-20,0-35,0,60,N,Pass
BBB,2014B,100,F,North Region,HE Qualification,10-20,35-55,1,120,N,Withdrawn
AAA,2013J,200,M,North Region,Post Graduate Qualification,?,55<=,2,30,Y,Distinction
AAA,2013J,300,M,Wales,No Formal quals,90-100%,0-35,0,60,N,Fail
AAA,2013J,400,X,Wales,Lower Than A Level,0-10%,0-35,0,60,?,Pass
""",
    "studentRegistration": """
code_module,code_presentation,id_student,date_registration,date_unregistration
AAA,2013J,100,-159,?
BBB,2014B,100,-20,33
AAA,2013J,200,?,?
AAA,2013J,300,-5,?
AAA,2013J,400,10,?
""",
    "studentAssessment": """
id_assessment,id_student,date_submitted,is_banked,score
1,100,18,0,78
1,200,-1,1,39
3,100,61,0,100
1,300,20,0,?
99,300,20,0,50
""",
    "studentVle": """
code_module,code_presentation,id_student,id_site,date,sum_click
AAA,2013J,100,10,-10,4
AAA,2013J,100,10,-10,4
AAA,2013J,100,11,60,1
BBB,2014B,100,12,61,7
AAA,2013J,300,10,5,2
AAA,2013J,300,10,soon,2
AAA,2013J,400,10,5,-2
""",
}


def quoted_rows(table: str) -> str:
    """The table in the official form: CRLF, every field in quotes."""
    rows = [line.split(",") for line in TINY[table].strip().splitlines()]
    return "".join(",".join(f'"{field}"' for field in row) + "\r\n" for row in rows)


@pytest.fixture
def official(tmp_path: Path) -> Path:
    folder = tmp_path / "csv"
    folder.mkdir()
    for table in TINY:
        (folder / f"{table}.csv").write_text(quoted_rows(table), newline="")
    return folder


@pytest.fixture
def parquet(official: Path, tmp_path: Path) -> Path:
    """The same tables, types restored, as somebody would convert them."""
    folder = tmp_path / "parquet"
    folder.mkdir()
    for table in TINY:
        words = table == "studentVle"  # one of its days is none
        rows = f"read_csv('{official}/{table}.csv', nullstr = '?', all_varchar = {words})"
        duckdb.execute(f"COPY (FROM {rows}) TO '{folder}/{table}.parquet' (FORMAT parquet)")
    return folder


def read(folder: Path, region: str | None = None, cutoff: float | None = None) -> LearningRecords:
    settings: dict[str, Any] = {"name": "oulad", "path": str(folder)}
    if region is not None:
        settings["region"] = region
    return open_adapter(settings, Path()).read(cutoff)


def rows(records: LearningRecords, sql: str) -> list[tuple[Any, ...]]:
    return records.connection.execute(sql).fetchall()


def test_learners_are_described_as_in_their_latest_presentation(official: Path) -> None:
    records, report = clean(read(official, NORTH))
    assert rows(records, "SELECT * FROM learners ORDER BY learner_id") == [
        ("100", "female", "35-54", 5, "North Region", False, 0.15),
        ("200", "male", "55-", 7, "North Region", True, None),
    ]
    assert with_warnings(records, report).tables["learners"].warnings == {
        "age_band: differs between presentations, the latest is kept": 1,
        "education_level: differs between presentations, the latest is kept": 1,
    }


def test_unknown_answers_are_missing_and_counted(official: Path) -> None:
    records, report = clean(read(official, WALES))
    assert rows(
        records, "SELECT gender, support_need, means FROM learners ORDER BY learner_id"
    ) == [
        ("male", False, 0.95),
        (None, None, 0.05),
    ]
    assert with_warnings(records, report).tables["learners"].warnings == {
        "gender: answer not among the published ones, taken as missing": 1
    }
    assert report.tables["learners"].rejected == 0


def test_resources_are_sites_and_assessments(official: Path) -> None:
    records, _ = clean(read(official))
    assert rows(
        records, "SELECT resource_id, kind, course_id, due, weight FROM resources ORDER BY ALL"
    ) == [
        ("assessment-1", "assessment", "AAA_2013J", 19.0, 0.1),
        ("assessment-2", "assessment", "AAA_2013J", 268.0, 1.0),
        ("assessment-3", "assessment", "BBB_2014B", 54.0, 0.125),
        ("vle-10", "home", "AAA_2013J", None, None),
        ("vle-11", "forum", "AAA_2013J", None, None),
        ("vle-12", "other", "BBB_2014B", None, None),
    ]


def test_enrolments(official: Path) -> None:
    records, _ = clean(read(official, NORTH))
    february, october = pd.Timestamp(2014, 2, 1), pd.Timestamp(2013, 10, 1)
    found = rows(records, "SELECT * FROM enrolments ORDER BY ALL")
    assert found == [
        ("100", "AAA_2013J", october, -159.0, None, "completed", 0.0, 60.0),
        ("100", "BBB_2014B", february, -20.0, 33.0, "withdrawn", 1.0, 120.0),
        ("200", "AAA_2013J", october, None, None, "completed", 2.0, 30.0),
    ]


def test_events_keep_identical_rows_and_stop_at_the_cutoff(official: Path) -> None:
    records, _ = clean(read(official, NORTH, 60))
    assert records.columns("events") == (
        "learner_id",
        "resource_id",
        "course_id",
        "verb",
        "time",
        "count",
    )
    assert rows(records, "SELECT * FROM events ORDER BY ALL") == [
        ("100", "vle-10", "AAA_2013J", "interacted", -10.0, 4.0),
        ("100", "vle-10", "AAA_2013J", "interacted", -10.0, 4.0),
        ("100", "vle-11", "AAA_2013J", "interacted", 60.0, 1.0),
    ]
    assert clean(read(official, NORTH, 61))[0].count("events") == 4


def test_rows_that_are_no_records_are_rejected_with_a_reason(official: Path) -> None:
    """A day that is no number may be any day: it is rejected whatever the cutoff."""
    for cutoff in (None, 5):
        _, report = clean(read(official, WALES, cutoff))
        assert report.tables["events"].reasons == {"time: not a number": 1, "count: below 0": 1}
        assert report.tables["events"].rows == 3
    _, report = clean(read(official, WALES, 20))
    assert report.tables["outcomes"].reasons == {"course_id: missing": 1}


def test_outcomes_stop_at_the_cutoff_but_for_the_final_ones(official: Path) -> None:
    records, _ = clean(read(official, NORTH, 60))
    columns = 'learner_id, course_id, kind, resource_id, "time", score, passed'
    assert rows(records, f"SELECT {columns} FROM outcomes ORDER BY ALL") == [
        ("100", "AAA_2013J", "assessment", "assessment-1", 18.0, 0.78, True),
        ("100", "AAA_2013J", "final", None, None, None, True),
        ("100", "BBB_2014B", "final", None, None, None, False),
        ("200", "AAA_2013J", "assessment", "assessment-1", -1.0, 0.39, False),
        ("200", "AAA_2013J", "final", None, None, None, True),
    ]
    later = rows(
        clean(read(official, NORTH, 61))[0],
        "SELECT \"time\", score FROM outcomes WHERE resource_id = 'assessment-3'",
    )
    assert later == [(61.0, 1.0)]


def test_a_learner_of_two_regions_has_each_course_in_its_own(official: Path) -> None:
    file = official / "studentInfo.csv"
    moved = '"BBB","2014B","100","F","Wales"'
    file.write_text(file.read_text().replace('"BBB","2014B","100","F","North Region"', moved))
    for region, course, clicks in ((NORTH, "AAA_2013J", 3), (WALES, "BBB_2014B", 1)):
        records, _ = clean(read(official, region))
        where = "WHERE learner_id = '100'"
        for table in ("enrolments", "events", "outcomes"):
            assert rows(records, f"SELECT DISTINCT course_id FROM {table} {where}") == [(course,)]
        assert rows(records, f"SELECT count(*) FROM events {where}") == [(clicks,)]


def test_csv_gzip_and_parquet_are_the_same_records(official: Path, parquet: Path) -> None:
    for table in ("studentInfo", "studentVle"):
        file = official / f"{table}.csv"
        duckdb.execute(
            f"COPY (FROM read_csv('{file}', all_varchar = true)) TO '{parquet}/{table}.csv.gz'"
        )
    everything = (None, NORTH, WALES)
    expected = {region: clean(read(official, region, 60)) for region in everything}

    def same() -> None:
        for region, (records, report) in expected.items():
            found, found_report = clean(read(parquet, region, 60))
            for table in TABLES:
                query = f"FROM {table} ORDER BY ALL"
                assert rows(found, query) == rows(records, query)
            assert found_report == report

    same()
    (parquet / "studentInfo.parquet").unlink()
    (parquet / "studentVle.parquet").unlink()
    same()


def test_the_fingerprint_follows_the_files_the_region_and_the_cutoff(official: Path) -> None:
    first = read(official, NORTH, 60).fingerprint
    assert read(official, NORTH, 60).fingerprint == first
    others = {read(official, WALES, 60).fingerprint, read(official, NORTH, 61).fingerprint}
    os.utime(official / "vle.csv", (1, 1))
    others.add(read(official, NORTH, 60).fingerprint)
    assert len(others | {first}) == 4


def _remove(folder: Path) -> None:
    (folder / "vle.csv").unlink()


def _rename(folder: Path) -> None:
    file = folder / "studentVle.csv"
    file.write_text(file.read_text().replace("sum_click", "clicks"))


def _cut(folder: Path) -> None:
    """A download that ended early."""
    file = folder / "studentInfo.csv"
    file.write_bytes(file.read_bytes()[:-40])


def _spoil(folder: Path) -> None:
    (folder / "courses.parquet").write_bytes(b"not Parquet at all")


@pytest.mark.parametrize(
    ("settings", "spoil", "message"),
    [
        (
            {"regoin": NORTH},
            None,
            r"^adapter\.regoin: unknown; known here: name, path, region, platform$",
        ),
        ({"path": "nowhere"}, None, r"^adapter\.path: there is no folder nowhere$"),
        ({"path": 3}, None, r"^adapter\.path: Input is not a valid path"),
        ({"region": "Narnia"}, None, r"^adapter\.region: no .* 'Narnia'; .* North Region, Wales$"),
        ({}, _remove, r"^oulad: csv has no vle\.csv, \.csv\.gz or \.parquet; the data set is .*$"),
        ({}, _rename, r"^oulad: studentVle\.csv has no column sum_click$"),
        ({"region": WALES}, _cut, r"^oulad: studentInfo cannot be read \(\w+\); fetch it again$"),
        ({}, _spoil, r"^oulad: courses\.parquet cannot be read \(\w+\); fetch it again$"),
    ],
)
def test_bad_input_is_one_clear_line(
    official: Path, settings: dict[str, Any], spoil: Callable[[Path], None] | None, message: str
) -> None:
    if spoil is not None:
        spoil(official)
    with pytest.raises(DataError, match=message):
        open_adapter({"name": "oulad", "path": str(official), **settings}, Path()).read()


def test_a_relative_path_starts_at_the_site_s_folder(official: Path) -> None:
    adapter = open_adapter({"name": "oulad", "path": official.name}, official.parent)
    assert adapter.read().count("enrolments") == 5


@pytest.mark.data
def test_the_regions_share_out_the_whole_data_set(shared_data: Path) -> None:
    info = f"'{shared_data}/oulad/studentInfo.parquet'"
    regions = [
        name
        for (name,) in duckdb.execute(f"SELECT DISTINCT region FROM {info} ORDER BY 1").fetchall()
    ]
    assert len(regions) == 13
    counts = dict.fromkeys(TABLES, 0)
    for region in regions:
        records = read(shared_data / "oulad", region)
        for table in TABLES:
            counts[table] += records.count(table)
    assert counts["enrolments"] == 32_593
    assert counts["events"] == 10_655_280
    assert counts["outcomes"] == 32_593 + 173_912
    assert counts["resources"] == 13 * (6_364 + 206)


@pytest.mark.data
def test_one_region_is_what_plain_pandas_makes_of_it(shared_data: Path) -> None:
    folder = shared_data / "oulad"
    keys = ["id_student", "code_module", "code_presentation"]
    info = pd.read_parquet(folder / "studentInfo.parquet")
    info = info[info.region == "Ireland"]
    log = pd.read_parquet(folder / "studentVle.parquet", filters=[("date", "<=", 60)])
    log = log.merge(info[keys], on=keys)
    marks = pd.read_parquet(folder / "studentAssessment.parquet")
    marks = marks[marks.date_submitted <= 60].merge(
        pd.read_parquet(folder / "assessments.parquet"), on="id_assessment"
    )
    marks = marks.merge(info[keys], on=keys)

    records, report = clean(read(folder, "Ireland", 60))
    assert report.rejected == 0
    assert report.learners == info.id_student.nunique()
    assert records.count("enrolments") == len(info)
    assert records.count("events") == len(log)
    assert rows(records, "SELECT sum(count) FROM events") == [(float(log.sum_click.sum()),)]
    assert report.time_range == (log.date.min(), log.date.max())
    assert records.count("outcomes") == len(info) + len(marks)
    final = info.final_result.isin(["Pass", "Distinction"])
    assert report.outcomes == {
        "passed": int(final.sum()),
        "not_passed": int((~final).sum()),
        "unknown": 0,
    }
    score = rows(records, "SELECT avg(score) FROM outcomes")[0][0]
    assert score == pytest.approx(marks.score.mean() / 100)


@pytest.mark.data
def test_the_first_rows_of_the_real_tables_in_the_official_form(
    shared_data: Path, tmp_path: Path
) -> None:
    """A small copy as CSV gives the records that the Parquet gives."""
    real, sample, copy = shared_data / "oulad", tmp_path / "sample", tmp_path / "copy"
    sample.mkdir()
    copy.mkdir()
    for table in TINY:
        limit = "LIMIT 400" if table.startswith("student") else ""
        duckdb.execute(
            f"COPY (FROM '{real}/{table}.parquet' {limit}) TO '{sample}/{table}.parquet' "
            "(FORMAT parquet)"
        )
        duckdb.execute(
            f"COPY (FROM '{sample}/{table}.parquet') TO '{copy}/{table}.csv' "
            "(HEADER, NULLSTR '?', FORCE_QUOTE *)"
        )
    ours, report = clean(read(sample, cutoff=60))
    theirs, _ = clean(read(copy, cutoff=60))
    assert report.tables["enrolments"].rows == 400
    for table in TABLES:
        assert rows(ours, f"FROM {table} ORDER BY ALL") == rows(
            theirs, f"FROM {table} ORDER BY ALL"
        )
