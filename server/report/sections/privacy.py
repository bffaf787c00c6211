"""What left the sites, which defences were on, and what each of them means."""

from __future__ import annotations

from pydantic import JsonValue

from server.report.contract import Report
from server.report.figures import DASH, count, duration, size
from server.report.pieces import Block, Points, Table
from server.report.words import Words

ORDER = 60
_COLUMNS = ("round", "site", "what", "mechanism", "kind", "epsilon", "delta")


def blocks(report: Report, words: Words) -> list[Block]:
    """Plain statements, then the ledger."""
    if report.metrics.federated is None and not report.rounds:
        return []  # nothing was trained, so nothing travelled
    privacy = report.privacy
    said = [words("stays")]
    if isinstance(privacy.he, dict) and "binary_digits" in privacy.he:
        said.append(_encrypted_sums(privacy.he, words))
    else:
        said.append(words("secagg.on" if privacy.secagg else "secagg.off"))
        if privacy.he:
            said.append(words("he.on"))
    if privacy.dp is None:
        said.append(words("dp.off"))
    else:
        dp = privacy.dp
        said.append(
            words(
                "dp.on",
                epsilon=_number(dp.epsilon),
                delta=_number(dp.delta),
                kind=words.name("dp_kind", dp.unit or dp.kind or DASH),
            )
        )
    if report.metrics.pooled is not None:
        said.append(words("research"))
    if report.job.federation == "simulation":
        said.append(words("simulation"))
    made: list[Block] = [Points(said)]
    if privacy.ledger:
        used = dict.fromkeys(key for entry in privacy.ledger for key in entry)
        keys = [key for key in _COLUMNS if key in used] + [
            key for key in used if key not in _COLUMNS
        ]
        rows = [[_cell(entry.get(key)) for key in keys] for entry in privacy.ledger]
        head = [words.name("ledger", key) for key in keys]
        made.append(Table(words("ledger"), head, rows, texts=len(keys), folded=len(rows) > 12))
    return made


def _encrypted_sums(said: dict[str, JsonValue], words: Words) -> str:
    """What encrypted sums hide, how exact they are, and what they cost."""
    figures = {key: value for key, value in said.items() if isinstance(value, int | float)}
    return words(
        "he.sums",
        error=f"{figures['largest_error_of_a_sum']:.1e}",
        sums=count(int(figures["sums"])),
        up=size(int(figures["bytes_up"])),
        down=size(int(figures["bytes_down"])),
        seconds=duration(figures["seconds"], words),
    )


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.3g}".replace("e-0", "e-")


def _cell(value: object) -> str:
    if value is None:
        return DASH
    return f"{value:.4g}" if isinstance(value, float) else str(value)
