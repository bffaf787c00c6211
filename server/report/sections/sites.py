"""How well the model does at each site, and what each site gains over training alone."""

from __future__ import annotations

from server.report import canvas, compare, plots
from server.report.contract import Report, Site
from server.report.figures import count, score, signed
from server.report.pieces import Block, Figure, Figures, Prose, Table
from server.report.words import Words

ORDER = 20
_SHOWN = 40  # more rows than this are no plot to read; the table has all


def blocks(report: Report, words: Words) -> list[Block]:
    """The dot plot, gain against size, and the table of sites."""
    if not report.sites or report.job.task in report.more:
        return []  # a task with a section of its own tells its sites apart there
    ranked = sorted(report.sites, key=_rank)
    worst = report.worst_site.site if report.worst_site else None
    made: list[Block] = [Prose(words("lead" if len(ranked) > 1 else "lead.one"))]
    drawn = [site for site in ranked if compare.roc_auc(site.federated) is not None]
    figures = []
    if drawn:
        figures.append(_dots(report, drawn, worst, words))
    if sum(compare.gain_at(site) is not None and bool(site.n_train) for site in drawn) > 2:
        figures.append(_gains(drawn, worst, words))
    if figures:
        made.append(Figures(figures))
    made.append(_table(ranked, worst, words))
    return made


def _rank(site: Site) -> tuple[bool, float, str]:
    auc = compare.roc_auc(site.federated)
    return (auc is None, -(auc or 0), site.site)


def _dots(report: Report, drawn: list[Site], worst: str | None, words: Words) -> Figure:
    kept = drawn[-_SHOWN:]
    rows = [
        plots.Row(
            site.site,
            compare.roc_auc(site.federated),
            compare.roc_auc(site.local),
            compare.roc_auc(site.pooled),
            words("lowest") if site.site == worst and len(drawn) > 1 else "",
        )
        for site in kept
    ]
    overall = compare.roc_auc(report.metrics.federated)
    legend = [("dot-federated", words("federated"))]
    if any(row.local is not None for row in rows):
        legend.append(("diamond-local", words("local")))
    if any(row.pooled is not None for row in rows):
        legend.append(("bar-pooled", words("pooled")))
    alt = words("dots.alt", n=len(rows), low=rows[-1].name, high=rows[0].name)
    line = (
        None
        if overall is None or len(drawn) < 2
        else (overall, words("overall", auc=score(overall)))
    )
    note = words("dots.part", shown=len(kept), n=len(drawn)) if len(kept) < len(drawn) else ""
    svg = plots.dots("sites", alt, rows, words("roc_auc"), line)
    return Figure(words("dots.title"), svg, legend, note)


def _gains(drawn: list[Site], worst: str | None, words: Words) -> Figure:
    kept = [site for site in drawn if compare.gain_at(site) is not None and site.n_train]
    gains = [compare.gain_at(site) or 0.0 for site in kept]
    sizes = [float(site.n_train or 0) for site in kept]
    named = {gains.index(max(gains)), gains.index(min(gains)), sizes.index(max(sizes))}
    labels = [
        canvas.shorten(site.site, 180) if place in named or site.site == worst else ""
        for place, site in enumerate(kept)
    ]
    frame = plots.Frame(
        words("gains.x"),
        words("gains.y"),
        x_whole=True,
        x_log=max(sizes) > 8 * min(sizes),
        height=340,
    )
    svg = plots.points(
        "gains", words("gains.alt", n=len(kept)), sizes, gains, labels, "federated", frame
    )
    return Figure(words("gains.title"), svg, (), words("gains.note"))


def _table(ranked: list[Site], worst: str | None, words: Words) -> Table:
    pooled = any(compare.roc_auc(site.pooled) is not None for site in ranked)
    rows = [
        [
            site.site,
            words.name("status", site.status or "–"),
            count(site.n_train),
            count(site.n_test),
            score(compare.roc_auc(site.federated)),
            score(compare.roc_auc(site.local)),
            signed(compare.gain_at(site)),
            *([score(compare.roc_auc(site.pooled))] if pooled else []),
        ]
        for site in ranked
    ]
    head = [
        "site",
        "status",
        "n_train",
        "n_test",
        "federated",
        "local",
        "gain",
        *(["pooled"] if pooled else []),
    ]
    marked = next((i for i, site in enumerate(ranked) if site.site == worst), None)
    return Table(
        words("caption" if marked is not None and len(ranked) > 1 else "caption.plain"),
        [words(key) for key in head],
        rows,
        texts=2,
        marked=marked if len(ranked) > 1 else None,
        folded=len(rows) > _SHOWN,
    )
