"""What a learner handed in: scores, what is missing of what was due, and how early or late."""

from __future__ import annotations

from edufed.features.feature import Feature, Grid, Transform, Words

MARKS = ("outcomes.kind", "outcomes.time")
SCORES = (*MARKS, "outcomes.score")
DUE = (*MARKS, "outcomes.resource_id", "resources.course_id", "resources.due")


def outcomes_sql(cutoff: float) -> str:
    """SQL for one row per assessment handed in by the cutoff; of several tries the last.

    Scores and weights become millionths and times seconds, so that their sums are exact and the
    same in any order.
    """
    return f"""
        CREATE OR REPLACE TEMP TABLE at_cutoff_outcomes AS
        SELECT row, m.resource_id, "time",
            round(1e6 * score)::INTEGER AS score, round(1e6 * weight)::BIGINT AS weight,
            round(86400 * ("time" - due))::INTEGER AS late,
            row_number() OVER (PARTITION BY row ORDER BY "time", due, m.resource_id, score) AS place
        FROM (
            SELECT learner_id, course_id, resource_id, "time", score
            FROM all_outcomes WHERE kind = 'assessment' AND "time" <= {cutoff}
            QUALIFY resource_id IS NULL OR row_number() OVER (
                PARTITION BY learner_id, course_id, resource_id ORDER BY "time" DESC, score DESC
            ) = 1
        ) AS m
        JOIN at_cutoff_part USING (learner_id, course_id)
        LEFT JOIN (SELECT resource_id, due, weight FROM all_resources) AS r
            ON m.resource_id = r.resource_id
    """


def assessment_sql(cutoff: float) -> str:
    """SQL for the family, one row per row of the population."""
    return f"""
        WITH handed_in AS (
            SELECT row,
                count("time") AS submitted,
                sum(score) / count(score) / 1e6 AS score_mean,
                sum(score * weight) / nullif(sum(weight) FILTER (score IS NOT NULL), 0) / 1e6
                    AS score_weighted,
                arg_max(score, place) / 1e6 AS score_last,
                min(score) / 1e6 AS score_lowest,
                CASE WHEN count(score) > 1
                    THEN (arg_max(score, place) - arg_min(score, place)) / 1e6 END AS score_change,
                sum(late) / count(late) / 86400 AS lateness_days,
                count(*) FILTER (late > 0) / nullif(count(late), 0) AS late_share,
                -arg_max(late, place) / 86400 AS lead_last,
                {cutoff} - max("time") AS days_since_submission
            FROM at_cutoff_part LEFT JOIN at_cutoff_outcomes USING (row) GROUP BY row
        ), expected AS (
            SELECT row, count(*) AS due, count(m."time") AS met,
                sum(grade) / count(grade) / 1e6 AS score_of_due,
                sum(grade * r.weight) / nullif(sum(r.weight) FILTER (grade IS NOT NULL), 0) / 1e6
                    AS score_of_due_weighted
            FROM (
                SELECT row, resource_id, round(1e6 * weight)::BIGINT AS weight
                FROM at_cutoff_part JOIN all_resources USING (course_id)
                WHERE due <= {cutoff}
            ) AS r
            LEFT JOIN at_cutoff_outcomes AS m USING (row, resource_id),
            LATERAL (SELECT CASE WHEN m."time" IS NULL THEN 0 ELSE m.score END AS grade)
            GROUP BY row
        )
        SELECT * EXCLUDE (due, met), met / due AS submitted_share, due - met AS missed
        FROM handed_in LEFT JOIN expected USING (row)
    """


def _feature(
    name: str,
    unit: str,
    needs: tuple[str, ...],
    grid: Grid,
    transform: Transform,
    en: tuple[str, str, str],
    zh: tuple[str, str, str],
    indicator: bool = False,
    comparable: bool = False,
) -> Feature:
    return Feature(
        name,
        "assessment",
        unit,
        needs,
        grid,
        transform,
        Words(*en),
        Words(*zh),
        indicator=indicator,
        comparable=comparable,
    )


FEATURES = (
    _feature(
        "submitted",
        "assessments",
        MARKS,
        "count",
        "identity",
        ("assessments handed in", "many assessments handed in", "few assessments handed in"),
        ("已提交的作业数", "提交的作业很多", "提交的作业很少"),
        indicator=True,
    ),
    _feature(
        "submitted_share",
        "share of those due",
        DUE,
        "fraction",
        "identity",
        (
            "share of due assessments handed in",
            "all due assessments handed in",
            "due assessments not handed in",
        ),
        ("到期作业提交率", "到期作业都已提交", "有到期作业没有提交"),
        indicator=True,
        comparable=True,
    ),
    _feature(
        "missed",
        "assessments",
        DUE,
        "count",
        "identity",
        ("assessments missed", "assessments missed", "no assessment missed"),
        ("缺交的作业数", "有作业缺交", "没有缺交作业"),
    ),
    _feature(
        "score_mean",
        "share of full score",
        SCORES,
        "fraction",
        "identity",
        ("mean score", "a high mean score", "a low mean score"),
        ("平均成绩", "平均成绩较高", "平均成绩较低"),
        indicator=True,
        comparable=True,
    ),
    _feature(
        "score_weighted",
        "share of full score",
        (*SCORES, "outcomes.resource_id", "resources.weight"),
        "fraction",
        "identity",
        ("weighted mean score", "a high weighted score", "a low weighted score"),
        ("加权平均成绩", "加权成绩较高", "加权成绩较低"),
        indicator=True,
        comparable=True,
    ),
    _feature(
        "score_last",
        "share of full score",
        SCORES,
        "fraction",
        "identity",
        ("last score", "a high last score", "a low last score"),
        ("最近一次成绩", "最近一次成绩较高", "最近一次成绩较低"),
    ),
    _feature(
        "score_lowest",
        "share of full score",
        SCORES,
        "fraction",
        "identity",
        ("lowest score", "even the lowest score is high", "one very low score"),
        ("最低成绩", "最低成绩也较高", "曾有一次成绩很低"),
    ),
    _feature(
        "score_change",
        "share of full score",
        SCORES,
        "change",
        "identity",
        ("last score less the first", "scores are rising", "scores are falling"),
        ("最近与首次成绩之差", "成绩在上升", "成绩在下降"),
        indicator=True,
    ),
    _feature(
        "score_of_due",
        "share of full score",
        (*DUE, "outcomes.score"),
        "fraction",
        "identity",
        (
            "score over all due assessments",
            "a high score over all due assessments",
            "a low score over all due assessments, missed ones counted as 0",
        ),
        ("全部到期作业的得分", "全部到期作业得分较高", "全部到期作业得分较低（缺交记为0）"),
    ),
    _feature(
        "score_of_due_weighted",
        "share of full score",
        (*DUE, "outcomes.score", "resources.weight"),
        "fraction",
        "identity",
        (
            "weighted score over all due assessments",
            "a high weighted score over all due assessments",
            "a low weighted score over all due assessments, missed ones counted as 0",
        ),
        (
            "全部到期作业的加权得分",
            "全部到期作业加权得分较高",
            "全部到期作业加权得分较低（缺交记为0）",
        ),
        indicator=True,
    ),
    _feature(
        "lateness_days",
        "days after the due day",
        DUE,
        "lead",
        "identity",
        ("mean days late", "work handed in late", "work handed in well ahead"),
        ("平均迟交天数", "作业常迟交", "作业常提前提交"),
        indicator=True,
    ),
    _feature(
        "late_share",
        "share of those handed in",
        DUE,
        "fraction",
        "identity",
        ("share handed in late", "much handed in late", "little handed in late"),
        ("迟交比例", "迟交比例较高", "迟交比例较低"),
        comparable=True,
    ),
    _feature(
        "lead_last",
        "days before the due day",
        DUE,
        "lead",
        "identity",
        (
            "days to spare at the last assessment",
            "last assessment handed in well ahead",
            "last assessment handed in at the last moment or late",
        ),
        ("最近一次作业的提前天数", "最近一次作业提前很多提交", "最近一次作业临近截止或迟交"),
    ),
    _feature(
        "days_since_submission",
        "days",
        MARKS,
        "days",
        "log1p",
        (
            "days since the last assessment handed in",
            "nothing handed in for many days",
            "something handed in very recently",
        ),
        ("距上次提交作业的天数", "已多日没有提交作业", "最近刚提交过作业"),
        indicator=True,
    ),
)
