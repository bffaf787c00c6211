"""What the page does not say, so that nobody reads more into it than it holds."""

from __future__ import annotations

from server.report.contract import Report
from server.report.pieces import Block, Points
from server.report.words import Words

ORDER = 110


def blocks(report: Report, words: Words) -> list[Block]:
    """The limits that hold for every run, and those that hold for this one."""
    if report.metrics.federated is None:
        return []
    said = ["target", "cause", "enrolments", "small", "fair"]
    if report.metrics.pooled is None and report.metrics.local is None:
        said.append("no_baselines")
    if report.job.federation == "simulation":
        said.append("simulation")
    if report.job.data == "province":
        said.append("province")
    return [Points([words(key) for key in said])]
