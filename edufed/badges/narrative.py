"""The evidence statement in words, in the statement's language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edufed.certify.statement import Coverage, Group, Statement

_WORDS = {
    "en": {
        "learner": "**{course}**: estimated probability of passing {estimate:.3f}, interval"
        " {low:.3f} to {high:.3f}; prediction set: {set}. Assessments handed in: {submitted}"
        " ({submitted_share:.0%} of those due), mean score {score_mean:.0%}.",
        "about": "Target: {target} {what} {how} {estimate_by}",
        "coverage": "Coverage: nominal {nominal:.1%}; achieved {overall} over all sites, {site} at"
        " {name}, {education} in education of the type {kind!r}, {earlier} with bounds from earlier"
        " courses.",
        "calibration": "Calibration: group {group!r}, {passed} learners who passed and {failed} who"
        " did not. {drawn}",
        "regions": "Coverage by region: {groups}.",
        "subgroups": "Coverage of groups at {name}: {groups}.",
        "made": "Model {model} ({strategy}, features {features}, SHA-256 {sha256}), job {job} of"
        " {created}, EduFed {edufed}; data {data}, version {version}. Privacy: {privacy}.",
        "decision": "Decided by {approver} on {time} under rules {rules!r}.",
        "found": "{group} {coverage:.1%} ({low:.1%} to {high:.1%}, n = {n})",
        "untold": "of too few learners to tell",
        "between": "; ",
    },
    "zh": {
        "learner": "**{course}**：估计的通过概率 {estimate:.3f}，区间 {low:.3f} 至 {high:.3f}；"
        "预测集合：{set}。已提交考核 {submitted} 项（占应交的 {submitted_share:.0%}），"
        "平均得分 {score_mean:.0%}。",
        "about": "目标：{target}{what}{how}{estimate_by}",
        "coverage": "覆盖率：名义值 {nominal:.1%}；实际：全部站点 {overall}，{name} {site}，"
        "教育类型 {kind!r} {education}，使用更早课程的界限 {earlier}。",
        "calibration": "校准：群体 {group!r}，通过者 {passed} 名，未通过者 {failed} 名。{drawn}",
        "regions": "各地区覆盖率：{groups}。",
        "subgroups": "{name} 各群体的覆盖率：{groups}。",
        "made": "模型 {model}（{strategy}，特征 {features}，SHA-256 {sha256}），{created} 的任务"
        " {job}，EduFed {edufed}；数据 {data}，版本 {version}。隐私：{privacy}。",
        "decision": "由 {approver} 于 {time} 依据规则 {rules!r} 决定。",
        "found": "{group} {coverage:.1%}（{low:.1%} 至 {high:.1%}，n = {n}）",
        "untold": "学习者太少，不予说明",
        "between": "；",
    },
}


def narrative(own: Mapping[str, Any], stated: Statement, decision: Mapping[str, Any]) -> str:
    """Write the statement in words, as Markdown.

    Parameters
    ----------
    own : mapping
        The learner's part: `course`, `estimate`, `interval`, `set`, and what was handed in.
    stated : Statement
    decision : mapping
        `approver`, `time` and `rules`.
    """
    words = _WORDS[stated.language]

    def achieved(found: Coverage | None) -> str:
        if found is None:
            return words["untold"]
        return words["found"].format(**{"group": "", **found.model_dump()}).strip()

    def groups(found: Sequence[Group]) -> str:
        return words["between"].join(achieved(group) for group in found)

    low, high = own["interval"]
    parts = [
        words["learner"].format(low=low, high=high, **own),
        words["about"].format(
            target=stated.target,
            what=stated.assessed_what,
            how=stated.assessed_how,
            estimate_by=stated.estimate_by,
        ),
        words["coverage"].format(
            nominal=stated.nominal,
            overall=achieved(stated.overall),
            site=achieved(stated.site),
            name=stated.issuing_site,
            education=achieved(stated.education),
            kind=stated.education_type,
            earlier=achieved(stated.earlier),
        ),
        words["calibration"].format(
            group=stated.calibration_group,
            passed=stated.calibration_passed,
            failed=stated.calibration_failed,
            drawn=stated.calibration_drawn,
        ),
    ]
    for key, found in (("regions", stated.regions), ("subgroups", stated.subgroups)):
        if found:
            parts.append(words[key].format(name=stated.issuing_site, groups=groups(found)))
    parts += [
        words["made"].format(
            model=stated.model,
            strategy=stated.strategy,
            features=stated.features_version,
            sha256=stated.model_sha256,
            job=stated.job,
            created=stated.created,
            edufed=stated.edufed,
            data=stated.data,
            version=stated.data_version,
            privacy=json.dumps(stated.privacy, sort_keys=True),
        ),
        words["decision"].format(**decision),
        "\n".join(f"- {text}" for text in stated.does_not_establish),
    ]
    return "\n\n".join(parts)
