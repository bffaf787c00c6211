"""All figures over all sites, by how the model was trained."""

from __future__ import annotations

from server.report.contract import Metrics, Report
from server.report.figures import DASH, percent, score
from server.report.pieces import Block, Points, Prose, Table
from server.report.words import Words

ORDER = 10


def blocks(report: Report, words: Words) -> list[Block]:
    """The table of metrics, and what each of them means."""
    found: list[tuple[str, Metrics | None]] = [
        (words("federated"), report.metrics.federated),
        (words("pooled"), report.metrics.pooled),
        (words("local_mean"), report.metrics.local),
    ]
    for name, baseline in (report.baselines or {}).items():
        if baseline is not None:
            found.append(
                (words("rule", name=words.name("baseline", baseline.name or name)), baseline)
            )
    rows = [
        [
            name,
            *(score(value) for value in (m.roc_auc, m.pr_auc, m.brier, m.ece)),
            *(percent(value, 1) for value in (m.precision_at_10, m.recall_at_10)),
        ]
        for name, m in found
        if m is not None
    ]
    if not rows or report.job.task in report.more:
        return []  # a task with a section of its own has its figures there
    head = ["way", "roc_auc", "pr_auc", "brier", "ece", "precision_at_10", "recall_at_10"]
    kept = [i for i, _ in enumerate(head) if i == 0 or any(row[i] != DASH for row in rows)]
    table = Table(
        words("caption"),
        [words(head[i]) for i in kept],
        [[row[i] for i in kept] for row in rows],
    )
    meanings = [words(f"about.{head[i]}") for i in kept[1:]]
    return [Prose(words("lead")), table, Points(meanings)]
