"""How good the recommendations are: the models compared, by course, by site."""

from __future__ import annotations

from typing import Any, cast

from server.report import plots
from server.report.contract import Report, Site
from server.report.figures import count, in_hundred, percent, score, signed, size
from server.report.pieces import Block, Figure, Figures, KeyFigure, Points, Prose, Table
from server.report.words import Words

ORDER = 25
#: Models that the page speaks of by name.
_RANKER, _EASE = "ranker", "ease"
_SHOWN = 40  # more rows than this are no plot to read; the table has all


def headline(report: Report, words: Words) -> tuple[str, list[tuple[str, str]], list[KeyFigure]]:
    """Title, first sentences and key figures of the page."""
    said = _said(report)
    if said.get("private"):
        return _private_headline(said, report, words)
    rows = {row["model"]: row for row in said["table"]}
    ranker, baseline = rows[_RANKER], rows[said["baseline"]]
    sites = [site for site in report.sites if site.federated is not None]
    title = words("headline", n=count(len(sites)))
    about = words(
        "about",
        courses=count(said["courses"]),
        learners=count(said["learners"]),
        horizon=f"{said['horizon_days']:g}",
        day=f"{said['cutoff_day']:g}",
        hundred=in_hundred(ranker["hr_at_10"]),
    )
    key = "gain" if (ranker["gain_low"] or 0) > 0 else "no_gain"
    apart = words(
        key,
        ndcg=score(ranker["ndcg_at_10"]),
        baseline=score(baseline["ndcg_at_10"]),
        gain=signed(ranker["gain"]),
        low=signed(ranker["gain_low"]),
        high=signed(ranker["gain_high"]),
        better=count(sum((row["gain_low"] or 0) > 0 for row in said["presentations"])),
        courses=count(len(said["presentations"])),
    )
    lead = [(words("head.about"), about), (words("head.apart"), apart + _rule(rows, said, words))]
    alone = rows.get("ease_alone")
    if alone is not None:
        ease = rows[_EASE]
        lead.append(
            (
                words("head.together"),
                words(
                    "together",
                    ease=score(ease["ndcg_at_10"]),
                    alone=score(alone["ndcg_at_10"]),
                    size=size(said["counting"]["bytes_up"]),
                ),
            )
        )
    figures = [
        KeyFigure(score(ranker["ndcg_at_10"]), words("key.ndcg"), words("key.ndcg_note")),
        KeyFigure(signed(ranker["gain"]), words("key.gain"), words("key.gain_note")),
        KeyFigure(percent(ranker["hr_at_10"]), words("key.hits"), words("key.hits_note")),
    ]
    worst = report.worst_site
    if worst is not None:
        value = cast(float, worst.more["ndcg_at_10"])
        figures.append(KeyFigure(score(value), words("key.worst"), worst.site))
    return title, lead, figures


def _private_headline(
    said: dict[str, Any], report: Report, words: Words
) -> tuple[str, list[tuple[str, str]], list[KeyFigure]]:
    """With differential privacy: the model that makes the lists, as noisy scores tell it."""
    row = next(row for row in said["table"] if row["model"] == said["listed"])
    dp = report.privacy.dp
    name = words.name("recommender", row["model"])
    about = words(
        "private.about",
        name=name,
        day=f"{said['cutoff_day']:g}",
        hundred=in_hundred(row["hr_at_10"]),
        horizon=f"{said['horizon_days']:g}",
        items=count(said["items"]),
    )
    title = words("private.headline", n=count(len(report.sites)))
    figures = [
        KeyFigure(score(row["ndcg_at_10"]), words("key.ndcg"), words("private.key_note")),
        KeyFigure(percent(row["hr_at_10"]), words("key.hits"), words("key.hits_note")),
    ]
    if dp is not None and dp.epsilon is not None:
        figures.append(KeyFigure(f"{dp.epsilon:.3g}", "ε", words("private.epsilon_note")))
    return title, [(words("head.about"), about)], figures


def _private_blocks(said: dict[str, Any], words: Words) -> list[Block]:
    """What noise left of the models, and how much of it there was."""
    rows = [
        [
            words.name("recommender", row["model"]),
            score(row["ndcg_at_10"]),
            _between(row["low"], row["high"], words),
            percent(row["hr_at_10"], 1),
        ]
        for row in sorted(said["table"], key=lambda row: -row["ndcg_at_10"])
    ]
    head = [words(key) for key in ("model", "ndcg", "interval", "hr")]
    noise = words(
        "private.noise",
        gram=f"{said['deviations']['gram']:.1f}",
        l2=f"{said['ease_l2']:.0f}",
        items=count(said["items"]),
    )
    return [
        Prose(words("private.lead", learners=count(said["learners"]))),
        Figures([_models(said, words)]),
        Table(words("private.caption"), head, rows, marked=0),
        Points([noise, words("private.cost")]),
    ]


def _rule(rows: dict[str, Any], said: dict[str, Any], words: Words) -> str:
    """Say which plain count is best, where it is not the one to be beaten."""
    plain = [rows[model] for model in ("begun_7", "used_14", "used_all")]
    best = max(plain, key=lambda row: row["ndcg_at_10"] or 0)
    if best["model"] == said["baseline"]:
        return ""
    name = words.name("recommender", best["model"])
    return words("sentence") + words("rule", name=name, ndcg=score(best["ndcg_at_10"]))


def blocks(report: Report, words: Words) -> list[Block]:
    """Models, courses and sites, each with a plot and a table."""
    if "recommend" not in report.more:
        return []
    said = _said(report)
    if said.get("private"):
        return _private_blocks(said, words)
    made: list[Block] = [
        Prose(words("lead", replicates=count(said["replicates"]))),
        Figures(
            [
                figure
                for figure in (
                    _models(said, words),
                    _courses(said, words),
                    _sites(report, words),
                )
                if figure is not None
            ]
        ),
        _model_table(said, words),
        Points([words(f"about.{key}") for key in ("ndcg", "hr", "coverage", "novelty")]),
        _course_table(said, words),
        _site_table(report, words),
    ]
    return made


def _said(report: Report) -> dict[str, Any]:
    return cast(dict[str, Any], report.more["recommend"])


def _models(said: dict[str, Any], words: Words) -> Figure:
    rows = sorted(said["table"], key=lambda row: -(row["ndcg_at_10"] or 0))
    svg = plots.bars(
        "recommend-models",
        words("models.alt"),
        [words.name("recommender", row["model"]) for row in rows],
        [row["ndcg_at_10"] for row in rows],
        [score(row["ndcg_at_10"]) for row in rows],
        "federated",
    )
    return Figure(words("models.title"), svg)


def _courses(said: dict[str, Any], words: Words) -> Figure | None:
    rows = [
        plots.Row(row["course"], row["ndcg_at_10"][_RANKER], row["ndcg_at_10"][said["baseline"]])
        for row in said["presentations"][:_SHOWN]
    ]
    if not rows:
        return None
    svg = plots.dots("recommend-courses", words("courses.alt"), rows, "NDCG@10", None)
    return Figure(words("courses.title"), svg, _legend(words))


def _sites(report: Report, words: Words) -> Figure | None:
    ranked = _ranked(report)
    drawn = [site for site in ranked if _ndcg(site.federated) is not None][-_SHOWN:]
    if not drawn:
        return None
    worst = report.worst_site.site if report.worst_site else None
    rows = [
        plots.Row(
            site.site,
            _ndcg(site.federated),
            _popular(site),
            marked=words("lowest") if site.site == worst and len(drawn) > 1 else "",
        )
        for site in drawn
    ]
    svg = plots.dots("recommend-sites", words("sites.alt"), rows, "NDCG@10", None)
    return Figure(words("sites.title"), svg, _legend(words))


def _legend(words: Words) -> list[tuple[str, str]]:
    return [("dot-federated", words("ranker")), ("diamond-local", words("baseline"))]


def _ranked(report: Report) -> list[Site]:
    def key(site: Site) -> tuple[bool, float, str]:
        value = _ndcg(site.federated)
        return value is None, -(value or 0), site.site

    return sorted(report.sites, key=key)


def _ndcg(metrics: Any) -> float | None:
    return None if metrics is None else cast(float | None, metrics.more.get("ndcg_at_10"))


def _popular(site: Site) -> float | None:
    found = cast(dict[str, Any] | None, site.more.get("popular"))
    return None if found is None else cast(float | None, found.get("ndcg_at_10"))


def _between(low: float | None, high: float | None, words: Words, sign: bool = False) -> str:
    write = signed if sign else score
    return words("between", low=write(low), high=write(high))


def _model_table(said: dict[str, Any], words: Words) -> Table:
    rows = [
        [
            words.name("recommender", row["model"]),
            score(row["ndcg_at_10"]),
            _between(row["low"], row["high"], words),
            _between(row["gain_low"], row["gain_high"], words, sign=True),
            percent(row["hr_at_10"], 1),
            percent(row["coverage"], 1),
            score(row["novelty"], 2),
        ]
        for row in said["table"]
    ]
    head = ["model", "ndcg", "interval", "gain_column", "hr", "coverage", "novelty"]
    return Table(words("models.caption"), [words(key) for key in head], rows, marked=0)


def _course_table(said: dict[str, Any], words: Words) -> Table:
    models = (_RANKER, "begun_7", said["baseline"], _EASE, "used_all")
    rows = [
        [
            row["course"],
            count(row["learners"]),
            count(row["resources"]),
            *(score(row["ndcg_at_10"][model]) for model in models),
            _between(row["gain_low"], row["gain_high"], words, sign=True),
        ]
        for row in said["presentations"]
    ]
    head = [
        *(words(key) for key in ("course", "learners", "resources")),
        *(words.name("recommender", model) for model in models),
        words("gain_column"),
    ]
    return Table(words("courses.caption"), head, rows, folded=len(rows) > _SHOWN)


def _site_table(report: Report, words: Words) -> Table:
    ranked = _ranked(report)
    worst = report.worst_site.site if report.worst_site else None
    rows = [
        [
            site.site,
            words.name("status", site.status or "–"),
            count(site.n_train),
            count(site.n_test),
            score(_ndcg(site.federated)),
            score(_popular(site)),
            score(_ndcg(site.local)),
        ]
        for site in ranked
    ]
    head = ["site", "status", "n_train", "n_test", "ranker", "baseline", "alone"]
    marked = next((i for i, site in enumerate(ranked) if site.site == worst), None)
    return Table(
        words("sites.caption"),
        [words(key) for key in head],
        rows,
        texts=2,
        marked=marked if len(ranked) > 1 else None,
        folded=len(rows) > _SHOWN,
    )
