from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.split import check_trainable, split
from edufed.config import Job, compose_job
from edufed.features import FeatureMatrix
from edufed.records import DataError

BY_TIME = compose_job(["out=x", "data.split.test_from=2025-01-01"])
BY_LEARNER = compose_job(["out=x", "data.split.by=learner", "data.split.test_share=0.3"])


def _matrix(rows: list[tuple[int, str | None, float | None]]) -> FeatureMatrix:
    return FeatureMatrix(
        values=np.zeros((len(rows), 1), np.float32),
        names=("x",),
        learner_id=np.array([str(row[0]) for row in rows], dtype=object),
        course_id=np.array(["c"] * len(rows), dtype=object),
        course_start=np.array([row[1] or "NaT" for row in rows], dtype="datetime64[D]"),
        target=np.array([np.nan if row[2] is None else row[2] for row in rows], np.float32),
    )


ROWS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from([None, "2024-02-01", "2024-12-31", "2025-01-01", "2025-09-01"]),
        st.sampled_from([None, 0.0, 1.0]),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from([BY_TIME, BY_LEARNER]))
def test_parts_are_disjoint_and_known_and_learners_are_not_torn(rows: list, job: Job) -> None:
    matrix = _matrix(rows)
    parts = split(matrix, job)
    total = parts.train.astype(int) + parts.valid + parts.test
    assert total.max(initial=0) <= 1
    assert not total[np.isnan(matrix.target)].any()
    train, valid = (set(matrix.learner_id[mask]) for mask in (parts.train, parts.valid))
    assert not train & valid
    if job is BY_LEARNER:
        assert not (train | valid) & set(matrix.learner_id[parts.test])
    else:
        start = matrix.course_start
        assert (start[parts.test] >= np.datetime64("2025-01-01")).all()
        assert (start[parts.train | parts.valid] < np.datetime64("2025-01-01")).all()


def test_shares_are_about_as_asked() -> None:
    matrix = _matrix([(number, "2024-02-01", 1.0) for number in range(20_000)])
    assert abs(split(matrix, BY_TIME).valid.mean() - BY_TIME.task.validation_share) < 0.02
    assert abs(split(matrix, BY_LEARNER).test.mean() - 0.3) < 0.02


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "0 of 0 enrolments"),
        ([(1, "2024-02-01", None), (2, "2025-02-01", 1.0)], "1 of 2 enrolments open on day 60"),
        ([(n, "2024-02-01", 1.0) for n in range(50)], "ended alike"),
        ([(n, "2024-02-01", 0.0) for n in range(50)], "ended alike"),
    ],
)
def test_a_site_that_cannot_train_says_why(rows: list, says: str) -> None:
    matrix = _matrix(rows)
    with pytest.raises(DataError, match=says):
        check_trainable(split(matrix, BY_TIME), matrix, BY_TIME)


def test_a_site_with_both_classes_trains() -> None:
    matrix = _matrix([(n, "2024-02-01", float(n % 2)) for n in range(50)])
    check_trainable(split(matrix, BY_TIME), matrix, BY_TIME)
