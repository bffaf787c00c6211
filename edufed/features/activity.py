"""How much a learner does, and with what: events, by kind of resource."""

from __future__ import annotations

from edufed.features.feature import Feature, Words
from edufed.records import RESOURCE_KINDS

EVENTS = ("events.time",)
KINDS = ("events.time", "events.resource_id", "resources.kind")


def events_sql(cutoff: float) -> str:
    """SQL for one row per learner, course, day and kind of resource: the one scan of events.

    Rows after the cutoff are dropped before anything is joined. Sums stay exact in any order:
    counts are whole numbers, durations become whole milliseconds and scores millionths.
    """
    return f"""
        CREATE TEMP TABLE at_cutoff_cells AS
        SELECT row, day, kind, sum(count) AS clicks, count(*) AS events,
            sum(milliseconds) AS milliseconds,
            sum(score) AS score, count(score) AS scores, bool_or(within_day) AS within_day
        FROM (
            SELECT learner_id, course_id, resource_id, floor("time")::INTEGER AS day,
                coalesce(count, 1) AS count, round(1e3 * duration_s)::BIGINT AS milliseconds,
                round(1e6 * score)::BIGINT AS score, "time" <> floor("time") AS within_day
            FROM all_events WHERE "time" <= {cutoff}
        )
        JOIN at_cutoff_population USING (learner_id, course_id)
        LEFT JOIN (SELECT resource_id, kind FROM all_resources) USING (resource_id)
        GROUP BY ALL
    """


def resources_sql(cutoff: float) -> str:
    """SQL for one row per learner, course and resource opened: the second scan of events."""
    return f"""
        CREATE TEMP TABLE at_cutoff_opened AS
        SELECT row, resource_id, round(1e6 * max(progress))::BIGINT AS progress
        FROM (
            SELECT learner_id, course_id, resource_id, progress
            FROM all_events
            WHERE "time" >= 0 AND "time" <= {cutoff} AND resource_id IS NOT NULL
        )
        JOIN at_cutoff_population USING (learner_id, course_id)
        GROUP BY ALL
    """


def activity_sql() -> str:
    """SQL for the family, one row per row of the population."""
    kinds = ",\n".join(
        f"coalesce(sum(clicks) FILTER (day >= 0 AND kind = '{kind}'), 0) AS kind_{kind}"
        for kind in RESOURCE_KINDS
    )
    return f"""
        SELECT * FROM (
            SELECT row,
                coalesce(sum(clicks) FILTER (day >= 0), 0) AS clicks,
                coalesce(sum(events) FILTER (day >= 0), 0) AS events,
                coalesce(sum(clicks) FILTER (day < 0), 0) AS clicks_before,
                CASE WHEN count(*) FILTER (day >= 0) = 0 THEN 0
                    ELSE sum(milliseconds) FILTER (day >= 0) / 3.6e6 END AS hours,
                sum(score) / nullif(sum(scores), 0) / 1e6 AS activity_score,
                {kinds}
            FROM at_cutoff_population LEFT JOIN at_cutoff_cells USING (row) GROUP BY row
        )
        JOIN (
            SELECT row, count(resource_id) AS resources,
                sum(progress) / nullif(count(progress), 0) / 1e6 AS progress
            FROM at_cutoff_population LEFT JOIN at_cutoff_opened USING (row) GROUP BY row
        ) USING (row)
    """


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
        "clicks_before",
        "activity",
        "clicks",
        EVENTS,
        "count",
        "log1p",
        Words(
            "clicks before the start", "many clicks before the start", "few clicks before the start"
        ),
        Words("开课前的点击次数", "开课前点击很多", "开课前点击很少"),
    ),
    Feature(
        "resources",
        "activity",
        "resources",
        ("events.time", "events.resource_id"),
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
        ("events.time", "events.resource_id", "events.progress"),
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
