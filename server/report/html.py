"""The report as one page that loads nothing."""

from __future__ import annotations

from server.report.contract import Report
from server.report.map_page import render as render_map
from server.report.page import PAGE, fill_in
from server.report.sections import sections
from server.report.stylesheet import STYLESHEET
from server.report.summary import summary
from server.report.words import Language, Words


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
    return fill_in(
        PAGE,
        Words(language, "common"),
        summary(report, language),
        sections(report, language),
        stylesheet=STYLESHEET,
    )
