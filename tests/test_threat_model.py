"""docs/threat-model.md and its translation: what a site answers is what the pages say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import horizontal
from clients.app import HANDLERS
from clients.publish import publish
from clients.site import Site
from edufed.arrays import Arrays, prefixed
from edufed.config import compose_job, simulated_sites
from edufed.features import FEATURES, design_names
from edufed.features.cohort import BINS
from edufed.metrics import BINS as RISK_BINS
from edufed.models import build_model, get_weights
from edufed.published import Description
from edufed.share import from_arrays
from edufed.wire import SUM, WEIGHT

PAGES = ("threat-model.md", "threat-model.zh-CN.md")
Answers = dict[str, tuple[dict[str, Any], Arrays]]


@pytest.fixture(scope="module")
def site_and_answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Answers]:
    """Ask one site everything that a job asks, without secure aggregation: most is to be seen."""
    folder = tmp_path_factory.mktemp("threat")
    job = compose_job(
        [
            *(f"data.path={folder}/province", "data.regions=2", "+data.adapter.learners=1200"),
            *(f"out={folder}/out", "strategy.local_epochs=1", "scenario.rounds=1"),
        ]
    )
    site = Site(simulated_sites(job)[0])
    model = build_model(job.model, len(design_names()), job.seed)
    meta: dict[str, Any] = {"resumed": False, "model_round": 0, "local": True}
    meta["told"] = [0, 1]
    answers: Answers = {"query.hello": horizontal.hello(site, job, meta, {})}
    meta["cohorts"] = answers["query.hello"][0]["courses"]
    answers["query.statistics"] = horizontal.send_statistics(site, job, meta, {})
    sums = from_arrays(answers["query.statistics"][1]).sums
    asked = prefixed(WEIGHT, get_weights(model)) | prefixed(SUM, sums)
    answers["train.horizontal"] = horizontal.train(site, job, meta, asked)
    answers["evaluate.horizontal"] = horizontal.evaluate(site, job, meta, asked)
    meta["description"] = description(job)
    answers["query.publish"] = publish(site, job, meta, asked)
    return site, answers


def description(job: Any) -> dict[str, Any]:
    return Description(
        edufed="0",
        job=job.id,
        created="2026-01-01",
        scenario="horizontal",
        task="early_warning",
        data="province",
        strategy="fedavg",
        model=job.model,
        cutoff=60,
        relative=True,
        min_cohort=20,
        features=[],
        features_version="0",
        columns=[],
        seed=1,
        rounds=0,
        metrics={},
        sites=[],
        privacy={},
    ).model_dump(mode="json")


def names(said: Any) -> Iterator[str]:
    """Keys of an answer, down to where values of any site's own begin."""
    if isinstance(said, Mapping):
        for key, value in said.items():
            yield key
            if key in ("metrics", "federated", "local"):
                yield from names(value)


@pytest.mark.parametrize("page", PAGES)
def test_every_message_is_on_the_page(page: str, root: Path) -> None:
    text = (root / "docs" / page).read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", text, re.MULTILINE)) == set(HANDLERS)


@pytest.mark.parametrize("page", PAGES)
def test_every_value_of_an_answer_is_on_the_page(
    page: str, root: Path, site_and_answers: tuple[Site, Answers]
) -> None:
    text = (root / "docs" / page).read_text(encoding="utf-8")
    for kind, (said, arrays) in site_and_answers[1].items():
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{kind}` |"))
        explained = {"federated", "local", "metrics", *re.findall(r"`(\w+)`", row)}
        sent = {name.removeprefix("add/") for name in arrays if not name.startswith("mean/")}
        if kind in ("query.statistics", "evaluate.horizontal"):
            sent.discard("weight")  # nothing is averaged: it is 0
            assert from_arrays(arrays).weight == 0
        assert {*names(said), *sent} <= explained, kind


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_numbers_hold(page: str, root: Path) -> None:
    text = (root / "docs" / page).read_text(encoding="utf-8")
    for number in (str(len(FEATURES)), str(BINS), f"{RISK_BINS:,}"):
        assert re.search(rf"(?<![\d,]){number}(?![\d,])", text), number


def test_no_learner_id_is_in_any_answer(site_and_answers: tuple[Site, Answers]) -> None:
    site, answers = site_and_answers
    ids = {str(learner) for learner in site.learners(60).matrix.learner_id}
    assert len(ids) > 100
    for said, arrays in answers.values():
        text = json.dumps(said)
        assert not any(learner in text for learner in ids)
        assert all(array.dtype.kind in "fiu" for array in arrays.values())


def test_publishing_tells_the_coordinator_nothing(
    site_and_answers: tuple[Site, Answers],
) -> None:
    site, answers = site_and_answers
    assert answers["query.publish"] == ({}, {})
    assert list((site.store.folder / "models").iterdir())  # and yet the model is kept


def test_a_cell_of_the_sums_can_be_one_learner(site_and_answers: tuple[Site, Answers]) -> None:
    counts = from_arrays(site_and_answers[1]["query.statistics"][1]).sums["counts"]
    assert (np.asarray(counts) == 1).any()
