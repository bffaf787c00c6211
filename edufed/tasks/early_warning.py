"""Early warning: which learners, still enrolled at the cutoff, will not pass the course."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    # `edufed.features` reads this file's SQL.
    from edufed.features.matrix import FeatureMatrix, FloatArray

#: The rule that needs no model: a learner not seen for this many days is called at risk.
NO_VISIT_DAYS = 7.0


def population_sql(cutoff: float, enrolments: bool) -> str:
    """SQL for the learners to score, and what their enrolment says.

    Its columns are `learner_id, course_id, course_start, start, attempts, credits`, its rows the
    enrolments that have begun by the cutoff and have not ended by then. A site without the
    enrolments table offers those who did anything in a course by the cutoff.

    Parameters
    ----------
    cutoff : float
        Days after the course's first day.
    enrolments : bool
        Whether the site has the enrolments table.
    """
    if enrolments:
        return f"""
            SELECT learner_id, course_id, course_start, "start", attempts, credits
            FROM all_enrolments
            WHERE ("start" IS NULL OR "start" <= {cutoff}) AND ("end" IS NULL OR "end" > {cutoff})
        """
    return f"""
        SELECT learner_id, course_id, NULL::TIMESTAMP AS course_start,
            NULL::DOUBLE AS "start", NULL::DOUBLE AS attempts, NULL::DOUBLE AS credits
        FROM (
            SELECT learner_id, course_id FROM all_events WHERE "time" <= {cutoff}
            UNION SELECT learner_id, course_id FROM all_outcomes WHERE "time" <= {cutoff}
        )
    """


#: SQL for the target: `learner_id, course_id, target`. 1 where the final result is not a
#: pass, 0 where it is; learners whose result is not known yet have no row or a NULL.
TARGET_SQL = """
    SELECT learner_id, course_id, 1 - max(passed::INTEGER) AS target
    FROM all_outcomes WHERE kind = 'final' GROUP BY ALL
"""


def days_since_visit(matrix: FeatureMatrix) -> FloatArray:
    """Score of the transparent rule: days since the last visit, 0 where it is not known.

    Returns
    -------
    float32 array, shape (rows,)
        At or above `NO_VISIT_DAYS` the rule warns.
    """
    return np.nan_to_num(matrix.values[:, matrix.names.index("recency_days")], nan=0.0)
