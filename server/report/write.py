"""Put a report into a job's output folder, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from server.report.contract import Report
from server.report.html import render
from server.report.words import Language


class Written(NamedTuple):
    """Where the two files of a report are."""

    json: Path
    html: Path


def write_report(
    report: Report | Mapping[str, Any], folder: Path, language: Language = "en"
) -> Written:
    """Check `report` against the contract; write `report.json` and `report.html`.

    The same report gives the same bytes. `report.json` is written first, so that a run's
    figures are never lost to a fault in drawing them.

    Parameters
    ----------
    report : Report or mapping
        As in `server.report.contract`; a mapping may hold NumPy numbers and NaN.
    folder : pathlib.Path
        Made where it is absent.
    language : {"en", "zh"}
        Of the page; the JSON has none.

    Raises
    ------
    pydantic.ValidationError
        `report` does not keep the contract; nothing is written.
    """
    checked = Report.model_validate(report)
    folder.mkdir(parents=True, exist_ok=True)
    written = Written(folder / "report.json", folder / "report.html")
    _replace(written.json, checked.model_dump_json(indent=2) + "\n")
    _replace(written.html, render(checked, language))
    return written


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)  # mkstemp keeps its files to their owner; a report is to be read
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
