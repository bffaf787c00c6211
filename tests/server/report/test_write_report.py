from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from server.report import Report, write_report


def test_writes_both_files_and_nothing_else(minimal: dict[str, Any], tmp_path: Path) -> None:
    written = write_report(minimal, tmp_path / "new" / "run")
    assert sorted(path.name for path in written.json.parent.iterdir()) == [
        "report.html",
        "report.json",
    ]
    assert written.html.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Report.model_validate_json(written.json.read_bytes()) == Report.model_validate(minimal)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_same_report_same_bytes(
    full: dict[str, Any], pages: dict[str, str], tmp_path: Path, language: Any
) -> None:
    first = write_report(Report.model_validate(full), tmp_path / "a", language)
    assert (
        first.json.read_text("utf-8")
        == Report.model_validate(full).model_dump_json(indent=2) + "\n"
    )
    assert first.html.read_text("utf-8") == pages[language]


def test_json_is_strict(minimal: dict[str, Any], tmp_path: Path) -> None:
    minimal["totals"]["seconds"] = math.nan

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = write_report(minimal, tmp_path).json.read_text(encoding="utf-8")
    json.loads(text, parse_constant=refuse)


def test_a_bad_report_writes_nothing(full: dict[str, Any], tmp_path: Path) -> None:
    del full["totals"]
    with pytest.raises(ValidationError):
        write_report(full, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_failed_write_leaves_the_old_report(minimal: dict[str, Any], tmp_path: Path) -> None:
    before = write_report(minimal, tmp_path).json.read_bytes()
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match=r"report\.html"):
        write_report(minimal, tmp_path)
    assert (tmp_path / "report.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
