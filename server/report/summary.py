"""The top of the page, in plain words."""

from __future__ import annotations

from typing import Any, cast

from server.report import compare
from server.report.contract import Report
from server.report.figures import count, duration, in_hundred, score, signed
from server.report.pieces import KeyFigure, Summary
from server.report.sections import headline_of
from server.report.words import Language, Words


def summary(report: Report, language: Language) -> Summary:
    """What was trained, on whom, what it gains, where it is weakest, and what stayed private."""
    words = Words(language, "summary")
    own = headline_of(report)
    if own is not None:
        title, lead, figures = own(report, Words(language, str(report.job.task)))
        lead.append((words("head.privacy"), _privacy(report, words)))
        return Summary(title, _facts(report, words), lead, figures, notices_of(report, words))
    sites = compare.took_part(report)
    task = words.name("task", report.job.task or words("a_model"))
    trained = report.metrics.federated is not None
    title = words("title", n=count(len(sites)), task=task) if trained else words("none", task=task)
    if trained and (between := _transferred(report, words)):
        key = "title.transfer" if _used(report) else "title.target_only"
        title = words(key, task=task, **between)
    elif trained and (platforms := _platforms(report)):
        title = words("title.platforms", n=count(platforms), task=task)
    lead = _lead(report, words) if trained else [(words("head.about"), words("none_lead"))]
    vertical = report.more.get("vertical")
    if isinstance(vertical, dict) and isinstance(scored := vertical.get("scored"), int):
        title = words("scored", task=task, n=count(scored))
        lead = [(words("head.about"), words("scored_lead"))]
    return Summary(
        title, _facts(report, words), lead, _figures(report, words), notices_of(report, words)
    )


def _facts(report: Report, words: Words) -> str:
    job = report.job
    parts = [
        words.name("scenario", job.scenario) if job.scenario else "",
        words.name("data", job.data) if job.data else "",
        words.name("federation", job.federation) if job.federation else "",
        words("id", id=job.id) if job.id else "",
    ]
    return " · ".join(part for part in parts if part)


def _lead(report: Report, words: Words) -> list[tuple[str, str]]:
    parts = {
        "about": _about(report, words),
        "apart": _apart(report, words),
        "use": _use(report, words),
        "privacy": [_privacy(report, words)],
    }
    return [
        (words(f"head.{key}"), words("between").join(said)) for key, said in parts.items() if said
    ]


def _about(report: Report, words: Words) -> list[str]:
    """What was trained on whom, and how well it ranks."""
    said = []
    trained, tested = compare.learners(report)
    if between := _transferred(report, words):
        n = next((site.n_test for site in report.sites if site.federated is not None), None)
        key = "transferred" if _used(report) else "not_transferred"
        said.append(words(key, tested=count(n), **between))
    elif trained and (platforms := _platforms(report)):
        among = {"n": count(platforms), "learners": count(trained), "tested": count(tested)}
        said.append(words("trained.platforms", **among))
    elif trained:
        sites = count(len(compare.took_part(report)))
        said.append(words("trained", n=sites, learners=count(trained), tested=count(tested)))
    elif report.privacy.dp is not None and (about := report.privacy.dp.learners):
        sites = count(len(compare.took_part(report)))
        learners, tests = count(about.get("train")), count(about.get("test"))
        said.append(words("trained.noisy", n=sites, learners=learners, tested=tests))
    auc = compare.roc_auc(report.metrics.federated)
    if auc is not None:
        outcome = report.job.task if report.job.task == "early_warning" else "other"
        said.append(words(f"rank.{outcome}", hundred=in_hundred(auc), auc=score(auc)))
    return said


def _transferred(report: Report, words: Words) -> dict[str, str]:
    """From whom knowledge went to whom; empty where there was no transfer."""
    found = report.more.get("transfer")
    if not isinstance(found, dict):
        return {}
    sources = [str(name) for name in cast(list[str], found["sources"])]
    return {"sources": words.listed(sources), "target": str(found["target"])}


def _used(report: Report) -> bool:
    """Whether the target's gate let transfer through."""
    gate = cast(dict[str, Any], report.more["transfer"]).get("gate")
    return gate is None or gate["used"] == "transfer"


def _platforms(report: Report) -> int:
    """How many platforms trained one model of the same learners; 0 where sites have their own."""
    found = report.more.get("vertical")
    if not isinstance(found, dict) or not found.get("parties"):
        return 0
    return sum(site.status == "ok" for site in report.sites)


def _apart(report: Report, words: Words) -> list[str]:
    """What training together gains or costs, and where the model is weakest."""
    said = []
    gain = compare.gain(report)
    if gain:
        key = "gain" if gain.mean > 0 else "no_gain"
        key += ".platforms" if _platforms(report) else ""
        said.append(words(key, better=gain.better, sites=gain.sites, mean=score(abs(gain.mean))))
    gap = compare.against_pooled(report)
    if gap is not None:
        key = "pooled_same" if abs(gap) < 0.0005 else "pooled_below" if gap < 0 else "pooled_above"
        pooled = score(compare.roc_auc(report.metrics.pooled))
        said.append(words(key, pooled=pooled, gap=score(abs(gap))))
    worst = report.worst_site
    if worst is not None and len(compare.took_part(report)) > 1:
        said.append(words("worst", site=worst.site, auc=score(worst.roc_auc)))
    return said


def _use(report: Report, words: Words) -> list[str]:
    """What it means to contact the tenth with the highest risk."""
    federated = report.metrics.federated
    if federated is None or federated.precision_at_10 is None or federated.recall_at_10 is None:
        return []
    precision, recall = in_hundred(federated.precision_at_10), in_hundred(federated.recall_at_10)
    return [words("caseload", precision=precision, recall=recall)]


def _privacy(report: Report, words: Words) -> str:
    """One sentence; what each defence means is in the section on privacy."""
    privacy = report.privacy
    on = [words(key) for key in ("secagg", "he") if getattr(privacy, key)]
    if privacy.dp is not None:
        on.append(words("dp", epsilon=f"{privacy.dp.epsilon:.3g}" if privacy.dp.epsilon else "?"))
    key = "private" if on else "private_plain"
    return words(key, defences=words.listed(on))


def _figures(report: Report, words: Words) -> list[KeyFigure]:
    figures = []
    auc = compare.roc_auc(report.metrics.federated)
    if auc is not None:
        figures.append(KeyFigure(score(auc), words("key.auc"), words("key.auc_note")))
    gain = compare.gain(report)
    if gain:
        note = words("key.gain_note", better=gain.better, sites=gain.sites)
        said = words("key.gain")
        if _platforms(report):
            said, note = words("key.gain.platforms"), ""
        figures.append(KeyFigure(signed(gain.mean), said, note))
    gap = compare.against_pooled(report)
    if gap is not None:
        figures.append(KeyFigure(signed(gap), words("key.pooled"), words("key.pooled_note")))
    worst = report.worst_site
    if worst is not None and worst.roc_auc is not None:
        figures.append(KeyFigure(score(worst.roc_auc), words("key.worst"), worst.site))
    if report.totals.rounds:
        seconds = report.totals.seconds
        note = "" if seconds is None else words("key.rounds_note", time=duration(seconds, words))
        figures.append(KeyFigure(count(report.totals.rounds), words("key.rounds"), note))
    return figures


def notices_of(report: Report, words: Words) -> list[str]:
    """Warnings, and how many sites refused or were left out."""
    refused = {refusal.site for refusal in report.refusals}
    excluded = {exclusion.site for exclusion in report.exclusions}
    notices = list(report.warnings)
    if refused:
        notices.append(words("refused", n=count(len(refused))))
    if excluded:
        notices.append(words("excluded", n=count(len(excluded))))
    return notices
