"""What differential privacy means in this run, what it cost, and what it keeps from the report."""

from __future__ import annotations

from server.report.contract import DifferentialPrivacy, NoisyAnswer, Report
from server.report.figures import DASH, count, score
from server.report.pieces import Block, Points, Prose, Table
from server.report.words import Words

ORDER = 62


def blocks(report: Report, words: Words) -> list[Block]:
    """The guarantee in words, the noise behind it, the scores that are released, what is null."""
    dp = report.privacy.dp
    if dp is None or not dp.entries:
        return []
    said = [words(f"kind.{dp.kind}")] if dp.kind in ("site", "sum") else []
    trains = any(entry.name == "training" for entry in dp.entries)
    said.append(
        words(
            "training" if trains else "answers",
            rate=_number(dp.sampling_rate),
            clip=_number(dp.clipping),
            noise=_number(dp.noise_multiplier),
        )
    )
    said.append(words("accountant", accountant=(dp.accountant or DASH).upper()))
    said += _released(report, dp, words)
    made: list[Block] = [Prose(dp.words.get(words.language, words("lead"))), Points(said)]
    head = ["name", "noise", "rate", "steps", "clip", "epsilon"]
    rows = [_row(entry, words) for entry in dp.entries]
    made.append(Table(words("caption"), [words(key) for key in head], rows))
    reasons = [
        f"{getattr(part, words.language)} ({', '.join(part.fields)})" for part in dp.withheld
    ]
    return [*made, Prose(words("withheld")), Points(reasons)] if reasons else made


def _released(report: Report, dp: DifferentialPrivacy, words: Words) -> list[str]:
    if dp.released is None or dp.released.roc_auc is None:
        return []
    noise = dp.released.more.get("roc_auc_deviation")
    said = [
        words(
            "released",
            auc=score(dp.released.roc_auc),
            deviation=score(noise if isinstance(noise, float) else None),
        )
    ]
    federated = report.metrics.federated
    if federated is not None and federated.more.get("released") is False:
        said.append(words("beside", auc=score(federated.roc_auc)))
    return said


def _row(entry: NoisyAnswer, words: Words) -> list[str]:
    return [
        words.name("noisy_answer", entry.name),
        _number(entry.noise_multiplier),
        _number(entry.sampling_rate),
        count(entry.steps),
        _number(entry.clipping),
        _number(entry.epsilon),
    ]


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.3g}"
