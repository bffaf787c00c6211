"""Files as platforms really export them."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from data_adapters.base import open_adapter
from edufed.records import DataError, LearningRecords

VISITS = "pupil;page;day\n007;Geometrie für Anfänger;1,5\n8;b;\n"


def read(folder: Path, name: str, columns: dict | None = None, **source: object) -> LearningRecords:
    columns = columns or {
        "learner_id": "pupil",
        "resource_id": "page",
        "course_id": {"constant": "c"},
        "time": {"column": "day", "decimal": ","},
    }
    settings = {
        "name": "mooc",
        "source": {"kind": "files", **source},
        "tables": {"events": {"from": name, "columns": columns}},
    }
    return open_adapter(settings, folder).read()


def events(records: LearningRecords) -> list[tuple]:
    return records.connection.execute(
        "SELECT learner_id, resource_id, time FROM events ORDER BY ALL"
    ).fetchall()


EXPECTED = [("007", "Geometrie für Anfänger", 1.5), ("8", "b", None)]


@pytest.mark.parametrize(
    ("encoding", "source"),
    [
        ("utf-8", {}),
        ("utf-8-sig", {}),
        ("utf-8", {"delimiter": ";"}),
        ("latin-1", {"encoding": "latin-1", "delimiter": ";"}),
        ("utf-16", {"encoding": "utf-16", "delimiter": ";"}),
    ],
)
def test_csv_of_any_dialect(encoding: str, source: dict, tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(VISITS, encoding=encoding)
    assert events(read(tmp_path, "v.csv", **source)) == EXPECTED


def test_ids_keep_their_zeros_and_are_never_guessed_to_be_numbers(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("pupil;page;day\n007;1e5;3\n010;2;4\n")
    assert events(read(tmp_path, "v.csv")) == [("007", "1e5", 3.0), ("010", "2", 4.0)]


def test_gzipped_csv(tmp_path: Path) -> None:
    (tmp_path / "v.csv.gz").write_bytes(gzip.compress(VISITS.encode("utf-8-sig")))
    assert events(read(tmp_path, "v.csv.gz")) == EXPECTED


def test_tab_separated(tmp_path: Path) -> None:
    (tmp_path / "v.tsv").write_text(VISITS.replace(";", "\t"))
    assert events(read(tmp_path, "v.tsv")) == EXPECTED


def test_quoted_fields(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text('pupil,page,day\n"7","a, ""b""\nand c",1\n" 8 ",,"2"\n')
    assert events(read(tmp_path, "v.csv")) == [("7", 'a, "b"\nand c', 1.0), ("8", None, 2.0)]


def test_words_for_missing(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("pupil;page;day\n7;NA;?\n8;x;3\n")
    records = read(tmp_path, "v.csv", missing=["NA", "?"])
    assert events(records) == [("7", None, None), ("8", "x", 3.0)]
    assert records.connection.execute("FROM source_warnings").fetchall() == []


def test_a_pattern_means_several_files_whose_columns_may_be_ordered_otherwise(
    tmp_path: Path,
) -> None:
    (tmp_path / "v-1.csv").write_text("pupil,page,day\n7,a,1\n")
    (tmp_path / "v-2.csv").write_text("day,pupil,page\n2,8,b\n3\n")
    records = read(tmp_path, "v-*.csv")
    assert events(records) == [("7", "a", 1.0), ("8", "b", 2.0)]
    assert records.connection.execute("SELECT rows FROM source_rejects").fetchall() == [(1,)]


def test_broken_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_bytes(
        b'pupil,page,day\r\n7,a,1\r\n8,b\r\n9,c,2,3\r\n10,"b\r\n""c",3\r\n11,d,4\r\n'
    )
    records = read(tmp_path, "v.csv")
    assert events(records) == [("10", 'b\r\n"c', 3.0), ("11", "d", 4.0), ("7", "a", 1.0)]
    rejects = records.connection.execute("FROM source_rejects ORDER BY reason").fetchall()
    assert rejects == [
        ("events", "line of the file: missing columns", 1),
        ("events", "line of the file: too many columns", 1),
    ]


def test_broken_lines_of_a_large_file(tmp_path: Path) -> None:
    """Whichever columns are read, and in however many pieces the file is."""
    rows = 400_000
    lines = "CASE WHEN i % 100 = 7 THEN '7,x' WHEN i % 100 = 8 THEN '7,x,1,2,3' ELSE"
    duckdb.execute(
        f"COPY (SELECT {lines} concat('7,', md5(i::VARCHAR), ',', i) END AS \"pupil,page,day\""
        f" FROM range({rows}) t(i)) TO '{tmp_path}/v.csv' (FORMAT csv, QUOTE '', DELIM '|')"
    )
    columns = {
        "learner_id": "pupil",
        "course_id": {"constant": "c"},
        "resource_id": "page",
        "time": {"constant": 1},
        "count": "day",
    }
    records = read(tmp_path, "v.csv", columns)
    good = rows * 98 // 100
    for column in ("*", "learner_id", "resource_id", '"count"', "time"):
        counted = records.connection.execute(
            f"SELECT count(*) FROM (SELECT {column} FROM events)"
        ).fetchone()
        assert counted == (good,)
    found = records.connection.execute(
        'SELECT count(DISTINCT resource_id), sum("count") FROM events'
    ).fetchone()
    expected = sum(i for i in range(rows) if i % 100 not in (7, 8))
    assert found == (good, expected)
    rejects = records.connection.execute("SELECT rows FROM source_rejects").fetchall()
    assert rejects == [(rows // 100,), (rows // 100,)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'7,"a"b,1\n8,b,2\n', r"v.csv: line 2 is broken \(unquoted value\)"),
        (b'7,"a,1\n8,b,2\n', r"v.csv: line 2 is broken \(unquoted value\)"),
        (b"7,a,1\r\n8,b,2\n", r"v.csv: (cannot be read to its end|its rows cannot be read)"),
    ],
)
def test_a_file_whose_rows_are_uncertain_is_an_error(
    content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "v.csv").write_bytes(b"pupil,page,day\n" + content)
    with pytest.raises(DataError, match=said):
        read(tmp_path, "v.csv").count("events")


def test_files_without_quotes(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text('pupil,page,day\n7,"a"b,1\n8,\'c",2\n')
    records = read(tmp_path, "v.csv", quote="")
    assert events(records) == [("7", '"a"b', 1.0), ("8", "'c\"", 2.0)]


def test_another_encoding_than_stated_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("pupil,page,day\n7,几何,1\n8,b,2\n", encoding="gb18030")
    records = read(tmp_path, "v.csv")
    with pytest.raises(DataError, match=r"v.csv: 1 lines are not utf-8; set source.encoding"):
        records.count("events")


def test_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text('day,Day, pupil ,"a\npage",\n1,2,7,b,c\n')
    columns = {
        "learner_id": "pupil",
        "resource_id": "a\npage",
        "verb": "column4",
        "course_id": {"constant": "c"},
        "time": "Day_1",
    }
    assert events(read(tmp_path, "v.csv", columns)) == [("7", "b", 2.0)]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    duckdb.execute(
        "COPY (SELECT 7.0 AS pupil, 'a' AS page, TIMESTAMPTZ '2024-09-02 12:00:00+00' AS day"
        f" UNION ALL SELECT NULL, 'b', NULL) TO '{tmp_path}/v.parquet'"
    )
    columns = {
        "learner_id": "pupil",
        "resource_id": "page",
        "course_id": {"constant": "c"},
        "time": {"column": "day", "origin": "2024-09-01"},
    }
    assert events(read(tmp_path, "v.parquet", columns)) == [("7", "a", 1.5), (None, "b", None)]


def test_rows_are_numbered_in_the_file_s_order(tmp_path: Path) -> None:
    rows = 300_000
    duckdb.execute(
        f"COPY (SELECT i AS n, repeat('x', 20) AS pad FROM range({rows}) t(i)) TO"
        f" '{tmp_path}/v.csv' (FORMAT csv)"
    )
    columns = {
        "learner_id": {"row_number": "p"},
        "course_id": {"constant": "c"},
        "time": {"constant": 0},
        "count": "n",
    }
    records = read(tmp_path, "v.csv", columns)
    wrong = records.connection.execute(
        "SELECT count(*) FROM events WHERE learner_id <> 'p' || CAST(count + 1 AS BIGINT)"
    ).fetchone()
    assert wrong == (0,)
    assert records.count("events") == rows


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_million_events_stream_in_little_memory(suffix: str, tmp_path: Path) -> None:
    duckdb.execute(
        "COPY (SELECT i % 5000 AS pupil, md5(i::VARCHAR) AS page, i / 20000 AS day"
        f" FROM range(1_000_000) t(i)) TO '{tmp_path}/v.{suffix}'"
    )
    columns = {
        "learner_id": "pupil",
        "resource_id": "page",
        "course_id": {"constant": "c"},
        "time": "day",
    }
    records = read(tmp_path, f"v.{suffix}", columns)
    # As a table this would need some 100 MB; nothing may spill to the disk either.
    records.connection.execute(
        "SET memory_limit = '60MB'; SET temp_directory = ''; SET threads = 2"
    )
    totals = records.connection.execute(
        "SELECT sum(n), count(*) FROM (SELECT learner_id, count(*) AS n FROM events"
        " WHERE time <= 25 GROUP BY learner_id)"
    ).fetchone()
    assert totals == (500_001, 5000)


REST = {"course_id": {"constant": "c"}, "time": {"constant": 0}}


def test_fingerprint_follows_file_and_mapping(tmp_path: Path) -> None:
    file = tmp_path / "v.csv"
    file.write_text(VISITS)
    first = read(tmp_path, "v.csv").fingerprint
    assert read(tmp_path, "v.csv").fingerprint == first
    assert read(tmp_path, "v.csv", delimiter=";").fingerprint != first
    assert read(tmp_path, "v.csv", {"learner_id": "pupil", **REST}).fingerprint != first
    file.write_text(VISITS + "9;c;3\n")
    assert read(tmp_path, "v.csv").fingerprint != first


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.csv", None, r"gone.csv: no such file"),
        ("gone-*.csv", None, r"gone-\*.csv: no such file"),
        ("v.xlsx", b"PK", r"v.xlsx: no kind of file that can be read"),
        ("v.parquet", b"not parquet, secret 4711", r"v.parquet: cannot be read as Parquet"),
        ("v.csv", b"", r"v.csv: empty; its first line must name its columns"),
        ("v.csv", "schüler;seite\n4711;2\n".encode("latin-1"), r"v.csv: the header is not utf-8"),
        ("v.csv", b"a;b\n4711;2\n", r"v.csv: no column 'pupil' \(for events.learner_id\)"),
        ("v.csv.gz", b"not gzipped 4711", r"v.csv.gz: cannot be read as CSV"),
    ],
)
def test_files_that_cannot_be_used(
    name: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path, name)
    assert "\n" not in str(caught.value)
    assert "4711" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
