"""What is known before a learner does anything: registration, prior level, load, person."""

from __future__ import annotations

from edufed.features.feature import Feature, Grid, Transform, Words


def background_sql() -> str:
    """SQL for the families registration, background and load, one row per row of the population."""
    return """
        SELECT row,
            -"start" AS registration_lead,
            attempts,
            credits,
            education_level,
            regexp_extract(age_band, '^\\d+')::DOUBLE AS age,
            (gender = 'female')::INTEGER AS female,
            support_need::INTEGER AS support_need,
            means
        FROM at_cutoff_part LEFT JOIN all_learners USING (learner_id)
    """


def _feature(
    name: str,
    group: str,
    unit: str,
    needs: str,
    grid: Grid,
    transform: Transform,
    en: tuple[str, str, str],
    zh: tuple[str, str, str],
) -> Feature:
    return Feature(
        name,
        group,
        unit,
        (needs,),
        grid,
        transform,
        Words(*en),
        Words(*zh),
        indicator=True,
        comparable=True,
    )


FEATURES = (
    _feature(
        "registration_lead",
        "registration",
        "days before the start",
        "enrolments.start",
        "lead",
        "identity",
        ("days registered ahead", "registered long before the start", "registered late"),
        ("提前注册天数", "很早就已注册", "注册较晚"),
    ),
    _feature(
        "attempts",
        "background",
        "earlier attempts",
        "enrolments.attempts",
        "count",
        "log1p",
        ("earlier attempts", "took this course before", "first attempt at this course"),
        ("重修次数", "以前修过本课程", "首次修读本课程"),
    ),
    _feature(
        "credits",
        "load",
        "credits",
        "enrolments.credits",
        "count",
        "log1p",
        ("study load", "a heavy study load", "a light study load"),
        ("学习负担（学分）", "学分负担较重", "学分负担较轻"),
    ),
    _feature(
        "education_level",
        "background",
        "ISCED 2011 level",
        "learners.education_level",
        "count",
        "identity",
        ("prior education", "high prior education", "low prior education"),
        ("先前学历", "先前学历较高", "先前学历较低"),
    ),
    _feature(
        "age",
        "background",
        "years, lower bound",
        "learners.age_band",
        "days",
        "identity",
        ("age", "older than most", "younger than most"),
        ("年龄", "年龄较大", "年龄较小"),
    ),
    _feature(
        "female",
        "background",
        "0 or 1",
        "learners.gender",
        "fraction",
        "identity",
        ("female", "female", "not female"),
        ("女性", "女性", "非女性"),
    ),
    _feature(
        "support_need",
        "background",
        "0 or 1",
        "learners.support_need",
        "fraction",
        "identity",
        ("declared support need", "a declared support need", "no declared support need"),
        ("学习支持需求", "有学习支持需求", "没有学习支持需求"),
    ),
    _feature(
        "means",
        "background",
        "rank, 0 most deprived",
        "learners.means",
        "fraction",
        "identity",
        (
            "means of the area or household",
            "a well-off area or household",
            "a deprived area or household",
        ),
        ("地区或家庭经济状况", "地区或家庭经济状况较好", "地区或家庭经济状况较差"),
    ),
)
