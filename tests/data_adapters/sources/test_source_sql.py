"""Databases: SQLite always, PostgreSQL where Debian's packages put a server."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg
import pytest
from ports import free_ports

from data_adapters.base import open_adapter
from data_adapters.mapping.adapter import MappedAdapter
from data_adapters.mapping.connection import open_connection
from edufed.records import DataError

LEARNERS = [("7", "F", 19), ("8", "M", 30), ("9", None, None)]
VISITS = [("7", "a", "2024-09-02 12:00:00"), ("7", "b", "2024-09-05 00:00:00")]
TABLES = {
    "learners": {
        "from": "pupils",
        "columns": {
            "learner_id": "id",
            "gender": {"column": "sex", "values": {"F": "female", "M": "male"}},
            "age_band": {"column": "age", "bands": ["15-24", "25-"]},
        },
    },
    "enrolments": {
        "from": "SELECT DISTINCT pupil, 'x:1' AS course FROM visits",
        "columns": {"learner_id": "pupil", "course_id": "course"},
    },
    "events": {
        "from": "visits",
        "columns": {
            "learner_id": "pupil",
            "course_id": {"constant": "x:1"},
            "resource_id": "page",
            "time": {"column": "at", "format": "iso", "origin": "2024-09-01"},
        },
    },
}


def adapter(source: dict, folder: Path, tables: dict = TABLES, name: str = "mooc") -> MappedAdapter:
    opened = open_adapter({"name": name, "source": source, "tables": tables}, folder)
    assert isinstance(opened, MappedAdapter)
    return opened


def check(opened: MappedAdapter) -> None:
    records = opened.read()
    assert set(records.present()) == {"learners", "enrolments", "events"}
    learners = records.connection.execute("FROM learners ORDER BY learner_id").fetchall()
    assert learners == [("7", "female", "15-24"), ("8", "male", "25-"), ("9", None, None)]
    events = records.connection.execute(
        "SELECT learner_id, resource_id, time, verb FROM events ORDER BY time"
    ).fetchall()
    assert events == [("7", "a", 1.5, "interacted"), ("7", "b", 4.0, "interacted")]
    assert records.frame("enrolments").to_dict("records") == [
        {"learner_id": "7", "course_id": "x:1"}
    ]
    assert opened.read(cutoff=2).count("events") == 1


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    file = tmp_path / "school.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE pupils (id TEXT, sex TEXT, age INTEGER, phone TEXT)")
        db.executemany("INSERT INTO pupils VALUES (?, ?, ?, 'secret')", LEARNERS)
        db.execute("CREATE TABLE visits (pupil TEXT, page TEXT, at TEXT)")
        db.executemany("INSERT INTO visits VALUES (?, ?, ?)", VISITS)
    return file


def test_sqlite(sqlite: Path) -> None:
    check(adapter({"kind": "sql", "url": "sqlite:///school.db"}, sqlite.parent))


def test_small_chunks_give_the_same(sqlite: Path) -> None:
    source = {"kind": "sql", "url": "sqlite:///school.db", "chunk_rows": 1}
    check(adapter(source, sqlite.parent))


def test_only_mapped_columns_are_fetched(sqlite: Path) -> None:
    records = adapter({"kind": "sql", "url": "sqlite:///school.db"}, sqlite.parent).read()
    landed = records.connection.execute(
        "SELECT DISTINCT column_name FROM duckdb_columns() WHERE database_name = 'landed'"
    ).fetchall()
    assert ("phone",) not in landed
    assert ("sex",) in landed


def test_rows_that_do_not_fit_are_an_error(sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(sqlite)) as db, db:
        rows = ((str(n), hashlib.sha512(b"%d" % n).hexdigest(), "") for n in range(100_000))
        db.executemany("INSERT INTO visits VALUES (?, ?, ?)", rows)
    opened = adapter({"kind": "sql", "url": "sqlite:///school.db"}, sqlite.parent)

    def small() -> duckdb.DuckDBPyConnection:
        connection = open_connection()
        connection.execute("SET memory_limit = '8MB'")
        return connection

    monkeypatch.setattr("data_adapters.mapping.adapter.open_connection", small)
    records = opened.read()
    with pytest.raises(DataError, match="do not fit in memory"):
        records.present()


def test_nothing_is_fetched_for_the_fingerprint(sqlite: Path) -> None:
    opened = adapter({"kind": "sql", "url": "sqlite:///school.db"}, sqlite.parent)
    first = opened.read()
    assert "connection" not in vars(first)
    assert opened.read().fingerprint == first.fingerprint
    with closing(sqlite3.connect(sqlite)) as db, db:
        db.execute("INSERT INTO visits VALUES ('8', 'a', '2024-09-03')")
    assert opened.read().fingerprint != first.fingerprint


def test_url_from_the_environment(sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"kind": "sql", "url_env": "SCHOOL_URL"}
    with pytest.raises(DataError, match=r"SCHOOL_URL .* is not set"):
        adapter(source, sqlite.parent)
    monkeypatch.setenv("SCHOOL_URL", f"sqlite:///{sqlite}")
    check(adapter(source, sqlite.parent))


def test_url_from_a_private_file(sqlite: Path) -> None:
    source = {"kind": "sql", "url_file": "school.url"}
    file = sqlite.parent / "school.url"
    with pytest.raises(DataError, match="does not exist"):
        adapter(source, sqlite.parent)
    file.write_text("sqlite:///school.db\n")
    file.chmod(0o644)
    with pytest.raises(DataError, match="chmod 600"):
        adapter(source, sqlite.parent)
    file.chmod(0o600)
    check(adapter(source, sqlite.parent))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"url": "postgresql+psycopg://u:hunter2@h/db"}, "holds a password"),
        ({"url": "sqlite:///absent.db"}, "absent.db: no such SQLite file"),
        ({"url": "not a url"}, "holds no SQLAlchemy URL"),
        ({"url": "nosuch://h/db"}, "no driver for nosuch"),
        ({"url": "sqlite:///a", "url_env": "B"}, "give one of url, url_env and url_file"),
        ({}, "give one of url, url_env and url_file"),
    ],
)
def test_bad_sources(source: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said) as caught:
        adapter({"kind": "sql", **source}, tmp_path)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_missing_table_and_column(sqlite: Path) -> None:
    source = {"kind": "sql", "url": "sqlite:///school.db"}
    events = {**TABLES["events"], "from": "vists"}
    with pytest.raises(DataError, match="table vists: the sqlite database does not give it"):
        adapter(source, sqlite.parent, {**TABLES, "events": events}).read()
    columns = {**TABLES["learners"]["columns"], "region": "fone"}
    learners = {"from": "pupils", "columns": columns}
    with pytest.raises(DataError, match=r"table pupils: no column 'fone'.*did you mean 'phone'"):
        adapter(source, sqlite.parent, {**TABLES, "learners": learners}).read()


def test_row_numbers_need_an_order(sqlite: Path) -> None:
    learners = {"from": "pupils", "columns": {"learner_id": {"row_number": "p"}}}
    source = {"kind": "sql", "url": "sqlite:///school.db"}
    with pytest.raises(DataError, match="no fixed order"):
        adapter(source, sqlite.parent, {**TABLES, "learners": learners}).read()


def test_a_query_that_writes_is_refused(sqlite: Path) -> None:
    source = {"kind": "sql", "url": "sqlite:///school.db"}
    opened = adapter(source, sqlite.parent)
    with opened.source.engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM visits")


def server_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        pytest.skip("no PostgreSQL server here; apt-get install postgresql")
    return found[-1].parent


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """URL of a database on a server of its own, which refuses to run as root."""
    programs = server_programs()
    with tempfile.TemporaryDirectory(prefix="edufed-postgres-") as folder:
        yield from serve(programs, Path(folder))


def serve(programs: Path, data: Path) -> Iterator[str]:
    run: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
        run = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        shutil.chown(data, "nobody", "nogroup")
    (port,) = free_ports(1)

    def call(*command: str) -> None:
        done = subprocess.run(
            [*run, *command], cwd=data, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr

    password = data / "password"
    password.write_text("correct-horse\n")
    if run:
        shutil.chown(password, "nobody", "nogroup")
    cluster = str(data / "cluster")
    call(
        str(programs / "initdb"),
        *("-D", cluster, "-U", "tester", "-A", "scram-sha-256"),
        *("--pwfile", str(password), "--no-sync"),
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -F"
    call(
        str(programs / "pg_ctl"),
        "-D",
        cluster,
        "-l",
        str(data / "log"),
        "-w",
        "-o",
        options,
        "start",
    )
    try:
        yield f"postgresql+psycopg://tester:correct-horse@127.0.0.1:{port}/postgres"
    finally:
        call(str(programs / "pg_ctl"), "-D", cluster, "-m", "immediate", "stop")


def test_postgresql(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(postgres.replace("+psycopg", "")) as db:
        db.execute("CREATE TABLE pupils (id numeric(9, 2), sex char(1), age int, phone text)")
        db.cursor().executemany("INSERT INTO pupils VALUES (%s, %s, %s, 'secret')", LEARNERS)
        db.execute("CREATE TABLE visits (pupil int, page text, at timestamptz)")
        db.cursor().executemany(
            "INSERT INTO visits VALUES (%s, %s, (%s || '+00')::timestamptz)", VISITS
        )
        db.execute("CREATE SCHEMA stats; CREATE VIEW stats.visits AS TABLE visits")
    monkeypatch.setenv("SCHOOL_URL", postgres)
    source = {"kind": "sql", "url_env": "SCHOOL_URL", "chunk_rows": 2}
    check(adapter(source, tmp_path))
    events = {**TABLES["events"], "from": "stats.visits"}
    opened = adapter(source, tmp_path, {**TABLES, "events": events})
    check(opened)
    with opened.source.engine.connect() as connection, pytest.raises(Exception, match="read-only"):
        connection.exec_driver_sql("DELETE FROM visits")


def test_wrong_password_is_one_line_without_it(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHOOL_URL", postgres.replace("horse", "mule"))
    with pytest.raises(DataError, match="table pupils: the postgresql database") as caught:
        adapter({"kind": "sql", "url_env": "SCHOOL_URL"}, tmp_path).read()
    message = str(caught.value)
    assert "\n" not in message
    assert not any(secret in message for secret in ("mule", "tester", "127.0.0.1"))
