"""The findings of `edufed evaluate-alerts` in words, English and Chinese."""

from __future__ import annotations

from typing import Any

from edufed.cli.site_report import Section

_WORDS: dict[str, tuple[str, str]] = {
    "title": (
        "What became of learners who were contacted",
        "被联系的学习者后来怎样",
    ),
    "counts": (
        "{alerts} alerts, {contacted} of them followed by an action. {compared} have a known"
        " outcome and are compared: {compared_contacted} contacted, {others} not.",
        "{alerts} 条预警，其中 {contacted} 条之后有行动。{compared} 条的结果已知并参加比较："
        "{compared_contacted} 条已联系，{others} 条未联系。",
    ),
    "left": (
        "Left out: {no_outcome} alerts without an outcome ({no_outcome_contacted} of them"
        " contacted), {repeated_alerts} repeated alerts, {actions_without_alert} actions without"
        " an alert.",
        "未计入：{no_outcome} 条没有结果的预警（其中 {no_outcome_contacted} 条已联系），"
        "{repeated_alerts} 条重复的预警，{actions_without_alert} 条没有预警的行动。",
    ),
    "table": ("Outcome that was warned of", "预警所指的结果"),
    "head.how": ("comparison", "比较方式"),
    "head.contacted": ("contacted", "已联系"),
    "head.others": ("not contacted", "未联系"),
    "head.gap": ("difference, points", "差（百分点）"),
    "head.interval": ("95% interval", "95% 区间"),
    "unadjusted": ("as they are", "未调整"),
    "adjusted": ("at like risk, all alerts", "同等风险，全部预警"),
    "on_contacted": ("at like risk, the contacted", "同等风险，已联系者"),
    "to": ("{low} to {high}", "{low} 至 {high}"),
    "fewer": (
        "At like risk, the outcome was rarer among contacted learners, by {gap} percentage points"
        " ({interval}).",
        "在同等风险下，被联系者出现该结果的比例低 {gap} 个百分点（{interval}）。",
    ),
    "more": (
        "At like risk, the outcome was more frequent among contacted learners, by {gap} percentage"
        " points ({interval}).",
        "在同等风险下，被联系者出现该结果的比例高 {gap} 个百分点（{interval}）。",
    ),
    "unclear": (
        "At like risk, the outcome was about as frequent among contacted learners as among the"
        " others: the interval of the difference, in percentage points ({interval}), holds zero.",
        "在同等风险下，被联系者与其他人出现该结果的比例没有明显差别：差的区间（{interval}，百分点）包含零。",
    ),
    "none": (
        "No stratum of risk holds both contacted and other learners: at like risk nobody can be"
        " compared.",
        "没有一个风险层同时有已联系和未联系的学习者：同等风险下无从比较。",
    ),
    "overlap": (
        "Strata that hold both kinds have {overlap} of the alerts; the others take no part.",
        "同时有两类学习者的风险层占预警的 {overlap}；其余不参加比较。",
    ),
    "caution": ("Read this before acting on it", "据此行动之前请先读"),
    "caution.cause": (
        "This is a comparison, not a proof of effect. Who was contacted was not drawn by lot:"
        " teachers know more than the risk, and those who answer a call differ from those who do"
        " not. Adjusting for risk takes away what the risk explains, and nothing else.",
        "这是比较，不是效果的证明。联系谁并非抽签决定：教师知道的比风险值多，接听的人与不接听的人也"
        "不同。按风险调整只去掉风险值所能解释的部分，别的去不掉。",
    ),
    "caution.e_value": (
        "Something unmeasured that makes both contact and the outcome {e_value} times as likely, at"
        " like risk, could explain the adjusted difference away (E-value). The closer to 1, the"
        " less it takes.",
        "若有某个未测量的因素，在同等风险下使被联系与出现该结果的可能性都变为 {e_value} 倍，就足以"
        "解释掉调整后的差异（E 值）。越接近 1，所需越少。",
    ),
    "caution.missing": (
        "Learners without a known outcome are not in it. If contact decides whose outcome becomes"
        " known, the comparison is off.",
        "结果未知的学习者不在其中。若是否联系影响到谁的结果被知晓，比较就会有偏差。",
    ),
    "caution.lot": (
        "To learn whether contact helps, draw by lot whom to contact first, where not all can be"
        " contacted.",
        "想知道联系是否有用：在无法全部联系时，用抽签决定先联系谁。",
    ),
    "strata": ("By risk, from low to high", "按风险，由低到高"),
    "head.stratum": ("stratum", "层"),
    "head.risk": ("risk", "风险"),
    "head.n": ("learners", "人数"),
    "head.rate": ("outcome", "结果"),
    "not_compared": ("not compared", "未比较"),
    "compared": ("compared", "参加比较"),
}


def evaluation(found: dict[str, Any], language: str) -> list[Section]:
    """Say what `edufed.cli.evaluate_alerts.evaluate` found, in "en" or "zh"."""

    def say(key: str, **values: Any) -> str:
        return _WORDS[key][language == "zh"].format(**values)

    def between(low: float, high: float) -> str:
        return say("to", low=_signed(low), high=_signed(high))

    counts = found["counts"]
    others = counts["compared"] - counts["compared_contacted"]
    adjusted = found["adjusted"]
    rows = [tuple(say(f"head.{key}") for key in ("how", "contacted", "others", "gap", "interval"))]
    for name in ("unadjusted", "adjusted", "on_contacted"):
        row = found[name]
        if row is not None:
            rates = (_percent(row["contacted"]), _percent(row["others"]))
            interval = between(row["low"], row["high"])
            rows.append((say(name), *rates, _signed(row["gap"]), interval))
    verdict = say("none")
    if adjusted is not None:
        low, high = adjusted["low"], adjusted["high"]
        key = "fewer" if high < 0 else "more" if low > 0 else "unclear"
        verdict = say(key, gap=f"{abs(adjusted['gap']) * 100:.1f}", interval=between(low, high))
    caution = [say("caution.cause")]
    if found["e_value"] is not None:
        caution.append(say("caution.e_value", e_value=f"{found['e_value']:.2f}"))
    caution += [say("caution.missing"), say("caution.lot")]
    keys = ("stratum", "risk", "contacted", "others", "contacted", "others")
    header = [say(f"head.{key}") for key in keys]
    for place, unit in ((2, "n"), (3, "n"), (4, "rate"), (5, "rate")):
        header[place] += f" ({say(f'head.{unit}')})"
    strata = [(*header, "")] + [
        (
            str(row["stratum"]),
            f"{row['risk_low']:.2f}–{row['risk_high']:.2f}",
            str(row["contacted"]),
            str(row["others"]),
            _percent(row["rate_contacted"]),
            _percent(row["rate_others"]),
            say("compared" if row["compared"] else "not_compared"),
        )
        for row in found["strata"]
    ]
    overlap = say("overlap", overlap=_percent(found["overlap"]))
    return [
        Section(
            say("title"), lines=(say("counts", others=others, **counts), say("left", **counts))
        ),
        Section(say("table"), rows[0], tuple(rows[1:]), (verdict, overlap)),
        Section(say("caution"), lines=tuple(caution)),
        Section(say("strata"), strata[0], tuple(strata[1:])),
    ]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f}%"


def _signed(value: float) -> str:
    return f"{value * 100:+.1f}"
