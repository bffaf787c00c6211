"""The quality map with differential privacy, the whole job on a small province in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flwr.app import Message
from flwr.serverapp import Grid
from loopback import Loopback
from scipy.stats import chi2
from test_quality_map import province

from clients import quality_map_dp as room
from clients.quality_map import read
from clients.rooms import QUALITY_COUNTS, by_task
from clients.site import Site
from clients.spending import SpentError, answer_once, job_ledger, reserved
from edufed.config import Job, SettingsError, simulated_sites
from edufed.privacy.simulated import simulated_roster
from edufed.private_job import noise_of, planned
from edufed.quality.measures import NAMES
from edufed.quality.private import WIDTH, counting, exact_cells
from edufed.share import Share
from edufed.wire import unpack
from server.checkpoint import Checkpoint
from server.federation import Federation, JobError
from server.report.contract import Report
from server.report.html import render
from server.report.map_page.places import at_sites
from server.report.map_page.shapes import with_shapes
from server.report.quality_map_dp import build_map_report
from server.report.quality_map_dp import section as quality_map_section
from server.strategies import quality_map_dp

pytestmark = pytest.mark.usefixtures("in_a_run")
SITES = 3
SETTINGS = (f"data.regions={SITES}", "task.private.most_use=40", "privacy.epsilon=8")
#: Numbers of a cell that are counts: of its learners, and of those with each measure.
COUNTS = [0, *range(1, WIDTH, 3)]


def assert_standard_normal(numbers: np.ndarray) -> None:
    """Assert that numbers are independent draws from a standard normal distribution, as it seems.

    The noise is of the operating system's generator, so each limit is one that chance passes once
    in 10^7 runs. Of 91 numbers with twice or half the deviation all but 1 in 8,000 are noticed.
    """
    low, high = chi2.ppf([1e-7, 1 - 1e-7], numbers.size)
    assert low < (numbers**2).sum() < high
    assert np.abs(numbers).max() < 6.5  # 8e-11 each


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("private-map")


def run(job: Job, folder: Path, listen: Any = None) -> tuple[quality_map_dp.Outcome, Report]:
    federation = Federation(
        cast(Grid, Loopback(SITES, *([listen] if listen else []))), job, lambda _: None
    )
    roster = simulated_roster(site.name for site in simulated_sites(job))
    outcome = quality_map_dp.run(federation, SITES, roster, Checkpoint(folder, job.id))
    return outcome, build_map_report(federation, outcome, 1.0)


@pytest.fixture(scope="module", params=["dp", "secagg_dp"])
def done(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, ...]:
    """A job, its outcome and report, and what its sites sent."""
    said: list[tuple[str, dict[str, Any], dict[str, Any]]] = []

    def listen(_node: int, asked: Message, answered: Message) -> Message:
        said.append((asked.metadata.message_type, *unpack(answered.content)))
        return answered

    own = tmp_path_factory.mktemp(request.param)
    job = province(folder, f"privacy={request.param}", *SETTINGS, f"federation.state={own}")
    return job, *run(job, own, listen), said


def section(done: tuple[Any, ...]) -> dict[str, Any]:
    return cast(dict[str, Any], done[2].more["quality_map"])


def test_it_costs_what_was_set_and_every_ledger_says_so(done: tuple[Any, ...]) -> None:
    job, _, report, _ = done
    dp = report.privacy.dp
    assert dp.epsilon == pytest.approx(8, rel=0.02)
    assert dp.epsilon <= 8
    assert [entry.name for entry in dp.entries] == ["regions", "groups"]
    assert dp.kind == ("site" if job.privacy.name == "dp" else "sum")
    assert len(report.privacy.ledger) == SITES
    for row in report.privacy.ledger:
        assert row["epsilon"] == pytest.approx(dp.epsilon, rel=0.02)
    for settings in simulated_sites(job):
        kinds = [entry.kind for entry in job_ledger(Site(settings), job).entries()]
        assert kinds == ["reserve", "spend", "spend", "close"]


def test_cells_are_the_exact_ones_with_the_noise_that_is_said(done: tuple[Any, ...]) -> None:
    job, outcome, *_ = done
    own = job.quality_map.private
    exact = [
        exact_cells(read(Site(site), job)[0], own.most_courses, own.most_use)
        for site in sorted(simulated_sites(job), key=lambda site: site.name)
    ]
    regions = np.stack([region for region, _ in exact])
    groups = sum(groups for _, groups in exact)
    for told, cells in ((outcome.regions, regions), (outcome.groups, groups)):
        counts = np.column_stack([told.learners, told.counts])
        off = (counts - cells[:, COUNTS] * np.sqrt(8)) / told.count_noise
        assert_standard_normal(off.ravel())
    assert outcome.province.learners[0] == pytest.approx(outcome.regions.learners.sum())


def test_intervals_hold_the_exact_means(done: tuple[Any, ...]) -> None:
    job, _, _, _ = done
    told = section(done)
    own, off = job.quality_map.private, []
    for unit in told["units"][1:]:
        (site,) = (s for s in simulated_sites(job) if s.name == unit["path"][0])
        rows = read(Site(site), job)[0]
        kept = counting(rows, own.most_courses)
        for name in NAMES:
            figure = unit["measures"][name]
            if figure is None:
                continue
            values = np.minimum(rows.measures[name][kept], own.most_use)
            off.append((figure["mean"] - np.nanmean(values)) / figure["noise"])
            assert figure["se"] > figure["noise"] > 0
    assert len(off) >= 2 * SITES
    assert_standard_normal(np.array(off))


def test_no_message_holds_anything_exact(done: tuple[Any, ...]) -> None:
    _, _, report, said = done
    kinds = {kind for kind, *_ in said}
    assert {"query.quality_hello", "query.quality_sums"} <= kinds
    assert "query.quality_counts" not in kinds
    for kind, meta, arrays in said:
        ledger = {"ledger"} if kind == "query.quality_sums" else set()
        assert set(meta) <= {"site", "status"} | ledger, kind
        named = {name.removeprefix("add/") for name in arrays} - {"weight"}
        assert named <= {"regions", "groups", "masked", "advert", "deposit", "opened"}
        for name in named & {"regions", "groups"}:
            values = arrays[f"add/{name}"]
            told = values[(values != 0).any(axis=1)] if name == "regions" else values
            assert told.shape[1] == WIDTH
            assert (told != 0).all()  # noise is in every number, known to be 0 or not
    assert report.quality == []


@pytest.mark.parametrize(("language", "word"), [("en", "Differential privacy"), ("zh", "差分隐私")])
def test_the_page_says_what_noise_there_is(done: tuple[Any, ...], language: Any, word: str) -> None:
    page, told = render(done[2], language), section(done)
    assert word in page
    assert "NaN" not in page.split("<script>")[0]
    assert told["terms"] == told["theil"] == []
    assert {row["reason"] for row in told["private"]["untold"]} <= {"few", "noise"}
    assert told["units"][0]["parity"]["gender"]["score"]["low"] < 1.5


def test_regions_that_are_small_are_named_and_nothing_more(done: tuple[Any, ...]) -> None:
    job, outcome, report, _ = done
    counts = outcome.regions.learners
    between = np.sort(counts)[:2].mean()  # noisy counts may lie close to each other
    for least, told in ((between, SITES - 1), (counts.max() + 1, 0)):
        less = replace(outcome, regions=replace(outcome.regions, least=least))
        found = quality_map_section(less, job.quality_map)
        assert sum(unit["level"] == "region" for unit in found["units"]) == told
        whole = [row for row in found["private"]["untold"] if row["measure"] is None]
        assert len(whole) == SITES - told
        assert {row["reason"] for row in whole} == {"noise"}
        assert render(report.model_copy(update={"quality_map": found}))
    smallest = outcome.sites[int(counts.argmin())]
    less = replace(outcome, regions=replace(outcome.regions, least=between))
    settings = job.quality_map.model_copy(update={"min_cohort": 10**4})
    assert {"unit": smallest, "measure": None, "reason": "few"} in quality_map_section(
        less, settings
    )["private"]["untold"]


def test_regions_stand_where_those_of_their_data_do(done: tuple[Any, ...], tmp_path: Path) -> None:
    sites = [{"name": "north", "adapter": {"region": "The North"}}, {"name": "x", "adapter": {}}]
    assert at_sites({"The North": [1, 0]}, {"sites": sites})["north"] == [1, 0]
    lacking = tmp_path / "shapes.json"
    lacking.write_text('{"features": []}')
    own = done[0].data.map.model_copy(update={"geojson": str(lacking)})
    data = done[0].data.model_copy(update={"map": own})
    report = with_shapes(done[2], done[0].model_copy(update={"data": data}))
    assert (
        "no feature has name" in report.warnings[-1]
    )  # what it cost is spent: a page all the same


def test_a_second_question_and_a_question_for_exact_numbers_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    job = province(folder, "privacy=secagg_dp", *SETTINGS, f"federation.state={tmp_path}")
    site = Site(simulated_sites(job)[0])
    said, _ = room.hello(site, job, {"noise": noise_of(planned(job)), "resumed": False}, {})
    assert said == {}
    entry = reserved(site, job)["regions"]
    answer_once(site, job, "quality_sums", {}, [(entry, 1)], lambda: Share())
    with pytest.raises(SpentError, match="quality_sums was answered already"):
        answer_once(site, job, "quality_sums", {}, [(entry, 1)], lambda: Share())
    with pytest.raises(SettingsError, match="do not name"):
        room.send_sums(site, job, {"regions": ["elsewhere"]}, {})
    with pytest.raises(SettingsError, match="has no send_counts"):
        by_task(QUALITY_COUNTS, "send_counts")(site, job, {}, {})


def test_what_cannot_be_told_is_one_line(folder: Path, tmp_path: Path) -> None:
    settings = (*SETTINGS, "privacy.epsilon=0.01", f"federation.state={tmp_path}")
    job = province(folder, "privacy=dp", *settings)
    with pytest.raises(JobError, match="nothing can be told"):
        run(job, tmp_path)
    with pytest.raises(SettingsError, match=r"add region to task\.levels"):
        province(folder, "privacy=dp", "task.levels=[school]")
