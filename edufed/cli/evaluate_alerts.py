"""`edufed evaluate-alerts`: what became of learners who were contacted, and of the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from edufed.acting.effect import Difference, compare
from edufed.acting.log import ACTIONS, ALERTS, OUTCOMES, Joined, checked, join, read_file, templates
from edufed.acting.table import read_table
from edufed.cli.alert_words import evaluation
from edufed.cli.arguments import keywords, language_of
from edufed.cli.site_report import as_markdown, print_report, write_files
from edufed.config import SettingsError
from edufed.config.lists import url_of
from edufed.records import DataError

_LOGS = {"alerts": ALERTS, "actions": ACTIONS, "outcomes": OUTCOMES}
#: Of the bootstrap.
_SEED = 1


def command(arguments: Sequence[str]) -> None:
    """Join the three logs, compare, print and write the findings; or write empty logs.

    Raises
    ------
    SettingsError
        An argument is wrong, or the folder cannot be written to.
    DataError
        A log cannot be read, lacks a column, contradicts itself, or leaves nothing to compare.
    """
    if any(argument.startswith("template=") for argument in arguments):
        given = keywords(arguments, ("alerts", "template"), ("url",))
        made = templates(_read(given, "alerts"))
        files = {f"{name}.csv": frame.to_csv(index=False) for name, frame in made.items()}
        write_files(Path(given["template"]), files)
        text = f"{len(made['actions'])} alerts: {given['template']}/actions.csv, outcomes.csv"
        Console(stderr=True).print(text, highlight=False, soft_wrap=True)
        return
    given = keywords(arguments, (*_LOGS, "out"), ("url", "language"))
    language = language_of(given)
    joined = join(*(_read(given, name) for name in _LOGS))
    found = evaluate(joined)
    report = evaluation(found, language)
    print_report(Console(), report)
    folder = Path(given["out"])
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    write_files(folder, {"evaluation.json": text + "\n", "evaluation.md": as_markdown(report)})
    Console(stderr=True).print(f"{folder / 'evaluation.md'}", highlight=False, soft_wrap=True)


def evaluate(joined: Joined) -> dict[str, Any]:
    """Compare contacted learners with the others.

    Returns
    -------
    dict
        ``counts`` as `Joined.counts`, with ``compared``; and `edufed.acting.effect.compare`.

    Raises
    ------
    DataError
        No alert with a known outcome is left, or all of them are of one kind.
    """
    n, contacted = len(joined.risk), int(joined.contacted.sum())
    if not n:
        raise DataError("alerts: none has a known outcome; are learner_id and course_id the same?")
    if contacted in (0, n):
        which = "every" if contacted else "no"
        raise DataError(
            f"actions: {which} alert with a known outcome was followed by one; there is nobody to"
            " compare with"
        )
    found = compare(
        joined.risk,
        joined.contacted,
        joined.outcome,
        joined.person,
        np.random.default_rng(_SEED),
    )
    counts = {**joined.counts, "compared": n, "compared_contacted": contacted}
    plain = {
        name: asdict(value) if isinstance(value, Difference) else value
        for name, value in found.items()
    }
    return {"counts": counts, **plain}


def _read(given: dict[str, str], name: str) -> pd.DataFrame:
    stated = given[name]
    if Path(stated).suffix in (".csv", ".parquet"):
        return read_file(Path(stated), _LOGS[name])
    if "url" not in given:
        raise SettingsError(f"{name}: give a .csv or .parquet file, or url=URL and a table's name")
    return checked(
        read_table(url_of(given["url"], "url", Path()), stated), _LOGS[name], f"table {stated}"
    )
