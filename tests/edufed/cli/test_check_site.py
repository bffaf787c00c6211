"""`edufed check-site`: a person sees what is wrong, and nobody's identifier."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest
import typer

from edufed.cli.check_site import CUTOFF_DAY, check_site, command
from edufed.config import SettingsError, load_site
from edufed.records import DataError

LEARNERS = 24
#: Identifier of the learner with a bad click; it must be seen in the quarantine alone.
SECRET = 900017


def write_oulad(folder: Path, results: str) -> None:
    """Write the seven OULAD tables as CSV; `results` cycles over the learners.

    Of the clicks, one has a negative count and one no day; one enrolment stands twice.
    """
    folder.mkdir()
    people = range(900_000, 900_000 + LEARNERS)
    outcome = dict(zip(people, results.split(",") * LEARNERS, strict=False))
    person = "{},F,Wales,A Level or Equivalent,50-60%,0-35,0,60,N,{}"
    tables = {
        "courses": ["code_module,code_presentation,module_presentation_length", "AAA,2013J,268"],
        "assessments": [
            "code_module,code_presentation,id_assessment,assessment_type,date,weight",
            "AAA,2013J,1,TMA,19,10",
        ],
        "vle": ["id_site,code_module,code_presentation,activity_type", "10,AAA,2013J,homepage"],
        "studentInfo": [
            "code_module,code_presentation,id_student,gender,region,highest_education,imd_band,"
            "age_band,num_of_prev_attempts,studied_credits,disability,final_result",
            *(f"AAA,2013J,{person.format(i, outcome[i])}" for i in (*people, people[0])),
        ],
        "studentRegistration": [
            "code_module,code_presentation,id_student,date_registration,date_unregistration",
            *(f"AAA,2013J,{i},-10,{'30' if i == people[1] else '?'}" for i in people),
        ],
        "studentAssessment": [
            "id_assessment,id_student,date_submitted,is_banked,score",
            *(f"1,{i},18,0,70" for i in people),
        ],
        "studentVle": [
            "code_module,code_presentation,id_student,id_site,date,sum_click",
            *(f"AAA,2013J,{i},10,{day},3" for i in people for day in (1, 40, 100)),
            f"AAA,2013J,{SECRET},10,5,-4",
            f"AAA,2013J,{SECRET},10,?,4",
        ],
    }
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def site_file(folder: Path, results: str = "Pass,Fail,Withdrawn", policy: str = "{}") -> Path:
    write_oulad(folder / "tables", results)
    file = folder / "site.yaml"
    file.write_text(
        f"name: wales\nadapter: {{name: oulad, path: tables, region: Wales}}\n"
        f"state: state\npolicy: {policy}\n"
    )
    return file


def test_a_dirty_site_is_described_and_usable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = site_file(tmp_path)
    command([f"site={file}"])

    written = json.loads((tmp_path / "state" / "quality.json").read_text())
    events = written["quality"]["tables"]["events"]
    assert events["reasons"] == {"time: missing": 1, "count: below 0": 1}
    assert events["examples"]["count: below 0"] == [{"row": 73, "column": "count"}]
    assert written["quality"]["tables"]["enrolments"]["duplicates"] == 1
    assert written["quality"]["time_range"] == [1.0, 100.0]
    groups = {group["group"]: group for group in written["features"]}
    assert groups["week"]["usable"] == groups["week"]["features"] > 0
    assert "events.duration_s" in groups["activity"]["lacking"]
    assert "resources.kind=video" in groups["kind"]["lacking"]
    # One learner of the 24 left on day 30.
    assert written["early_warning"] == {
        "day": 60,
        "enrolments": 23,
        "learners": 23,
        "at_risk": 15,
        "passed": 8,
        "unknown": 0,
    }
    assert written["refusals"] == []

    page = (tmp_path / "state" / "quality.md").read_text()
    assert "| events | count: below 0 | 1 | row 73 |" in page
    assert "the site can train and be evaluated" in page
    shown = capsys.readouterr().out
    assert "count: below 0" in shown
    assert str(tmp_path / "state" / "quality.md") in shown
    for text in (page, shown, json.dumps(written)):
        assert not re.search(r"9000\d\d", text)
    kept = duckdb.execute(
        f"SELECT learner_id FROM '{tmp_path}/state/quarantine/events.parquet'"
    ).fetchall()
    assert kept == [(str(SECRET),), (str(SECRET),)]


def test_the_report_in_chinese_and_elsewhere(tmp_path: Path) -> None:
    command([f"site={site_file(tmp_path)}", "language=zh", f"out={tmp_path / 'here'}"])
    page = (tmp_path / "here" / "quality.md").read_text()
    assert page.startswith("# 站点 wales（oulad）的数据")
    assert "| events | count: 小于 0 | 1 | 第 73 行 |" in page
    assert "| enrolments | learner_id + course_id: 前面已有 | 1 |" in page
    assert not (tmp_path / "state" / "quality.md").exists()


@pytest.mark.parametrize(
    ("results", "verdict"),
    [("Pass", "one class only"), ("?", "can supply features to others")],
)
def test_a_site_that_cannot_train_says_why(tmp_path: Path, results: str, verdict: str) -> None:
    command([f"site={site_file(tmp_path, results)}"])
    assert verdict in (tmp_path / "state" / "quality.md").read_text()


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ("{min_learners: 500}", r"policy\.min_learners is 500"),
        ("{max_rejected_share: 0.001}", r"4 of \d+ rows were rejected"),
    ],
)
def test_a_site_whose_policy_refuses_is_reported_and_ends_with_1(
    tmp_path: Path, policy: str, why: str
) -> None:
    with pytest.raises(typer.Exit) as exit_:
        command([f"site={site_file(tmp_path, policy=policy)}"])
    assert exit_.value.exit_code == 1
    page = (tmp_path / "state" / "quality.md").read_text()
    assert re.search(f"would refuse every job: {why}", page)


def test_bad_input_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    file = site_file(tmp_path)
    (tmp_path / "tables" / "vle.csv").unlink()
    with pytest.raises(DataError, match=r"^oulad: tables has no vle\.csv"):
        command([f"site={file}"])
    with pytest.raises(SettingsError, match="setting 'site' is required"):
        command([])
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        command([f"site={tmp_path / 'nowhere.yaml'}"])
    with pytest.raises(SettingsError, match="choose en or zh"):
        command([f"site={file}", "language=fr"])
    assert not (tmp_path / "state").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    file = site_file(tmp_path)
    (tmp_path / "taken").write_text("")
    with pytest.raises(SettingsError, match="name another folder with out="):
        command([f"site={file}", f"out={tmp_path / 'taken' / 'below'}"])


@pytest.mark.data
def test_a_real_region(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "ireland.yaml"
    path = shared_data / "oulad"
    file.write_text(
        f"name: ireland\nadapter: {{name: oulad, path: {path}, region: Ireland}}\nstate: state\n"
    )
    check = check_site(load_site(file))
    info = f"'{path}/studentInfo.parquet'"
    registration = f"'{path}/studentRegistration.parquet'"
    ((enrolments, at_risk),) = duckdb.execute(f"""
        SELECT count(*), count(*) FILTER (final_result IN ('Withdrawn', 'Fail'))
        FROM {info} JOIN {registration} USING (id_student, code_module, code_presentation)
        WHERE region = 'Ireland' AND coalesce(date_registration, -1) <= {CUTOFF_DAY}
            AND coalesce(date_unregistration, 999) > {CUTOFF_DAY}
    """).fetchall()
    assert (check.early_warning.enrolments, check.early_warning.at_risk) == (enrolments, at_risk)
    assert check.quality.rejected == 0
    assert check.refusals == ()
