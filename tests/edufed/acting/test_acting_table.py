"""Lists in databases: SQLite always, PostgreSQL where a server is installed."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from ports import free_ports

from clients.delivery import deliver
from edufed.acting.issue import COLUMNS, Issue
from edufed.acting.table import read_table, write_lists
from edufed.config import SettingsError, SiteSettings
from edufed.config.lists import ListsSettings
from edufed.records import DataError

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ISSUE = Issue("job-1", "north", "early_warning", NOW)
FRAME = pd.DataFrame(
    {
        "learner_id": ["a", "b", "c"],
        "course_id": "x",
        "risk": [0.9, 0.5, np.nan],
        "rank": [1, 2, 3],
        "reason_1": ["缺席", "", None],
    }
)


def write_list(url: sa.URL, table: str, issue: Issue, frame: pd.DataFrame) -> bool:
    (new,) = write_lists(url, table, [(issue, frame)])
    return new


@pytest.fixture
def sqlite(tmp_path: Path) -> sa.URL:
    return sa.make_url(f"sqlite:///{tmp_path}/school.db")


@pytest.fixture(scope="module")
def postgres() -> Iterator[sa.URL]:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += [p.parent for p in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    if not places:
        pytest.skip("no PostgreSQL server here; apt-get install postgresql")
    if shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not start as root, and there is no runuser here")
    with tempfile.TemporaryDirectory(prefix="edufed-lists-") as folder:
        shutil.chown(folder, "postgres")
        (port,) = free_ports(1)
        data = f"{folder}/data"
        as_postgres = ["runuser", "-u", "postgres", "--"]
        quiet = {"check": True, "capture_output": True, "cwd": folder}
        subprocess.run([*as_postgres, places[-1] / "initdb", "-D", data, "-A", "trust"], **quiet)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
        control = [*as_postgres, places[-1] / "pg_ctl", "-D", data, "-w"]
        subprocess.run([*control, "-l", f"{folder}/log", "-o", options, "start"], **quiet)
        try:
            yield sa.make_url(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres")
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


def check(url: sa.URL) -> None:
    """What every database has to hold."""
    assert write_list(url, "alerts", ISSUE, FRAME)
    found = read_table(url, "alerts").sort_values(["job_id", "row"])
    assert list(found.columns) == [*COLUMNS, *FRAME.columns]
    assert found["learner_id"].tolist() == ["a", "b", "c"]
    assert found["risk"].tolist()[:2] == [0.9, 0.5]
    assert found["risk"].isna().tolist() == [False, False, True]
    assert found["reason_1"].tolist()[0] == "缺席"
    assert set(found["issued_at"]) == {"2026-03-01T09:30:00Z"}
    # The same issue again, even with other rows, changes nothing.
    assert not write_list(url, "alerts", ISSUE, FRAME.head(1))
    assert len(read_table(url, "alerts")) == 3
    # The next day's, another site's and another job's are lists of their own.
    tomorrow = Issue("job-1", "north", "early_warning", datetime(2026, 3, 2, tzinfo=UTC))
    for other in (tomorrow, Issue("job-1", "south", "early_warning", NOW)):
        assert write_list(url, "alerts", other, FRAME)
    assert len(read_table(url, "alerts")) == 9


def test_sqlite_takes_each_issue_once(sqlite: sa.URL) -> None:
    check(sqlite)


def test_postgresql_takes_each_issue_once(postgres: sa.URL) -> None:
    check(postgres)
    with pytest.raises(DataError, match="table absent: the postgresql database"):
        read_table(postgres, "absent")


def test_a_list_that_does_not_fit_leaves_nothing(sqlite: sa.URL) -> None:
    with closing(sqlite3.connect(str(sqlite.database))) as db, db:
        columns = ", ".join(f'"{name}"' for name in (*COLUMNS, *FRAME.columns))
        db.execute(f"CREATE TABLE alerts ({columns}, CHECK (rank < 3))")
    with pytest.raises(DataError, match=r"table alerts: the sqlite database .* \(IntegrityError\)"):
        write_list(sqlite, "alerts", ISSUE, FRAME)
    assert read_table(sqlite, "alerts").empty
    south = Issue("job-1", "south", "early_warning", NOW)
    with pytest.raises(DataError, match="IntegrityError"):
        write_lists(sqlite, "alerts", [(ISSUE, FRAME.head(2)), (south, FRAME)])
    assert read_table(sqlite, "alerts").empty  # not even the part that would have fitted
    with pytest.raises(DataError, match="has no column own, which the list has"):
        write_list(sqlite, "alerts", ISSUE, FRAME.assign(own=1))


def test_errors_name_no_password_and_no_learner(tmp_path: Path) -> None:
    url = sa.make_url("postgresql+psycopg://u:hunter2@127.0.0.1:1/db")
    with pytest.raises(DataError) as caught:
        write_list(url, "alerts", ISSUE, FRAME)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def site(folder: Path, **lists: str) -> SiteSettings:
    return SiteSettings(
        name="north",
        adapter={},
        state=folder / "state",
        file=folder / "site.yaml",
        lists=ListsSettings.model_validate(lists) if lists else None,
    )


def test_a_sites_yaml_says_where_its_lists_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deliver(site(tmp_path), ISSUE, FRAME) is None
    named = site(tmp_path, url="sqlite:///lists.db", table="school")
    assert deliver(named, ISSUE, FRAME) == (
        "table school_early_warning: 3 rows of job job-1, issued 2026-03-01"
    )
    assert "is there already" in str(deliver(named, ISSUE, FRAME))
    monkeypatch.setenv("LISTS_URL", f"sqlite:///{tmp_path}/other.db")
    assert "edufed_early_warning" in str(deliver(site(tmp_path, url_env="LISTS_URL"), ISSUE, FRAME))
    private = tmp_path / "url"
    private.write_text(f"sqlite:///{tmp_path}/third.db\n")
    private.chmod(0o600)
    assert deliver(site(tmp_path, url_file="url"), ISSUE, FRAME)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"url": "postgresql+psycopg://u:hunter2@h/db"}, "holds a password"),
        ({"url": "nonsense"}, "lists.url holds no SQLAlchemy URL"),
        ({"url_env": "NOT_SET_AT_ALL"}, "lists.url_env: NOT_SET_AT_ALL holds no SQLAlchemy URL"),
        ({"url_file": "absent"}, "lists.url_file"),
    ],
)
def test_a_wrong_address_is_one_line(tmp_path: Path, lists: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        deliver(site(tmp_path, **lists), ISSUE, FRAME)
    assert "hunter2" not in str(caught.value)
