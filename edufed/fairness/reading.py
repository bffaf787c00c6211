"""Groups of learners, straight from a site's records."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.fairness.groups import COLUMNS, IntArray, memberships
from edufed.features.relations import whole_tables
from edufed.records import LearningRecords


def read_memberships(records: LearningRecords, learner_id: npt.NDArray[np.object_]) -> IntArray:
    """Return the groups of each row's learner, as `edufed.fairness.groups.memberships` does.

    Parameters
    ----------
    records : LearningRecords
    learner_id : object array, shape (rows,)
    """
    with whole_tables(records):
        found = (
            records.connection.execute("""
                SELECT learner_id,
                    (gender = 'female')::DOUBLE AS female,
                    regexp_extract(age_band, '^\\d+')::DOUBLE AS age,
                    support_need::DOUBLE AS support_need,
                    education_level::DOUBLE AS education_level,
                    means
                FROM all_learners
            """)
            .df()
            .set_index("learner_id")
        )
    mine = found.reindex(learner_id.astype(str))
    return memberships({name: mine[name].to_numpy(np.float64) for name in COLUMNS})
