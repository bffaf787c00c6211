"""`edufed run resume=JOB` without a deployment: one line that says what to add."""

from __future__ import annotations

import pytest

from edufed.cli.run import run
from edufed.config import SettingsError


@pytest.mark.parametrize("federation", [[], ["federation=simulation"]])
def test_a_simulated_job_is_not_resumed(federation: list[str]) -> None:
    with pytest.raises(SettingsError, match="add federation=deployment") as caught:
        run(["resume=some-job", "out=x", *federation])
    assert "a simulated job is run again" in str(caught.value)
