"""What check-site says, in English and in Chinese."""

from __future__ import annotations

import re

WORDS = {
    "title": ("Data of site {site} ({adapter})", "站点 {site}（{adapter}）的数据"),
    "overview": ("Overview", "概况"),
    "rows": ("rows", "行数"),
    "rejected": ("rejected", "剔除"),
    "learners": ("learners", "学习者"),
    "courses": ("courses", "课程"),
    "days": ("days of events, after course start", "事件所在日（开课后第几天）"),
    "range": ("{first:g} to {last:g}", "{first:g} 至 {last:g}"),
    "none": ("none", "无"),
    "final": ("final results", "最终结果"),
    "balance": (
        "{passed:,} passed, {not_passed:,} not passed, {unknown:,} unknown",
        "通过 {passed:,}，未通过 {not_passed:,}，未知 {unknown:,}",
    ),
    "tables": ("Tables", "数据表"),
    "table": ("table", "表"),
    "duplicates": ("duplicates", "重复"),
    "missing_columns": ("missing columns", "缺少的列"),
    "gaps": ("Missing values", "缺失值"),
    "column": ("column", "列"),
    "absent": ("this table is missing", "缺少此表"),
    "reasons": ("Rejected rows", "被剔除的行"),
    "reason": ("reason", "原因"),
    "examples": ("for example", "例如"),
    "place": ("row {rows}", "第 {rows} 行"),
    "quarantine": (
        "The rows themselves are in the quarantine folder of the site's state.",
        "这些行保存在站点状态目录的 quarantine 文件夹中。",
    ),
    "no_rejects": ("No row was rejected.", "没有被剔除的行。"),
    "warnings": ("Values changed or taken as missing", "被改动或视为缺失的值"),
    "values": ("values", "值的个数"),
    "features": ("What a job could use", "任务可用的特征"),
    "group": ("features", "特征组"),
    "usable": ("usable", "可用"),
    "lacking": ("the others lack", "其余特征缺少"),
    "warning": ("Early warning on day {day}", "第 {day} 天的学业预警"),
    "eligible": ("enrolments open on that day", "当天在读的选课"),
    "at_risk": ("of them did not pass", "其中最终未通过"),
    "passed": ("of them passed", "其中最终通过"),
    "unknown": ("of them not known yet", "其中结果未知"),
    "verdict": ("Verdict", "结论"),
    "can_train": (
        "Both classes are there: the site can train and be evaluated.",
        "两类结果都有：该站点可以参与训练和评估。",
    ),
    "one_class": (
        "Final results of one class only: a job cannot be trained or evaluated on them.",
        "最终结果只有一类：无法据此训练或评估。",
    ),
    "no_labels": (
        "No final results: the site can supply features to others and score its learners, "
        "but not train alone or be evaluated.",
        "没有最终结果：该站点可以为其他方提供特征、为本站学习者评分，但不能单独训练或被评估。",
    ),
    "refused": ("The site's policy would refuse every job: {why}", "站点策略会拒绝所有任务：{why}"),
}

GROUPS_ZH = {
    "activity": "活动量",
    "kind": "资源类型",
    "week": "各周活动",
    "regularity": "规律性",
    "recency": "最近活动",
    "assessment": "作业与考核",
    "registration": "注册",
    "background": "背景",
    "load": "学业负担",
}

#: What the checks say of a column, in Chinese.
_REASONS_ZH = (
    (r"missing", "缺失"),
    (r"empty", "为空"),
    (r"not a number", "不是数字"),
    (r"not a whole number", "不是整数"),
    (r"not true or false", "不是真或假"),
    (r"not a date", "不是日期"),
    (r"outside (\S+) to (\S+)", r"不在 \1 与 \2 之间"),
    (r"below (\S+)", r"小于 \1"),
    (r"not one of (.+)", r"不是以下之一：\1"),
    (r"not of the form (.+)", r"不符合格式 \1"),
    (r"not among the learners", "学习者表中没有"),
    (r"given before", "前面已有"),
    (r"differs between presentations, the latest is kept", "各次开课不一致，保留最近一次"),
    (r"answer not among the published ones, taken as missing", "不是已公布的取值，视为缺失"),
)


def say(key: str, language: str, **values: object) -> str:
    """Return a phrase in "en" or "zh", its places filled."""
    return WORDS[key][language == "zh"].format(**values)


def say_reason(reason: str, language: str) -> str:
    """Return "column: what is wrong" in a language; what has no translation stays English."""
    column, separator, what = reason.partition(": ")
    if language == "zh":
        for pattern, translated in _REASONS_ZH:
            match = re.fullmatch(pattern, what)
            if match:
                what = match.expand(translated)
                break
    return f"{column}{separator}{what}"


def say_group(group: str, language: str) -> str:
    """Return the name of a group of features."""
    return GROUPS_ZH.get(group, group) if language == "zh" else group
