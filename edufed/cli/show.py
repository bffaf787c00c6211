"""What a person sees while a job runs, and at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

from edufed.cli.figures import figures_table, number, span
from edufed.cli.show_cold_start import print_cold_start
from server.progress import Progress, Step
from server.report.compare import gain
from server.report.contract import Metrics, Report


@contextmanager
def showing(console: Console) -> Iterator[Progress]:
    """Show a job's steps as they come: one live line a phase, or plain lines in a log."""
    if not console.is_terminal:
        yield lambda step: _plain(console, step)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[phase]:<11}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Bars(*columns, console=console) as bars:
        lines: dict[str, TaskID] = {}

        def show(step: Step) -> None:
            if step.phase in ("exclusion", "refusal"):
                console.print(step.text, style="yellow", highlight=False)
                return
            if step.phase not in lines:
                for line in lines.values():
                    bars.stop_task(line)
                lines[step.phase] = bars.add_task(step.text, total=None, phase=step.phase)
            bars.update(
                lines[step.phase],
                description=step.text,
                completed=step.done,
                total=step.total or None,
            )

        yield show


def _plain(console: Console, step: Step) -> None:
    count = f" [{step.done}/{step.total}]" if step.total else ""
    console.print(
        f"{step.phase}{count}: {step.text}", markup=False, highlight=False, soft_wrap=True
    )


def print_results(console: Console, report: Report) -> None:
    """Print the scores of the ways of training side by side, or what else the task found."""
    printers: dict[str | None, Callable[[Console, Report], None]] = {
        "recommend": print_recommend,
        "certify": print_certify,
        "quality_map": print_map,
        "cold_start": print_cold_start,
        "portrait": print_portrait,
    }
    if printer := printers.get(report.job.task):
        printer(console, report)
        return
    vertical = report.more.get("vertical")
    if isinstance(vertical, Mapping) and "scored" in vertical:
        missing = ", ".join(cast(list[str], vertical["missing"])) or "nobody"
        console.print(
            f"{vertical['scored']} learners scored, missing: {missing}; the list is at the label"
            f" party, in its state folder: predictions/{report.job.id}.csv",
            highlight=False,
            soft_wrap=True,
        )
        return
    table = figures_table(
        f"{report.job.task} on {report.job.data}, test learners",
        "trained",
        ["ROC-AUC", "PR-AUC", "Brier", "ECE", "recall, top 10 %"],
    )
    _row(table, "federated", report.metrics.federated)
    _row(table, "pooled", report.metrics.pooled)
    _row(table, "each site alone (mean)", report.metrics.local)
    for baseline in (report.baselines or {}).values():
        if baseline is not None:
            _row(table, baseline.name, baseline)
    console.print(table)
    # The table's "federated" is over all sites' learners at once, which no site's own model ranks.
    if gained := gain(report):
        console.print(
            f"at each site, against its own model: ROC-AUC {gained.mean:+.3f} on average,"
            f" higher at {gained.better} of {gained.sites}",
            highlight=False,
        )
    if report.worst_site is not None:
        console.print(
            f"worst site: {report.worst_site.site}, ROC-AUC {number(report.worst_site.roc_auc)}",
            highlight=False,
        )


def print_recommend(console: Console, report: Report) -> None:
    """Print the compared recommenders."""
    said = cast(dict[str, Any], report.more["recommend"])
    table = figures_table(
        f"recommend on {report.job.data}, mean over {said['courses']} courses",
        "model",
        ["NDCG@10", "95 %", "HR@10", "coverage", "novelty"],
    )
    for row in said["table"]:
        table.add_row(
            row["model"],
            number(row["ndcg_at_10"]),
            span(row["low"], row["high"]),
            *map(number, (row["hr_at_10"], row["coverage"], row["novelty"])),
        )
    console.print(table)
    if report.worst_site is not None:
        score = cast(float, report.worst_site.more["ndcg_at_10"])
        console.print(
            f"worst site: {report.worst_site.site}, NDCG@10 {number(score)}", highlight=False
        )


def print_portrait(console: Console, report: Report) -> None:
    """Print the clusterings that were tried, and whether one passed."""
    said = cast(dict[str, Any], report.more["portrait"])
    table = figures_table(
        f"portrait on {report.job.data}, {said['learners']:,} learners in courses",
        "clustering",
        ["stability", "replication", "eta² on test", "95 %", "ROC-AUC"],
    )
    for row in said["table"]:
        table.add_row(
            f"{row['name']} *" if row["chosen"] else row["name"],
            *map(number, (row["stability"], row["replication"], row["eta"])),
            span(row["eta_low"], row["eta_high"]),
            number(row["roc_auc"]),
        )
    console.print(table)
    verdict = f"{said['chosen']} passed" if said["accepted"] else "no clustering passed"
    console.print(f"{verdict}; tags per learner: edufed predict", highlight=False)


def print_certify(console: Console, report: Report) -> None:
    """Print coverage by region."""
    said = cast(dict[str, Any], report.more["certify"])
    table = figures_table(
        f"coverage on {report.job.data}, nominal {said['coverage']:g}",
        "region",
        ["learners", "coverage", "95 %", "by earlier courses", "abstained"],
        no_wrap=True,
    )
    rows = [{"site": "all", **said["overall"], "earlier": said["earlier"]["coverage"]}]
    for row in [*rows, *said["regions"]]:
        both = row["sets"]["both"] if row["sets"] else None
        table.add_row(
            row["site"],
            f"{row['n']:,}",
            number(row["coverage"]),
            span(row["low"], row["high"]),
            *map(number, (row["earlier"], both)),
        )
    console.print(table)
    console.print(
        f"within {100 * said['points']:g} points of nominal: {said['within']} of {said['told']}"
        f" regions; calibrated by earlier courses alone, {said['within_by_earlier']}",
        highlight=False,
    )


def print_map(console: Console, report: Report) -> None:
    """Print the means of the province and its regions."""
    told = cast(dict[str, Any], report.more["quality_map"])
    names = [measure["name"] for measure in told["measures"]]
    table = figures_table(
        "means; shrunken estimates with 95 % intervals are in the report",
        "unit",
        [name.replace("_", " ") for name in ("learners", *names)],
        no_wrap=True,
    )
    for unit in told["units"]:
        if unit["level"] in ("province", *told["levels"][:1]):
            figures = [unit["measures"][name] for name in names]
            means = ["–" if figure is None else _mean(figure["mean"]) for figure in figures]
            table.add_row(" / ".join(unit["path"]) or "all", f"{unit['learners']:,}", *means)
    console.print(table)


def _mean(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"


def _row(table: Table, name: str, metrics: Metrics | None) -> None:
    if metrics is not None:
        told = (metrics.roc_auc, metrics.pr_auc, metrics.brier, metrics.ece, metrics.recall_at_10)
        table.add_row(name, *map(number, told))
