"""What `--help` says: whole, square brackets included."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from edufed.cli import app


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("check-site", "[out=DIR]"),
        ("predict", "[language=zh]"),
        ("ledger", "[close=JOB]"),
        ("keys", "edufed keys request site=NAME"),
        ("run", "edufed run resume=JOB"),
    ],
)
def test_help_shows_optional_settings(command: str, says: str) -> None:
    found = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert found.exit_code == 0
    assert says in found.output
