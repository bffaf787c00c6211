"""When a learner works: weeks back from the cutoff, sessions, gaps, regularity, recency."""

from __future__ import annotations

import math
from collections.abc import Iterable

from edufed.features.activity import EVENTS
from edufed.features.feature import Feature, Grid, Transform, Words

#: Weekly slots; the first is the seven days that end with the cutoff's day.
WEEKS = 9
#: Two events further apart than this belong to two sessions.
SESSION_PAUSE_S = 1800


def days_sql(cutoff: float) -> str:
    """SQL for one row per learner, course and active day.

    From the course's first day on with the week, counted back from the cutoff, and the gap since
    the active day before.
    """
    last = math.floor(cutoff)
    return f"""
        CREATE OR REPLACE TEMP TABLE at_cutoff_days AS
        SELECT row, day::INTEGER AS day, sum(count) AS clicks,
            CASE WHEN day >= 0 THEN ({last} - day) // 7 END AS back,
            CASE WHEN day >= 0 THEN day % 7 END AS weekday,
            day - lag(day) OVER (PARTITION BY row, day >= 0 ORDER BY day) AS gap
        FROM at_cutoff_events GROUP BY row, day
    """


def sessions_sql(within_days: bool) -> str:
    """SQL for sessions per row: runs of events without a long pause.

    Where all times are whole days these are the active days, counted without sorting events.
    """
    if not within_days:
        return "SELECT row, count(*) AS sessions FROM at_cutoff_days WHERE day >= 0 GROUP BY row"
    return f"""
        SELECT row, count(*) FILTER (pause_s IS NULL OR pause_s > {SESSION_PAUSE_S}) AS sessions
        FROM (
            SELECT row, second - lag(second) OVER (PARTITION BY row ORDER BY second) AS pause_s
            FROM at_cutoff_events WHERE day >= 0
        )
        GROUP BY row
    """


def rhythm_sql(cutoff: float, within_days: bool) -> str:
    """SQL for the family, one row per row of the population.

    Slots that lie wholly before the course's first day are unknown, not empty; days before it
    count in none of them.

    Parameters
    ----------
    cutoff : float
        Days after the course's first day.
    within_days : bool
        Whether some event's time is not a whole day.
    """
    last = math.floor(cutoff)
    weeks = min(WEEKS, last // 7 + 1)
    slots = range(weeks)
    sums = [
        *(f"coalesce(any_value(clicks) FILTER (back = {k}), 0) AS clicks_{k}" for k in slots),
        *(f"coalesce(any_value(days) FILTER (back = {k}), 0) AS days_{k}" for k in slots),
    ]
    by_weekday = [
        f"coalesce(any_value(clicks) FILTER (weekday = {k}), 0) AS weekday_{k}" for k in range(7)
    ]
    clicks = [f"clicks_{k}" for k in slots]
    days = [f"days_{k}" for k in slots]
    weekdays = [f"weekday_{k}" for k in range(7)]
    weekly = [f"{clicks[k] if k < weeks else 'NULL'} AS clicks_week_{k + 1}" for k in range(WEEKS)]
    return f"""
        WITH weeks AS (
            SELECT row, back, sum(clicks) AS clicks, count(*) AS days,
                min(day) AS first_day, max(day) AS last_day,
                max(gap) AS widest_gap, sum(gap::INTEGER * gap) AS squared_gaps
            FROM at_cutoff_days GROUP BY row, back
        ), sums AS (
            SELECT row, any_value("start") AS "start",
                {"".join(f"{column}, " for column in sums)}
                coalesce(sum(days) FILTER (back IS NOT NULL), 0) AS active_days,
                coalesce(sum(days) FILTER (back IS NULL), 0) AS days_before,
                coalesce(sum(clicks) FILTER (back IS NULL), 0) AS clicks_before,
                min(first_day) AS first_day, max(last_day) AS last_day,
                min(first_day) FILTER (back IS NOT NULL) AS first_since,
                max(last_day) FILTER (back IS NOT NULL) AS last_since,
                max(widest_gap) FILTER (back IS NOT NULL) AS widest_gap,
                sum(squared_gaps) FILTER (back IS NOT NULL) AS squared_gaps
            FROM at_cutoff_part LEFT JOIN weeks USING (row) GROUP BY row
        ), weekdays AS (
            SELECT row, {", ".join(by_weekday)}
            FROM at_cutoff_part
            LEFT JOIN (
                SELECT row, weekday, sum(clicks) AS clicks FROM at_cutoff_days GROUP BY row, weekday
            ) USING (row)
            GROUP BY row
        ), known AS (
            SELECT *,
                coalesce("start", 0) AS begun,
                CASE WHEN active_days > 1 THEN active_days - 1 END AS gaps
            FROM sums JOIN weekdays USING (row)
        )
        SELECT row, active_days, days_before, clicks_before, coalesce(sessions, 0) AS sessions,
            first_day AS first_visit,
            {", ".join(weekly)},
            {_total(clicks[:2])} AS clicks_last_2,
            {_total(clicks[:4])} AS clicks_last_4,
            {_total(days[:1])} AS days_last_1,
            {_total(days[:2])} AS days_last_2,
            {_total(days[:4])} AS days_last_4,
            {last} - coalesce(last_day, least(begun, {last})) AS recency_days,
            greatest(
                coalesce(first_since, {last}) - greatest(least(begun, {last}), 0),
                widest_gap,
                {last} - coalesce(last_since, {last})
            ) AS gap_longest,
            (last_since - first_since) / gaps AS gap_mean,
            CASE WHEN gaps IS NOT NULL THEN
                sqrt(greatest(squared_gaps / gaps - pow((last_since - first_since) / gaps, 2), 0))
            END AS gap_sd,
            {_entropy(weekdays)} AS weekday_entropy,
            {_entropy(clicks)} AS week_entropy,
            {_spread(days)} AS weekly_sd,
            {_active_share(days)} AS weeks_active,
            {_slope(days)} AS trend,
            {_change(clicks)} AS change
        FROM known LEFT JOIN ({sessions_sql(within_days)}) USING (row)
    """


def _total(columns: Iterable[str]) -> str:
    return " + ".join(columns) or "NULL"


def _entropy(columns: list[str]) -> str:
    """Shannon entropy of the columns' shares, 1 where all are equal; NULL where all are 0."""
    if len(columns) < 2:
        return "NULL"
    total = f"({_total(columns)})"
    terms = " + ".join(f"CASE WHEN {c} > 0 THEN {c} * ln({c}) ELSE 0 END" for c in columns)
    entropy = f"greatest(ln({total}) - ({terms}) / {total}, 0) / {math.log(len(columns))}"
    return f"CASE WHEN {total} > 0 THEN {entropy} END"


def _spread(columns: list[str]) -> str:
    """Population standard deviation over the columns; NULL for fewer than two."""
    if len(columns) < 2:
        return "NULL"
    n = len(columns)
    squares = " + ".join(f"{c} * {c}" for c in columns)
    return f"sqrt(greatest(({squares}) / {n} - pow(({_total(columns)}) / {n}, 2), 0))"


def _active_share(columns: list[str]) -> str:
    if not columns:
        return "NULL"
    return f"({' + '.join(f'({c} > 0)::INTEGER' for c in columns)}) / {len(columns)}"


def _slope(columns: list[str]) -> str:
    """Least-squares slope per week over the columns, latest first; NULL for fewer than three."""
    n = len(columns)
    if n < 3:
        return "NULL"
    centred = [(n - 1) / 2 - k for k in range(n)]
    terms = " + ".join(f"{w} * {c}" for w, c in zip(centred, columns, strict=True))
    return f"({terms}) / {sum(w * w for w in centred)}"


def _change(columns: list[str]) -> str:
    """Log ratio of the last two weeks to the two before; NULL for fewer than four."""
    if len(columns) < 4:
        return "NULL"
    return f"ln((1 + {_total(columns[:2])}) / (1 + {_total(columns[2:4])}))"


def _feature(
    name: str,
    group: str,
    unit: str,
    grid: Grid,
    transform: Transform,
    en: tuple[str, str, str],
    zh: tuple[str, str, str],
    indicator: bool = False,
) -> Feature:
    return Feature(
        name, group, unit, EVENTS, grid, transform, Words(*en), Words(*zh), indicator=indicator
    )


def _week(k: int) -> Feature:
    """Clicks in the k-th week back from the cutoff, 1 being the last."""
    en = "the last week" if k == 1 else f"week {k} counted back"
    zh = "最近一周" if k == 1 else f"倒数第{k}周"
    return _recent(f"clicks_week_{k}", "clicks", en, zh)


def _recent(name: str, unit: str, en: str, zh: str) -> Feature:
    """Clicks or active days in a time that ends with the cutoff, named in both languages."""
    clicks = unit == "clicks"
    what, what_zh = ("clicks", "点击次数") if clicks else ("active days", "活跃天数")
    return _feature(
        name,
        "week",
        unit,
        "count" if clicks else "days",
        "log1p" if clicks else "identity",
        (f"{what} in {en}", f"many {what} in {en}", f"few {what} in {en}"),
        (f"{zh}的{what_zh}", f"{zh}{what_zh}很多", f"{zh}{what_zh}很少"),
    )


FEATURES = (
    _feature(
        "active_days",
        "activity",
        "days",
        "days",
        "identity",
        ("active days", "many active days", "few active days so far"),
        ("活跃天数", "活跃天数很多", "活跃天数很少"),
    ),
    _feature(
        "clicks_before",
        "activity",
        "clicks",
        "count",
        "log1p",
        ("clicks before the start", "many clicks before the start", "few clicks before the start"),
        ("开课前的点击次数", "开课前点击很多", "开课前点击很少"),
    ),
    _feature(
        "days_before",
        "activity",
        "days",
        "days",
        "log1p",
        (
            "active days before the start",
            "many visits before the start",
            "no or few visits before the start",
        ),
        ("开课前活跃天数", "开课前访问很多", "开课前很少访问"),
    ),
    _feature(
        "sessions",
        "activity",
        "sessions",
        "count",
        "log1p",
        ("sessions", "many sessions", "few sessions so far"),
        ("学习次数", "学习次数很多", "学习次数很少"),
    ),
    _feature(
        "first_visit",
        "activity",
        "day of the course",
        "lead",
        "identity",
        ("day of the first visit", "first visit came late", "first visit came early"),
        ("首次访问日", "首次访问很晚", "首次访问很早"),
        indicator=True,
    ),
    *(_week(k) for k in range(1, WEEKS + 1)),
    _recent("clicks_last_2", "clicks", "the last two weeks", "最近两周"),
    _recent("clicks_last_4", "clicks", "the last four weeks", "最近四周"),
    _recent("days_last_1", "days", "the last week", "最近一周"),
    _recent("days_last_2", "days", "the last two weeks", "最近两周"),
    _recent("days_last_4", "days", "the last four weeks", "最近四周"),
    _feature(
        "recency_days",
        "recency",
        "days",
        "days",
        "log1p",
        ("days since the last visit", "no visit for many days", "visited very recently"),
        ("距上次访问的天数", "已多日没有访问", "最近刚访问过"),
    ),
    _feature(
        "gap_longest",
        "regularity",
        "days",
        "days",
        "log1p",
        ("longest break", "a long break without a visit", "no long break"),
        ("最长中断天数", "曾长时间没有访问", "没有长时间中断"),
    ),
    _feature(
        "gap_mean",
        "regularity",
        "days",
        "days",
        "log1p",
        ("mean days between visits", "visits are far apart", "visits are close together"),
        ("两次访问的平均间隔", "访问间隔很长", "访问间隔很短"),
        indicator=True,
    ),
    _feature(
        "gap_sd",
        "regularity",
        "days",
        "count",
        "log1p",
        ("spread of days between visits", "visits come unevenly", "visits come at even intervals"),
        ("访问间隔的波动", "访问间隔忽长忽短", "访问间隔均匀"),
    ),
    _feature(
        "weekday_entropy",
        "regularity",
        "0 to 1",
        "fraction",
        "identity",
        (
            "spread over the days of the week",
            "work scattered over all days of the week",
            "work crowded into few days of the week",
        ),
        ("一周内学习日的分散程度", "学习分散在一周各天", "学习集中在一周的少数几天"),
    ),
    _feature(
        "week_entropy",
        "regularity",
        "0 to 1",
        "fraction",
        "identity",
        (
            "spread over the weeks",
            "work spread evenly over the weeks",
            "work crowded into few weeks",
        ),
        ("各周学习的分散程度", "学习均匀分布在各周", "学习集中在少数几周"),
    ),
    _feature(
        "weekly_sd",
        "regularity",
        "days",
        "count",
        "identity",
        (
            "swing in active days from week to week",
            "active days swing from week to week",
            "the same few or many days every week",
        ),
        ("每周活跃天数的波动", "每周活跃天数忽多忽少", "每周活跃天数变化很小"),
    ),
    _feature(
        "weeks_active",
        "regularity",
        "share",
        "fraction",
        "identity",
        ("share of weeks with a visit", "a visit in most weeks", "weeks without any visit"),
        ("有访问的周占比", "多数周都有访问", "有些周完全没有访问"),
    ),
    _feature(
        "trend",
        "recency",
        "days per week, per week",
        "change",
        "identity",
        ("trend of active days", "active days are rising", "active days are falling"),
        ("活跃天数的趋势", "活跃天数在上升", "活跃天数在下降"),
    ),
    _feature(
        "change",
        "recency",
        "log ratio",
        "change",
        "identity",
        (
            "last two weeks against the two before",
            "more clicks than two weeks ago",
            "fewer clicks than two weeks ago",
        ),
        ("最近两周与前两周之比", "最近两周点击比之前多", "最近两周点击比之前少"),
    ),
)
