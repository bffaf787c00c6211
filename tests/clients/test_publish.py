"""What a site keeps of a finished job: the model, its own calibration, its own layers."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np
import pytest
import small_job
from small_job import SmallJob

from clients.calibration import IDENTITY
from clients.publish import kept_with, model_folder
from clients.site import Site
from edufed.published import load_published


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> SmallJob:
    return small_job.run(tmp_path_factory.mktemp("publish"), "model=mlp", "strategy=fedper")


def test_every_site_keeps_the_model_that_the_coordinator_has(job: SmallJob, tmp_path: Path) -> None:
    assert job.finished.save_model is not None
    job.finished.save_model(tmp_path / "model")
    ours = load_published(tmp_path / "model")
    for site in job.sites:
        theirs = load_published(model_folder(site, job.job.id))
        assert theirs.description == ours.description
        for own, other in ((ours.weights, theirs.weights), (ours.arrays, theirs.arrays)):
            assert own.keys() == other.keys()
            for name, array in own.items():
                np.testing.assert_array_equal(other[name], array)


def test_its_card_counts_the_test_learners(job: SmallJob) -> None:
    folder = model_folder(job.sites[0], job.job.id)
    metrics = json.loads((folder / "model.json").read_text())["metrics"]
    report = job.finished.report(1.0)
    assert metrics["n"] == sum(site.n_test or 0 for site in report.sites) > 0
    assert f"On {metrics['n']:.0f} test learners" in (folder / "card.md").read_text()


def test_what_is_a_sites_own_differs_and_comes_back(job: SmallJob) -> None:
    personal = load_published(model_folder(job.sites[0], job.job.id)).description.personal
    kept = [kept_with(site, job.job.id) for site in job.sites]
    assert personal
    for found in kept:
        assert found is not None
        calibration, layers = found
        assert calibration != IDENTITY
        assert calibration.learners > 0
        assert sorted(layers) == personal
        assert not set(layers) & set(job.finished.outcome.weights)
    first, second = (found[1] for found in kept[:2] if found is not None)
    assert any((first[name] != second[name]).any() for name in personal)


def test_a_site_without_the_job_has_nothing_of_it(job: SmallJob) -> None:
    assert kept_with(job.sites[0], "another-job") is None


def test_what_it_keeps_is_for_the_owner_alone(job: SmallJob) -> None:
    for site in job.sites:
        assert stat.S_IMODE(site.store.folder.stat().st_mode) == 0o700
        file = site.store.folder / "jobs" / job.job.id / "published.npz"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_outlives_the_process(job: SmallJob) -> None:
    again = Site(job.sites[0].settings)
    assert kept_with(again, job.job.id) is not None
    assert Path(model_folder(again, job.job.id)).is_dir()
