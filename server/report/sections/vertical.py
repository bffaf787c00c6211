"""Parties of a vertical job: what each brought, what together is worth, what attacks make of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from server.report.contract import Report
from server.report.figures import DASH, count, percent, score, signed, size
from server.report.pieces import Block, Points, Prose, Table
from server.report.words import Words

ORDER = 15


def blocks(report: Report, words: Words) -> list[Block]:
    """The parties, the gain over the label party alone, and the attacks that were tried."""
    found = report.more.get("vertical")
    if not isinstance(found, Mapping):
        return []
    vertical = cast(Mapping[str, Any], found)
    made: list[Block] = [
        Prose(words("lead", n=count(vertical.get("aligned")))),
        _parties(vertical, words),
    ]
    said = _gain(report, vertical, words)
    cost = vertical.get("alignment") or {}
    if cost.get("messages"):
        both = (cost.get("bytes_up") or 0) + (cost.get("bytes_down") or 0)
        said.append(words("alignment", n=count(cost["messages"]), size=size(both)))
    if said:
        made.append(Points(said))
    attacks = vertical.get("attacks")
    if isinstance(attacks, Mapping):
        made += _attacks(cast(Mapping[str, Any], attacks), words)
    return made


def _parties(vertical: Mapping[str, Any], words: Words) -> Table:
    rows = [
        [
            party["site"],
            words(party["role"]),
            count(party.get("features")),
            count(party.get("learners")),
            count(party.get("rows")),
        ]
        for party in vertical.get("parties", [])
    ]
    head = [words(key) for key in ("site", "role", "features", "learners", "rows")]
    return Table(words("parties"), head, rows, texts=2)


def _gain(report: Report, vertical: Mapping[str, Any], words: Words) -> list[str]:
    said = []
    alone = (vertical.get("label_party_alone") or {}).get("roc_auc")
    joint = report.metrics.federated.roc_auc if report.metrics.federated else None
    if alone is not None and joint is not None:
        gain = signed(joint - alone)
        said.append(words("gain", alone=score(alone), joint=score(joint), gain=gain))
    gap = vertical.get("loss_gap")
    if gap is not None:
        of = "gap.validation" if vertical.get("loss_of") == "validation" else "gap"
        said.append(words(of, gap=f"{gap:.1e}"))
    if vertical.get("products") == "dealt":
        said.append(words("dealt"))
    gradients = vertical.get("gradients")
    if gradients:
        said.append(words("gradients", clip=gradients["clip"], noise=gradients["noise_multiplier"]))
    return said


def _attacks(attacks: Mapping[str, Any], words: Words) -> list[Block]:
    kinds = ("norm", "direction", "clustering")
    inferred = dict(attacks.get("label_inference") or {})
    rows = [[name, *(score(of.get(kind)) for kind in kinds)] for name, of in inferred.items()]
    split = attacks.get("label_inference_split_learning")
    if split:
        rows.append([words("split"), *(score(split.get(kind)) for kind in kinds)])
    made: list[Block] = []
    if rows:
        head = [words("view"), *(words(kind) for kind in kinds)]
        made += [Prose(words("attacks.lead")), Table(words("inference"), head, rows)]
    half = attacks.get("label_inference_half_known")
    if half is not None:
        made.append(Points([words("half", found=score(half))]))
    completed = dict(attacks.get("model_completion") or {})
    if completed:
        keys = ("block", "completed", "without")
        labels = next((of.get("labels") for of in completed.values()), None)
        made.append(
            Table(
                words("completion", n=count(labels) if labels else DASH),
                [words("site"), *(words(key) for key in keys)],
                [[name, *(score(of.get(key)) for key in keys)] for name, of in completed.items()],
            )
        )
    rebuilt = attacks.get("feature_reconstruction")
    if rebuilt:
        values = {key: score(rebuilt.get(key), 2) for key in _REBUILT}
        share = percent(rebuilt.get("known_share"))
        made.append(Points([words("reconstruction", share=share, **values)]))
    return made


_REBUILT = ("own_mean", "own_highest", "seen_mean", "seen_highest")
