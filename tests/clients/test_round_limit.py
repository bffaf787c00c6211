"""What a feature party says to rounds that it was not told of, or has had."""

from __future__ import annotations

import pytest

from clients.steps import StepError
from clients.vertical_feature import check_round
from edufed.config import compose_job


def test_a_round_is_later_than_the_last_and_within_the_jobs() -> None:
    job = compose_job(
        ["scenario=vertical", "data=oulad_vertical", "data.path=x", "out=x", "scenario.rounds=3"]
    )
    check_round(job, 1, 0)
    check_round(job, 3, 1)
    with pytest.raises(StepError, match="round 2 was asked after round 2"):
        check_round(job, 2, 2)
    with pytest.raises(StepError, match="round 4 is beyond the 3 of the job"):
        check_round(job, 4, 3)
