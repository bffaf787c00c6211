"""The report as one page that loads nothing."""

from __future__ import annotations

from jinja2 import DictLoader, Environment, StrictUndefined

from server.report.contract import Report
from server.report.map_page import render as render_map
from server.report.page import PAGE, SECTIONS
from server.report.sections import sections
from server.report.stylesheet import STYLESHEET
from server.report.summary import summary
from server.report.words import Language, Words

_TAGS = {"en": "en", "zh": "zh-Hans"}


def render(report: Report, language: Language = "en") -> str:
    """The page for one report: the same report gives the same text.

    Parameters
    ----------
    report : Report
    language : {"en", "zh"}
        Of all words that are the page's own; names and reasons stay as the sites gave them.
    """
    if "quality_map" in report.more:
        return render_map(report, language)
    environment = Environment(
        loader=DictLoader({"sections": SECTIONS}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(PAGE).render(
        tag=_TAGS[language],
        words=Words(language, "common"),
        summary=summary(report, language),
        sections=sections(report, language),
        stylesheet=STYLESHEET,
    )
