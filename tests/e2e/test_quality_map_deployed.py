"""The quality map on real processes: a coordinator and three sites, TLS, secure aggregation on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from deployed import Deployed, Finished, regions_at_work
from pooled_map import assert_equal, together

from clients.quality_map import read
from clients.site import Site
from edufed.config import compose_job, simulated_sites

pytestmark = pytest.mark.e2e

SITES = tuple(f"region-{number:02d}" for number in range(3))
JOB = ("data=sites", "task=quality_map", "scenario.round_timeout_s=60")


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with regions_at_work(tmp_path_factory.mktemp("mapped"), 3, 900) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def mapped(federation: Deployed) -> Finished:
    return federation.finish(federation.submit("mapped", *JOB, "language=zh"))


def test_a_deployed_map_equals_that_of_all_rows_together(
    federation: Deployed, mapped: Finished
) -> None:
    report: dict[str, Any] = mapped.report
    job = compose_job([*JOB, federation.files(SITES), f"out={federation.folder / 'pooled'}"])
    frame = together([read(Site(settings), job)[0] for settings in simulated_sites(job)])
    found = report["quality_map"]
    assert found["levels"] == ["region", "district", "school", "class"]
    assert found["units"][0]["learners"] == len(frame)
    assert assert_equal(found, frame) > 500
    assert report["privacy"]["secagg"] is not None
    assert [site["site"] for site in report["sites"]] == list(SITES)
    assert report["exclusions"] == report["refusals"] == []
    assert '<html lang="zh' in (mapped.out / "report.html").read_text(encoding="utf-8")
    assert "Traceback" not in mapped.text


def test_no_unit_is_on_the_wire_in_clear(federation: Deployed, mapped: Finished) -> None:
    assert mapped.status == 0
    seen = b"".join(federation.recorder.seen)
    assert len(seen) > 100_000
    for word in ("quality_counts", "district-1", "school-01", "learners", *SITES):
        assert word.encode() not in seen, word
