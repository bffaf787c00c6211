"""What the report's figures say against one another: plain arithmetic, no words."""

from __future__ import annotations

from dataclasses import dataclass

from server.report.contract import Metrics, Report, Site


@dataclass(frozen=True)
class Gain:
    """The federated model against each site's own, on that site's test learners.

    `mean` is the mean difference in ROC-AUC over the `sites` that have both; `better` counts
    those where the federated one is higher.
    """

    mean: float
    better: int
    sites: int


def roc_auc(metrics: Metrics | None) -> float | None:
    """The ROC-AUC, None where there are no metrics at all."""
    return None if metrics is None else metrics.roc_auc


def gain_at(site: Site) -> float | None:
    """ROC-AUC that a site gains over training alone."""
    together, alone = roc_auc(site.federated), roc_auc(site.local)
    return None if together is None or alone is None else together - alone


def gain(report: Report) -> Gain | None:
    """What sites gain over training alone; None where no site has both figures.

    Neither in a transfer job: there the section on transfer compares, label by label.
    """
    if report.job.scenario == "transfer":
        return None
    gains = [value for site in report.sites if (value := gain_at(site)) is not None]
    if not gains:
        return None
    return Gain(sum(gains) / len(gains), sum(value > 0 for value in gains), len(gains))


def against_pooled(report: Report) -> float | None:
    """Federated minus pooled ROC-AUC over all sites; None without a pooled model."""
    together, pooled = roc_auc(report.metrics.federated), roc_auc(report.metrics.pooled)
    return None if together is None or pooled is None else together - pooled


def took_part(report: Report) -> list[Site]:
    """The sites whose learners the model was trained or tested on."""
    refused = {refusal.site for refusal in report.refusals}
    return [
        site
        for site in report.sites
        if site.site not in refused and (site.n_train or site.federated is not None)
    ]


def learners(report: Report) -> tuple[int, int]:
    """How many learners the model was trained on and tested on; 0 where not known.

    The sites of a vertical job hold the same learners, so those are not added up.
    """
    sites = took_part(report)
    count = max if report.job.scenario == "vertical" else sum
    trained = count([site.n_train or 0 for site in sites] or [0])
    tested = count([site.n_test or 0 for site in sites] or [0])
    return trained, tested


def best_round(report: Report) -> int | None:
    """The round whose model was kept: as reported, else the one of lowest validation loss."""
    if report.totals.best_round is not None:
        return report.totals.best_round
    losses = [
        (entry.metrics.loss, entry.round)
        for entry in report.rounds
        if entry.metrics is not None and entry.metrics.loss is not None
    ]
    return min(losses)[1] if losses else None
