"""The quality map of sites together: equal to that of all rows in one place, and no more told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from flwr.serverapp import Grid
from loopback import Loopback
from pooled_map import assert_equal, together

from clients.quality_map import read
from clients.site import Site
from edufed.config import Job, compose_job, simulated_sites
from edufed.privacy.simulated import simulated_roster
from server.checkpoint import Checkpoint
from server.federation import Federation, JobError
from server.report.contract import Report
from server.report.quality_map import build_map_report
from server.strategies import quality_map

pytestmark = pytest.mark.usefixtures("in_a_run")
REGIONS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("map")


def province(folder: Path, *settings: str) -> Job:
    return compose_job(
        [
            *("task=quality_map", "data=province", f"data.path={folder / 'data'}"),
            *(f"data.regions={REGIONS}", "+data.adapter.learners=2500"),
            *("+data.adapter.events_per_learner=10", f"out={folder / 'out'}"),
            *("scenario.round_timeout_s=0.2", f"federation.state={folder / 'sites'}"),
            *settings,
        ]
    )


def run(job: Job, checkpoint: Path) -> tuple[Report, quality_map.Outcome]:
    names = [site.name for site in simulated_sites(job)]
    federation = Federation(cast(Grid, Loopback(len(names))), job, lambda _: None)
    outcome = quality_map.run(
        federation, len(names), simulated_roster(names), Checkpoint(checkpoint, job.id)
    )
    return build_map_report(federation, outcome, 1.0), outcome


def section(report: Report) -> dict[str, Any]:
    return cast(dict[str, Any], report.more["quality_map"])


def pooled(job: Job) -> pd.DataFrame:
    return together([read(Site(settings), job)[0] for settings in simulated_sites(job)])


@pytest.mark.parametrize("privacy", ["none", "secagg", "he"])
def test_every_figure_of_the_province_is_that_of_all_rows_together(
    folder: Path, tmp_path: Path, privacy: str
) -> None:
    job = province(folder, f"privacy={privacy}")
    found = section(run(job, tmp_path)[0])
    assert found["levels"] == ["region", "district", "school", "class"]
    assert assert_equal(found, pooled(job)) > 2000


def test_inequality_is_that_of_all_rows_together(folder: Path, tmp_path: Path) -> None:
    job = province(folder)
    found, frame = section(run(job, tmp_path)[0]), pooled(job)
    use = frame["use"].to_numpy()
    share = use[use > 0] / use.mean()
    total = float((share * np.log(share)).sum() / len(use))
    units = {tuple(unit["path"]) for unit in found["units"]}
    for split in found["theil"]:
        assert split["total"] == pytest.approx(total, abs=1e-9)
        assert split["between"] + split["within"] == pytest.approx(split["total"], abs=1e-12)
        # Where all units of the level are told: the index of each learner's unit's mean.
        levels = found["levels"][: found["levels"].index(split["level"]) + 1]
        by_unit = frame.groupby(levels)["use"]
        if set(by_unit.groups) <= units or len(levels) == 1:
            means = by_unit.transform("mean").to_numpy() / use.mean()
            assert split["between"] == pytest.approx((means * np.log(means)).mean(), abs=1e-9)
    for row in found["equity"]:
        if row["stage"] is not None or row["covered"] < 1:
            continue
        levels = found["levels"][: found["levels"].index(row["level"]) + 1]
        known = frame.dropna(subset=[row["measure"]])
        means = known.groupby(levels)[row["measure"]].transform("mean").to_numpy()
        assert row["cv"] == pytest.approx(means.std() / means.mean(), abs=1e-9)
        sample = np.abs(means[:, None] - means[None, :]).mean() / (2 * means.mean())
        assert row["gini"] == pytest.approx(sample, abs=1e-9)


def test_parity_is_that_of_all_rows_together(folder: Path, tmp_path: Path) -> None:
    job = province(folder)
    found, frame = section(run(job, tmp_path)[0]), pooled(job)
    root = found["units"][0]
    names = {
        "gender": ("female", "male"),
        "age": ("older", "younger"),
        "need": ("need", "no_need"),
        "means": ("poorest", "richest"),
    }
    for group, (one, other) in names.items():
        for measure in ("completion", "pass_rate", "score", "use"):
            parity = root["parity"][group][measure]
            means = frame.groupby(group)[measure].mean()
            index = means[one] / means[other]
            assert parity["index"] == pytest.approx(index, abs=1e-9)
            assert parity["low"] < parity["adjusted"] < parity["high"]
    assert root["parity"]["stage"] is None


@pytest.mark.data
def test_every_figure_of_oulad_is_that_of_all_rows_together(
    shared_data: Path, folder: Path, tmp_path: Path
) -> None:
    regions = ("Scotland", "Wales", "Ireland")  # all thirteen: docs/quality-map.md
    sites = ", ".join(f"{{name: {r.lower()}, adapter: {{region: {r}}}}}" for r in regions)
    job = compose_job(
        [
            *("task=quality_map", "data=oulad", f"data.path={shared_data / 'oulad'}"),
            f"data.sites=[{sites}]",
            *(f"out={folder / 'oulad'}", "scenario.round_timeout_s=60", "privacy=secagg"),
        ]
    )
    found = section(run(job, tmp_path)[0])
    assert found["levels"] == ["region"]
    assert [unit["learners"] for unit in found["units"]] == [6716, 1184, 3446, 2086]
    assert assert_equal(found, pooled(job)) > 500


def test_small_units_are_not_told_and_nor_is_what_they_would_follow_from(
    folder: Path, tmp_path: Path
) -> None:
    job = province(folder, "task.min_cohort=80")
    report, outcome = run(job, tmp_path)
    found = section(report)
    told = {tuple(unit["path"]) for unit in found["units"]}
    sizes = dict(zip(outcome.frame.units, outcome.counts[:, 0].tolist(), strict=True))
    assert min(unit["learners"] for unit in found["units"]) >= 80
    withheld = set(sizes) - told
    assert withheld
    for path in withheld:
        siblings = [other for other in withheld if other[:-1] == path[:-1]]
        assert path[:-1] not in told or sum(sizes[other] for other in siblings) >= 80
    # Their sums are not even known to the coordinator.
    hidden = [outcome.frame.number[path] for path in withheld]
    assert not outcome.sums[hidden].any()


def test_too_few_learners_for_anything(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"fewer than task\.min_cohort=100000 learners in all"):
        run(province(folder, "task.min_cohort=100000"), tmp_path)


def test_levels_can_be_left_out_and_the_site_stands_for_a_region(
    folder: Path, tmp_path: Path
) -> None:
    found = section(run(province(folder, "task.levels=[region]"), tmp_path)[0])
    assert found["levels"] == ["region"]
    assert len(found["units"]) == 1 + REGIONS
