"""SQL of the views that make learning records of the data set's own tables."""

from __future__ import annotations

from collections.abc import Mapping

from data_adapters.oulad.codebook import ANSWERS, KIND, PASSED, PLATFORMS, REGISTRY, STATUS

#: First day of the course that `course_id` names, such as AAA_2013J.
_BEGINS = """TRY_CAST(course_id[-5:-2] || CASE course_id[-1:] WHEN 'B' THEN '-02-01'
    WHEN 'J' THEN '-10-01' END AS TIMESTAMP_NS)"""


def views(region: str | None, cutoff: float | None, platform: str | None = None) -> dict[str, str]:
    """Return the SQL of each canonical view, by name, over views `oulad_TABLE`.

    Parameters
    ----------
    region : str, optional
        Leave out the enrolments of other regions and what belongs to them.
    cutoff : float, optional
        Leave out clicks and results of later days, before anything is joined to them.
    platform : str, optional
        What one platform has alone, under learner ids of its own; see `PLATFORMS`.
    """
    whole = _whole(region, cutoff)
    if platform is None:
        return whole
    if platform == REGISTRY:
        return _registry(whole)
    return _activities(whole, platform)


def _registry(whole: Mapping[str, str]) -> dict[str, str]:
    """Views of the platform that enrols and assesses: no clicks, and all attributes."""
    return {
        "learners": f"SELECT learner_id AS link_id, * REPLACE ({_own(REGISTRY)}) "
        f"FROM ({whole['learners']})",
        "resources": f"SELECT * FROM ({whole['resources']}) WHERE kind = 'assessment'",
        "enrolments": f"SELECT * REPLACE ({_own(REGISTRY)}) FROM ({whole['enrolments']})",
        "outcomes": f"SELECT * REPLACE ({_own(REGISTRY)}) FROM ({whole['outcomes']})",
        "source_warnings": whole["source_warnings"],
    }


def _activities(whole: Mapping[str, str], platform: str) -> dict[str, str]:
    """Views of a platform with resources of some kinds: its clicks, and who made them."""
    own = _own(platform)
    listed = ", ".join(text(kind) for kind in PLATFORMS[platform])
    resources = (
        "SELECT 'vle-' || id_site FROM oulad_vle "
        f"WHERE activity_type IN ({listed}) AND id_site IS NOT NULL"
    )
    events = f"SELECT * FROM ({whole['events']}) WHERE resource_id IN ({resources})"
    return {
        "learners": f"SELECT DISTINCT learner_id AS link_id, {own} FROM ({events})",
        "resources": f"SELECT * FROM ({whole['resources']}) WHERE resource_id IN ({resources})",
        # Who has been seen in which course. A platform knows when its courses begin, and no more.
        "enrolments": f"SELECT DISTINCT {own}, course_id, {_BEGINS} AS course_start "
        f"FROM ({events})",
        "events": f"SELECT * REPLACE ({own}) FROM ({events})",
    }


def _own(platform: str) -> str:
    """SQL of a platform's own learner id: links between platforms go by `link_id` alone."""
    return f"md5({text(platform)} || learner_id) AS learner_id"


def _whole(region: str | None, cutoff: float | None) -> dict[str, str]:
    course = "code_module || '_' || code_presentation"
    keys = "id_student, code_module, code_presentation"
    info, of_enrolments, of_students, of_courses = "oulad_studentInfo", "", "", ""
    if region is not None:
        info = f"(SELECT * FROM oulad_studentInfo WHERE region = {text(region)})"
        of_enrolments = f"SEMI JOIN {info} AS members USING ({keys})"
        of_students = f"SEMI JOIN {info} AS members USING (id_student)"
        # A result of no known assessment has no course; it stays, to be rejected.
        of_courses = f"WHERE code_module IS NULL OR ({keys}) IN (SELECT ({keys}) FROM {info})"
    answers = ", ".join(
        f"{_answer(column, known)} AS {name}" for column, (name, known) in ANSWERS.items()
    )
    return {
        "learners": f"""
            SELECT CAST(id_student AS VARCHAR) AS learner_id, {answers}, region
            FROM {info}
            QUALIFY row_number() OVER (
                PARTITION BY id_student
                ORDER BY code_presentation DESC, code_module DESC, age_band, highest_education,
                    imd_band, disability, gender
            ) = 1""",
        "resources": f"""
            SELECT 'vle-' || id_site AS resource_id,
                {_answer("activity_type", KIND, "'other'")} AS kind,
                {course} AS course_id, NULL AS due, NULL AS weight
            FROM oulad_vle
            UNION ALL
            SELECT 'assessment-' || id_assessment, 'assessment', {course},
                CASE WHEN assessment_type = 'Exam'
                    THEN coalesce("date", module_presentation_length) ELSE "date" END,
                {_hundredth("weight")}
            FROM oulad_assessments
            LEFT JOIN oulad_courses USING (code_module, code_presentation)""",
        "enrolments": f"""
            SELECT CAST(id_student AS VARCHAR) AS learner_id, {course} AS course_id,
                {_BEGINS} AS course_start,
                date_registration AS start, date_unregistration AS "end",
                {_answer("final_result", STATUS)} AS status,
                num_of_prev_attempts AS attempts, studied_credits AS credits
            FROM {info} LEFT JOIN oulad_studentRegistration USING ({keys})""",
        "events": f"""
            SELECT CAST(id_student AS VARCHAR) AS learner_id, 'vle-' || id_site AS resource_id,
                {course} AS course_id, 'interacted' AS verb, "date" AS "time", sum_click AS count
            FROM (SELECT * FROM oulad_studentVle {_until("date", cutoff)})
            {of_enrolments}""",
        "outcomes": f"""
            SELECT CAST(id_student AS VARCHAR) AS learner_id, {course} AS course_id,
                'assessment' AS kind, 'assessment-' || id_assessment AS resource_id,
                date_submitted AS "time", {_hundredth("score")} AS score,
                TRY_CAST(score AS DOUBLE) >= 40 AS passed
            FROM (SELECT * FROM oulad_studentAssessment {_until("date_submitted", cutoff)})
            {of_students}
            LEFT JOIN oulad_assessments USING (id_assessment)
            {of_courses}
            UNION ALL BY NAME
            SELECT CAST(id_student AS VARCHAR) AS learner_id, {course} AS course_id,
                'final' AS kind, {_answer("final_result", PASSED)} AS passed
            FROM {info}""",
        "source_warnings": _warnings(info),
    }


def _warnings(info: str) -> str:
    """SQL that counts, by column, what was read but not taken as it stood."""
    unknown = [
        f"SELECT '{table}' AS table_name, '{name}' AS column_name, "
        f"'answer not among the published ones, taken as missing' AS reason, count(*) AS rows "
        f"FROM {info} WHERE {column} NOT IN ({', '.join(map(text, known))})"
        for table, column, name, known in (
            *(("learners", column, name, known) for column, (name, known) in ANSWERS.items()),
            ("enrolments", "final_result", "status", STATUS),
        )
    ]
    changed = [
        f"SELECT 'learners', '{name}', 'differs between presentations, the latest is kept', "
        f"count(*) FROM (SELECT id_student FROM {info} GROUP BY id_student "
        f"HAVING count(DISTINCT {column}) > 1)"
        for column, (name, _) in ANSWERS.items()
    ]
    return f"SELECT * FROM ({' UNION ALL '.join([*unknown, *changed])}) WHERE rows > 0"


def _until(column: str, cutoff: float | None) -> str:
    """Drop rows after the cutoff; a row without a readable day stays, to be rejected."""
    if cutoff is None:
        return ""
    return f'WHERE coalesce(TRY_CAST("{column}" AS DOUBLE) <= {float(cutoff)!r}, true)'


def _answer(column: str, known: Mapping[str, object], otherwise: str = "NULL") -> str:
    cases = " ".join(f"WHEN {text(key)} THEN {_literal(value)}" for key, value in known.items())
    return f"CASE {column} {cases} ELSE {otherwise} END"


def _hundredth(column: str) -> str:
    """Percent as 0..1, as text: what is no number stays as it is, for the checks to find."""
    return (
        f"coalesce(CAST(TRY_CAST({column} AS DOUBLE) / 100 AS VARCHAR), CAST({column} AS VARCHAR))"
    )


def _literal(value: object) -> str:
    return text(value) if isinstance(value, str) else str(value)


def text(value: str) -> str:
    """Return `value` as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"
