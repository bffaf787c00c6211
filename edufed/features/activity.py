"""How much a learner does, and with what: events, by kind of resource."""

from __future__ import annotations

from collections.abc import Collection

from edufed.features.feature import Feature, Words
from edufed.records import RESOURCE_KINDS

EVENTS = ("events.time",)
OPENED = ("events.time", "events.resource_id")
KINDS = (*OPENED, "resources.kind")


#: Optional columns of events -> the whole numbers that stand for them, so that their sums, like
#: those of counts, are exact and the same in any order.
MEASURES = {
    "duration_s": "round(1e3 * duration_s)::BIGINT AS milliseconds",
    "score": "round(1e6 * score)::INTEGER AS score",
    "progress": "round(1e6 * progress)::INTEGER AS progress",
}


def events_sql(cutoff: float, columns: Collection[str]) -> str:
    """SQL for the events of these rows of the population, in numbers: the one scan of events.

    Rows after the cutoff are dropped before anything is joined.

    Parameters
    ----------
    cutoff : float
        Days after the course's first day.
    columns : collection of str
        Columns of events that the site has.
    """
    measures = "".join(f", {sql}" for column, sql in MEASURES.items() if column in columns)
    return f"""
        CREATE OR REPLACE TEMP TABLE at_cutoff_events AS
        SELECT row, floor("time")::SMALLINT AS day, round(86400 * "time")::INTEGER AS second,
            CASE WHEN resource_id IS NOT NULL THEN hash(resource_id) END AS resource,
            coalesce(count, 1) AS count{measures}
        FROM (SELECT * FROM all_events WHERE "time" <= {cutoff})
        JOIN at_cutoff_part USING (learner_id, course_id)
    """


def activity_sql() -> str:
    """SQL for the family but what is in `MEASURED_SQL`, one row per row of the population."""
    kinds = ",\n".join(
        f"coalesce(sum(clicks) FILTER (kind = '{kind}'), 0) AS kind_{kind}"
        for kind in RESOURCE_KINDS
    )
    return f"""
        SELECT row, count(resource) AS resources, {kinds},
            coalesce(sum(clicks), 0) AS clicks, coalesce(sum(events), 0) AS events
        FROM at_cutoff_part
        LEFT JOIN (
            SELECT row, resource, sum(count) AS clicks, count(*) AS events
            FROM at_cutoff_events WHERE day >= 0 GROUP BY row, resource
        ) USING (row)
        LEFT JOIN (SELECT hash(resource_id) AS resource, kind FROM all_resources) USING (resource)
        GROUP BY row
    """


#: SQL for the features that read an optional column of events, each one row per learner and
#: course; for sites that have the column.
MEASURED_SQL = {
    "hours": """
        SELECT row, CASE WHEN count(second) = 0 THEN 0 ELSE sum(milliseconds) / 3.6e6 END AS hours
        FROM at_cutoff_part
        LEFT JOIN (SELECT * FROM at_cutoff_events WHERE day >= 0) USING (row)
        GROUP BY row
    """,
    "progress": """
        SELECT row, sum(progress) / count(progress) / 1e6 AS progress
        FROM (
            SELECT row, max(progress) AS progress
            FROM at_cutoff_events WHERE day >= 0 AND resource IS NOT NULL GROUP BY row, resource
        )
        WHERE progress IS NOT NULL GROUP BY row
    """,
    "activity_score": """
        SELECT row, sum(score) / count(score) / 1e6 AS activity_score
        FROM at_cutoff_events WHERE score IS NOT NULL GROUP BY row
    """,
}


def _kind(kind: str, en: str, zh: str) -> Feature:
    return Feature(
        f"kind_{kind}",
        "kind",
        "clicks",
        KINDS,
        "count",
        "log1p",
        Words(f"clicks on {en}", f"many clicks on {en}", f"few clicks on {en}"),
        Words(f"{zh}的点击次数", f"{zh}点击很多", f"{zh}点击很少"),
        indicator=True,
    )


FEATURES = (
    Feature(
        "clicks",
        "activity",
        "clicks",
        EVENTS,
        "count",
        "log1p",
        Words("clicks since the start", "many clicks since the start", "few clicks so far"),
        Words("开课以来的点击次数", "开课以来点击很多", "开课以来点击很少"),
        indicator=True,
    ),
    Feature(
        "events",
        "activity",
        "log entries",
        EVENTS,
        "count",
        "log1p",
        Words("separate actions", "many separate actions", "few separate actions so far"),
        Words("操作次数", "操作次数很多", "操作次数很少"),
    ),
    Feature(
        "resources",
        "activity",
        "resources",
        OPENED,
        "count",
        "log1p",
        Words("resources opened", "many different resources opened", "few resources opened"),
        Words("打开过的资源数", "打开过的资源很多", "打开过的资源很少"),
        indicator=True,
    ),
    Feature(
        "hours",
        "activity",
        "hours",
        ("events.time", "events.duration_s"),
        "count",
        "log1p",
        Words("hours spent", "many hours spent", "few hours spent"),
        Words("学习时长", "学习时间很长", "学习时间很短"),
        indicator=True,
    ),
    Feature(
        "progress",
        "activity",
        "share",
        (*OPENED, "events.progress"),
        "fraction",
        "identity",
        Words(
            "progress in opened resources",
            "opened resources mostly finished",
            "opened resources left unfinished",
        ),
        Words("已打开资源的完成度", "打开的资源大多学完", "打开的资源大多没有学完"),
        indicator=True,
    ),
    Feature(
        "activity_score",
        "activity",
        "share of full score",
        ("events.time", "events.score"),
        "fraction",
        "identity",
        Words("score in exercises", "high scores in exercises", "low scores in exercises"),
        Words("练习得分", "练习得分较高", "练习得分较低"),
        indicator=True,
    ),
    _kind("home", "the course's home page", "课程主页"),
    _kind("content", "course content", "课程内容"),
    _kind("page", "course pages", "课程页面"),
    _kind("link", "links to other sites", "外部链接"),
    _kind("video", "videos", "视频"),
    _kind("live", "live classes", "直播课"),
    _kind("forum", "the forum", "论坛"),
    _kind("wiki", "the wiki", "维基"),
    _kind("quiz", "quizzes", "测验"),
    _kind("exercise", "exercises", "练习"),
    _kind("glossary", "the glossary", "术语表"),
    _kind("assessment", "assessments", "作业与考核"),
    _kind("other", "other resources", "其他资源"),
)
