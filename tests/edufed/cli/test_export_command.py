"""`edufed export` on a small simulated job: files and tables, each issue once."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import small_job
import sqlalchemy as sa

from edufed.acting.issue import COLUMNS
from edufed.acting.table import read_table
from edufed.cli.export import command, job_of
from edufed.config import SettingsError
from edufed.records import DataError
from server.report.write import write_report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    done = small_job.run(folder, "model=logistic", f"federation.state={folder / 'sites'}")
    write_report(done.finished.report(1.0), folder, "en")
    assert done.finished.save_model is not None
    done.finished.save_model(folder / "model")
    return folder


def test_every_sites_list_goes_into_one_file(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "lists.csv"
    command([f"run={run}", f"out={out}"])
    found = pd.read_csv(out, dtype={"learner_id": str})
    assert tuple(found.columns[: len(COLUMNS)]) == COLUMNS
    assert found["site"].nunique() == small_job.SITES
    assert set(found["list"]) == {"early_warning"}
    assert set(found["job_id"]) == {job_of(run).id}
    assert (found.groupby("site")["risk"].diff().dropna() <= 0).all()
    assert out.stat().st_mode & 0o077 == 0


def test_a_table_takes_them_once(run: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/platform.db"
    for _ in range(2):
        command([f"run={run}", f"url={url}", "table=alerts"])
    found = read_table(sa.make_url(url), "alerts")
    assert found["site"].nunique() == small_job.SITES
    assert not found.duplicated(["job_id", "site", "row"]).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name either out="),
        (["out=a.csv", "url=sqlite://", "table=t"], "name either out="),
        (["url=sqlite://"], "go together"),
        (["url=nonsense", "table=t"], "url holds no SQLAlchemy URL"),
    ],
)
def test_wrong_arguments_are_one_line(run: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        command([f"run={run}", *arguments])


def test_a_file_of_another_kind_is_refused_before_lists_are_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        command([f"run={tmp_path / 'nowhere'}", "out=a.xlsx"])


def test_a_folder_without_a_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"has no report\.json of a job"):
        command([f"run={tmp_path}", "out=a.csv"])


def test_settings_that_a_report_leaves_out_are_given_back(tmp_path: Path, run: Path) -> None:
    """Reports of recommendations have no model and no strategy, as they have no effect there."""
    report = json.loads((run / "report.json").read_text())
    for name in ("model", "strategy"):
        del report["job"]["config"][name]
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert job_of(tmp_path).id == job_of(run).id
