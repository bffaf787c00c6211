from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from flwr.app import Context, RecordDict
from flwr.serverapp import Grid
from loopback import Loopback

from edufed.config import compose_job
from server.app import FAILED, JOB_LOG, app


class Collapsing(Loopback):
    """Connected nodes, and then an error that nobody expects."""

    def get_nodes(self) -> list[object]:
        raise RuntimeError("the disk is gone")


def test_what_nobody_expected_is_kept_in_the_jobs_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = compose_job(
        ["data=province", "data.regions=2", f"data.path={tmp_path}", f"out={tmp_path / 'out'}"]
    )
    context = Context(1, 0, {}, RecordDict(), {"job": json.dumps(job.model_dump(mode="json"))})
    with pytest.raises(RuntimeError):
        app(cast(Grid, Collapsing(2)), context)
    said = (tmp_path / "out" / FAILED).read_text()
    assert said == f"unexpected RuntimeError; {tmp_path / 'out' / JOB_LOG} says more\n"
    assert f"edufed: job {job.id} failed: {said}" in capsys.readouterr().out
    kept = (tmp_path / "out" / JOB_LOG).read_text()
    assert "waiting [2/2]: 2 of 2 sites connected" in kept
    assert "RuntimeError: the disk is gone" in kept
