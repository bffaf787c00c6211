"""Bad input of twenty kinds: one clear line, a non-zero exit, no traceback, nothing half-written.

Settings: an unknown key, an unknown choice of a group, a missing required setting, a wrong
type, an impossible combination, no KEY=VALUE, two sites of one name.
Files and folders: no data folder, a data path that is a file, an output that is a file, an
output that cannot be made, an output where another job is at work, a site file that is not
YAML or says something unknown, a damaged model, predictions of an unknown format.
Data: a missing table, a missing column, a file that is no Parquet, a column of a wrong type,
learners given twice with contradictions, no rows, one class only, training that diverges.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import small_oulad
import yaml
from simulating import edufed

pytestmark = pytest.mark.e2e

QUICK = ("scenario.rounds=1", "research=false", "federation.cpus_per_site=2")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_oulad.write(tmp_path / "data")


def refused(done: subprocess.CompletedProcess[str], out: Path, says: str, code: int = 2) -> None:
    """Assert what holds for every kind of bad input."""
    lines = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert [line for line in lines if line.startswith("edufed: ")] == lines[-1:], done.stderr
    assert says in lines[-1], done.stderr
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    assert not (out / "report.json").exists()
    assert not (out / "report.html").exists()
    assert not (out / "model").exists()
    assert not (out / "checkpoint").exists()
    assert not [file for file in out.parent.rglob(".*") if file.is_file()], "no half file"


SITE = "{name: a, adapter: {region: Wales}}"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["task.cutof_day=3"], "unknown setting 'task.cutof_day'; did you mean 'cutoff_day'?"),
        (["+task={colour: red}"], "unknown setting 'task.colour'"),
        (["data=ould"], "no data=ould; choose one of oulad, oulad_to_basic"),
        (["data=oulad"], "setting 'data.path' is required; add data.path=VALUE"),
        (["task.cutoff_day=soon"], "task.cutoff_day: "),
        (["model=logistic", "strategy=fedper"], "choose model=mlp"),
        (["seed"], "'seed' is not a setting; write KEY=VALUE"),
        (["seed=[1"], "cannot read 'seed=[1'"),
        (["data=oulad", "data.path=.", f"data.sites=[{SITE}, {SITE}]"], "'a' is listed twice"),
        (["data=oulad", "data.path=no/such/folder"], "no/such/folder does not exist"),
        (["data=oulad", "data.path=here.txt"], "here.txt is a file; give the folder"),
    ],
)
def test_settings(settings: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("not a folder")
    out = tmp_path / "out"
    refused(edufed("run", f"out={out}", *settings, cwd=tmp_path), out, says)
    assert not out.exists()


def test_no_output_is_named(tmp_path: Path) -> None:
    says = "setting 'out' is required; add out=VALUE"
    refused(edufed("run", cwd=tmp_path), tmp_path / "out", says)


def test_an_output_that_is_a_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    refused(edufed("run", f"out={out}", cwd=tmp_path), out, "is a file; give a folder")
    assert out.read_text() == "mine"
    inside = out / "deeper"
    refused(edufed("run", f"out={inside}", cwd=tmp_path), inside, "Not a directory")


def test_an_output_that_cannot_be_written_to(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is closed to the superuser")
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    refused(edufed("run", f"out={out}", cwd=tmp_path), out, "cannot be written to")


def test_an_output_where_another_job_is_at_work(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    folder = os.open(out, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        refused(edufed("run", f"out={out}", cwd=tmp_path), out, "another job is at work")
    finally:
        os.close(folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [", "not valid YAML"),
        ("name: north\nadapter: {name: oulad}\nstate: s\npolcy: {}\n", "unknown setting 'polcy'"),
        ("name: north\nadapter: {name: ould}\nstate: s\n", "no adapter 'ould'"),
        (
            "name: north\nadapter: {name: oulad, path: nowhere}\nstate: s\n",
            "there is no folder nowhere",
        ),
    ],
)
@pytest.mark.parametrize("command", ["check-site", "predict"])
def test_site_files(command: str, text: str, says: str, tmp_path: Path) -> None:
    file, out = tmp_path / "site.yaml", tmp_path / "out"
    file.write_text(text)
    more = ["model=none", "out=x.csv"] if command == "predict" else [f"out={out}"]
    done = edufed(command, f"site={file}", *more, cwd=tmp_path)
    if command == "predict" and "adapter" in text and "polcy" not in text:
        says = "none/model.json"  # the model is read first
    refused(done, out, says)
    assert {path.name for path in tmp_path.iterdir()} <= {"site.yaml", "s"}


def test_a_damaged_model(tmp_path: Path, data: Path) -> None:
    file, out, model = tmp_path / "site.yaml", tmp_path / "out.csv", tmp_path / "model"
    file.write_text(yaml.safe_dump(one_site(data)))
    model.mkdir()
    (model / "model.json").write_text("{")
    arguments = (f"site={file}", f"model={model}", f"out={out}")
    refused(edufed("predict", *arguments, cwd=tmp_path), tmp_path / "x", "model.json")
    assert not out.exists()


def one_site(data: Path) -> dict[str, object]:
    adapter = {"name": "oulad", "path": str(data), "region": "Wales"}
    return {"name": "wales", "adapter": adapter, "state": "state"}


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda data: (data / "vle.csv").unlink(), "has no vle.csv"),
    (lambda data: small_oulad.change(data, "studentInfo", region=None), "has no column region"),
    (lambda data: (data / "courses.csv").rename(data / "courses.parquet"), "courses.parquet"),
    (
        lambda data: small_oulad.change(data, "studentInfo", region="Atlantis"),
        "no enrolment is in 'Wales'; regions are Atlantis",
    ),
]


@pytest.mark.parametrize(("damage", "says"), DAMAGES)
def test_tables_by_check_site(
    damage: Callable[[Path], object], says: str, data: Path, tmp_path: Path
) -> None:
    damage(data)
    file, out = tmp_path / "site.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(one_site(data)))
    refused(edufed("check-site", f"site={file}", f"out={out}", cwd=tmp_path), out, says)
    assert not out.exists()


@pytest.mark.parametrize(
    ("damage", "settings", "says"),
    [
        (DAMAGES[1][0], [], "north: oulad: studentInfo.csv has no column region (the same at 1"),
        (
            lambda data: small_oulad.change(data, "studentVle", date="soon"),
            [],
            "rows were rejected, more than policy.max_rejected_share (0.5) allows",
        ),
        (
            lambda data: small_oulad.change(data, "studentRegistration", date_unregistration=-5),
            [],
            "policy.min_learners is 10 and fewer learners are eligible (the same at 1 more)",
        ),
        (
            lambda data: small_oulad.change(data, "studentInfo", final_result="Fail"),
            [],
            "enrolments to train on ended alike",
        ),
        (
            lambda _: None,
            ["strategy.learning_rate=1e30"],
            "became NaN or infinite",
        ),
    ],
    ids=["missing column", "wrong type", "no rows", "one class", "divergence"],
)
def test_no_site_can_take_part(
    damage: Callable[[Path], object], settings: list[str], says: str, data: Path, tmp_path: Path
) -> None:
    damage(data)
    out = tmp_path / "out"
    arguments = (f"out={out}", "data=oulad", f"data.path={data}", small_oulad.sites(), *QUICK)
    refused(edufed("run", *arguments, *settings, cwd=tmp_path), out, says, code=1)
    assert not list(out.glob("sites/*/models"))


def test_learners_given_twice_with_contradictions(tmp_path: Path) -> None:
    """Too large a share of a site's rows is set aside: its own policy refuses."""
    rows = [f"{number},{sex},c,{sex}" for number in range(40) for sex in "FMMMMM"]
    (tmp_path / "people.csv").write_text("\n".join(["id,sex,course,mark", *rows]))
    key = {"learner_id": "id", "course_id": "course"}
    sex = {"column": "sex", "values": {"F": "female", "M": "male"}}
    passed = {"column": "mark", "values": {"F": False, "M": True}}
    tables = {
        "learners": {"learner_id": "id", "gender": sex},
        "enrolments": key,
        "outcomes": {**key, "kind": {"constant": "final"}, "passed": passed},
    }
    for name in ("north", "south"):
        site = {
            "name": name,
            "state": f"state-{name}",
            "adapter": {
                "name": "higher",
                "source": {"kind": "files", "path": "."},
                "tables": {
                    table: {"from": "people.csv", "columns": columns}
                    for table, columns in tables.items()
                },
            },
        }
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(site))
    files = ",".join(str(tmp_path / f"{name}.yaml") for name in ("north", "south"))
    out = tmp_path / "out"
    arguments = (f"out={out}", "data=sites", f"data.files=[{files}]", *QUICK)
    says = "were rejected, more than policy.max_rejected_share (0.5) allows"
    refused(edufed("run", *arguments, cwd=tmp_path), out, says, code=1)


def test_a_job_goes_on_without_a_bad_site(tmp_path: Path) -> None:
    regions = {**small_oulad.REGIONS, "Scotland": "scotland", "Ireland": "ireland"}
    data = small_oulad.write(tmp_path / "data", regions)
    info = (data / "studentInfo.csv").read_text().splitlines()
    (data / "studentInfo.csv").write_text(
        "\n".join(
            line.replace("Fail", "Pass") if "Scotland" in line else line
            for line in info
            if not ("Ireland" in line and "2013J" in line)
        )
    )
    out = tmp_path / "out"
    listed = small_oulad.sites({**regions, "Atlantis": "atlantis"})
    arguments = (f"out={out}", "data=oulad", f"data.path={data}", listed, *QUICK)
    done = edufed("run", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "report.json").read_text())
    assert [site["site"] for site in report["sites"]] == ["north", "wales"]
    reasons = {entry["site"]: entry["reason"] for entry in report["exclusions"]}
    assert reasons.keys() == {"atlantis", "ireland", "scotland"}
    assert "no enrolment is in 'Atlantis'" in reasons["atlantis"]
    assert "no learner to train on" in reasons["ireland"]
    assert "ended alike" in reasons["scotland"]
    assert all(entry["round"] is None for entry in report["exclusions"]), "once, at the beginning"
    assert "site ireland left out: no learner to train on" in done.stderr
