"""The sections of the page, one module each, found by themselves and put in order.

To add one (`vertical`, `transfer`, `recommend`, ...), put three files in and edit none:

- `sections/NAME.py` with `ORDER`, a number that says where it stands, and
  `blocks(report, words) -> list[Block]`, which is empty where there is nothing to show. What a
  scenario added to the report is in `report.more["NAME"]`.
  A section that is named as the report's task may also have
  `headline(report, words) -> (title, lead, key figures)`, for the top of the page.
- `words/NAME.en.json` and `words/NAME.zh.json` with the same keys; `title` is the heading.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module

from server.report.contract import Report
from server.report.pieces import Block, KeyFigure, Section
from server.report.words import Language, Words

Renderer = Callable[[Report, Words], list[Block]]
#: Title, first sentences under their heads, and key figures.
Headline = Callable[[Report, Words], tuple[str, list[tuple[str, str]], list[KeyFigure]]]


@cache
def renderers() -> dict[str, Renderer]:
    """Section name -> what draws it, in the order of the page."""
    found = {
        module.name: import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    }
    ordered = sorted(found, key=lambda name: (found[name].ORDER, name))
    return {name: found[name].blocks for name in ordered}


def headline_of(report: Report) -> Headline | None:
    """What makes the top of the page for this report's task, where the task has its own."""
    task = report.job.task or ""
    if task not in report.more or task not in renderers():
        return None
    return getattr(import_module(f"{__name__}.{task}"), "headline", None)


def sections(report: Report, language: Language) -> list[Section]:
    """Every section that has something to show for this report."""
    made = []
    for name, blocks in renderers().items():
        words = Words(language, name)
        shown = blocks(report, words)
        if shown:
            made.append(Section(name, words("title"), shown))
    return made
