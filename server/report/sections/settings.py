"""What was asked for: enough to run the same job again."""

from __future__ import annotations

import json

from pydantic import JsonValue

from server.report.contract import Report
from server.report.pieces import Block, Prose, Table
from server.report.sections import renderers
from server.report.words import Words

ORDER = 100
_ROWS = ("task", "scenario", "data", "model", "strategy", "federation", "id")


def blocks(report: Report, words: Words) -> list[Block]:
    """The job in a small table, its whole configuration folded below."""
    job = report.job
    known = [(key, getattr(job, key)) for key in _ROWS if getattr(job, key)]
    known += list(job.more.items())
    rows = [[words.name("setting", key), words.name(key, _text(value))] for key, value in known]
    made: list[Block] = [Table(words("caption"), [words("setting"), words("value")], rows, texts=2)]
    if job.config:
        flat = [[key, _text(value)] for key, value in _flat(job.config)]
        made.append(
            Table(words("config"), [words("setting"), words("value")], flat, 2, folded=True)
        )
    unseen = sorted(set(report.more) - set(renderers()))
    if unseen:
        made.append(Prose(words("unseen", keys=", ".join(unseen))))
    return made


def _flat(config: dict[str, JsonValue], before: str = "") -> list[tuple[str, JsonValue]]:
    """Nested settings as dotted names, as they are typed on the command line."""
    found: list[tuple[str, JsonValue]] = []
    for key, value in config.items():
        if isinstance(value, dict) and value:
            found += _flat(value, f"{before}{key}.")
        else:
            found.append((before + key, value))
    return found


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
