"""The site's half of a horizontal job, asked message by message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_job

import clients.site
from clients import horizontal
from clients.horizontal import UnpreparedError
from clients.kept import Kept
from clients.site import Site
from edufed.arrays import Arrays, prefixed
from edufed.config import Job, simulated_sites
from edufed.features import design_names
from edufed.models import build_model, get_weights
from edufed.share import Share, from_arrays
from edufed.wire import SUM, WEIGHT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("horizontal")


def site_of(folder: Path, *overrides: str) -> tuple[Site, Job]:
    job = small_job.settings(folder, *overrides)
    return Site(simulated_sites(job)[0]), job


def greeted(site: Site, job: Job) -> tuple[dict[str, Any], Arrays]:
    """Return settings and arrays of a first training message, of this site's sums alone."""
    meta = {"model_round": 0, "local": True, "told": [0, 1], "resumed": False}
    said, _ = horizontal.hello(site, job, meta, {})
    meta["cohorts"] = said["courses"]
    sums = from_arrays(horizontal.send_statistics(site, job, meta, {})[1]).sums
    weights = get_weights(build_model(job.model, len(design_names()), job.seed))
    return meta, prefixed(WEIGHT, weights) | prefixed(SUM, sums)


def trained(site: Site, job: Job, meta: dict[str, Any], arrays: Arrays) -> Share:
    return from_arrays(horizontal.train(site, job, meta, arrays)[1])


def test_hello_counts_and_names_no_learner(folder: Path) -> None:
    site, job = site_of(folder)
    said, arrays = horizontal.hello(site, job, {"resumed": False}, {})
    matrix = site.learners(60).matrix
    assert said["courses"] == sorted(set(matrix.course_id))
    assert 0 < said["n_train"] + said["n_valid"] + said["n_test"] <= len(matrix)
    assert min(said["n_train"], said["n_valid"], said["n_test"]) > 0
    assert arrays == {}
    assert not any(str(learner) in str(said) for learner in matrix.learner_id)


def test_statistics_count_every_learner_in_a_course_once(folder: Path) -> None:
    site, job = site_of(folder)
    matrix = site.learners(60).matrix
    cohorts = sorted({"nobody-takes-it", *matrix.course_id})
    sums = from_arrays(horizontal.send_statistics(site, job, {"cohorts": cohorts}, {})[1]).sums
    known = (~np.isnan(matrix.values)).sum(axis=0)
    np.testing.assert_array_equal(sums["counts"].sum(axis=(0, 2)), known)
    assert not sums["counts"][cohorts.index("nobody-takes-it")].any()


def test_training_moves_the_model_weighs_its_rows_and_repeats_itself(folder: Path) -> None:
    site, job = site_of(folder)
    meta, arrays = greeted(site, job)
    first = trained(site, job, meta, arrays)
    assert first.weight == horizontal.hello(site, job, meta, {})[0]["n_train"]
    sent = {name.removeprefix(WEIGHT): w for name, w in arrays.items() if name.startswith(WEIGHT)}
    assert first.means.keys() == sent.keys()
    assert any((first.means[name] != weight).any() for name, weight in sent.items())
    again = trained(site, job, meta, arrays)
    for name, array in first.means.items():
        np.testing.assert_array_equal(again.means[name], array)
    later = trained(site, job, {**meta, "model_round": 1}, arrays)
    assert any((later.means[name] != array).any() for name, array in first.means.items())


def test_a_process_that_forgot_or_is_new_gives_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, job = site_of(folder)
    meta, arrays = greeted(site, job)
    first = trained(site, job, meta, arrays)
    weights = {name: array for name, array in arrays.items() if name.startswith(WEIGHT)}
    for room in (horizontal, clients.site):
        monkeypatch.setattr(room, "KEPT", Kept(0))  # a process that has no room for it
    again = trained(Site(site.settings), job, meta, weights)
    for name, array in (first.means | first.sums).items():
        np.testing.assert_array_equal((again.means | again.sums)[name], array)


def test_a_site_without_the_sums_says_so(tmp_path: Path, folder: Path) -> None:
    site, job = site_of(folder, f"federation.state={tmp_path}")
    meta = {"model_round": 0, "cohorts": [], "local": False, "told": []}
    with pytest.raises(UnpreparedError, match="does not have the federation's sums"):
        horizontal.train(site, job, meta, {})


def test_evaluation_scores_test_learners_by_model_rule_and_alone(folder: Path) -> None:
    site, job = site_of(folder)
    meta, arrays = greeted(site, job)
    said, answered = horizontal.evaluate(site, job, meta, arrays)
    sums = from_arrays(answered).sums
    n_test = horizontal.hello(site, job, meta, {})[0]["n_test"]
    assert sums["test"][..., 0].sum() == sums["rule"][..., 0].sum() == n_test
    assert said["metrics"]["federated"]["n"] == said["metrics"]["local"]["n"] == n_test
    without, _ = horizontal.evaluate(site, job, {**meta, "local": False}, arrays)
    assert "local" not in without["metrics"]


def test_fedper_keeps_its_last_layer_and_goes_on_with_it(tmp_path: Path, folder: Path) -> None:
    site, job = site_of(folder, "strategy=fedper", f"federation.state={tmp_path}")
    meta, arrays = greeted(site, job)
    names = get_weights(build_model(job.model, len(design_names()), job.seed)).keys()
    shared = trained(site, job, meta, arrays).means
    own = horizontal.own_layers(site, job, 1)
    assert own is not None
    assert set(own) == names - shared.keys()
    assert own.keys() == (horizontal.own_layers(site, job, 5) or {}).keys()
    assert horizontal.own_layers(site, job, 0) is None


def test_no_update_is_longer_than_the_job_allows(folder: Path) -> None:
    site, job = site_of(folder, "strategy.max_update_norm=0.01")
    meta, arrays = greeted(site, job)
    means = trained(site, job, meta, arrays).means
    steps = [means[name] - arrays[WEIGHT + name] for name in means]
    assert np.sqrt(sum((step.astype(float) ** 2).sum() for step in steps)) <= 0.01 * 1.001
