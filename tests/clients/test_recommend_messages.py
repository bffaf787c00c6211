"""What a site answers in a recommendation job is what docs/threat-model.md says, and no learner."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import recommend
from clients.bootstrap import bootstrap_seed
from clients.horizontal import UnpreparedError
from clients.rooms import PUBLISH
from clients.site import Site
from edufed.arrays import Arrays, prefixed
from edufed.config import compose_job, load_site, simulated_sites
from edufed.recommend.agreed import Course, describe, to_message
from edufed.recommend.counts import courses
from edufed.recommend.models import start_weights
from edufed.recommend.usage import Catalogue
from edufed.share import from_arrays
from edufed.wire import SUM, WEIGHT, WireError

PAGES = ("threat-model.md", "threat-model.zh-CN.md")
Answers = dict[str, tuple[dict[str, Any], Arrays]]
DIGEST = {"digest": "0" * 16}


@pytest.fixture(scope="module")
def site_and_answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Any, Answers]:
    """Ask one site all that a job asks, without secure aggregation: all of it is to be seen."""
    folder = tmp_path_factory.mktemp("asked")
    job = compose_job(
        [
            *("task=recommend", f"data.path={folder}/province", "data.regions=1"),
            *("+data.adapter.learners=300", "+data.adapter.events_per_learner=30"),
            *(f"out={folder}/out", "task.replicates=20", "task.rank=2"),
        ]
    )
    site = Site(simulated_sites(job)[0])
    answers: Answers = {"query.hello": recommend.hello(site, job, {"resumed": False}, {})}
    said = answers["query.hello"][0]
    catalogues = [Catalogue.of(name, kinds) for name, kinds in said["catalogues"].items()]
    flags = [(c.course in said["trains"], c.course in said["tests"]) for c in catalogues]
    agreed = [describe(c, *flag) for c, flag in zip(catalogues, flags, strict=True)]
    answers["query.counts"] = recommend.send_counts(site, job, {"agreed": agreed}, {})
    sums = from_arrays(answers["query.counts"][1]).sums
    counts = courses(sums, [len(c) for c in catalogues])
    whole = [
        Course(c, *flag, count) for c, flag, count in zip(catalogues, flags, counts, strict=True)
    ]
    model = {
        f"{WEIGHT}ranker": start_weights(),
        f"{WEIGHT}vectors": np.ones((sum(len(c) for c in catalogues), 2)),
    }
    asked = {**model, **prefixed(SUM, to_message(whole)[1])}
    meta = {**DIGEST, "agreed": agreed, "ranker": True, "factors": True, "local": True}
    answers["train.recommend"] = recommend.train(site, job, meta, asked)
    answers["evaluate.recommend"] = recommend.evaluate(
        site, job, {**DIGEST, "local": True, "told": [0, 1]}, model
    )
    return site, job, answers


@pytest.mark.parametrize("page", PAGES)
def test_every_value_of_an_answer_is_on_the_page(
    page: str, root: Path, site_and_answers: tuple[Site, Any, Answers]
) -> None:
    text = (root / "docs" / page).read_text(encoding="utf-8")
    for kind, (said, arrays) in site_and_answers[2].items():
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{kind}` |"))
        explained = set(re.findall(r"`(\w+)`", row))
        sent = {name.removeprefix("add/") for name in arrays} - {"weight"}
        assert {*said, *said.get("metrics", {}), *sent} <= explained, kind
        if sent:
            assert from_arrays(arrays).weight == 0  # nothing is averaged


def test_no_learner_id_is_in_any_answer(site_and_answers: tuple[Site, Any, Answers]) -> None:
    site, job, answers = site_and_answers
    usage = recommend.used_at(site, job.recommend).usage
    ids = {str(learner) for learner in usage.learner_id}
    assert len(ids) > 100
    for said, arrays in answers.values():
        text = json.dumps(said)
        assert not any(learner in text for learner in ids)
        assert all(array.dtype.kind in "fiu" for array in arrays.values())


def test_a_cell_of_the_counts_can_be_one_learner(
    site_and_answers: tuple[Site, Any, Answers],
) -> None:
    gram = from_arrays(site_and_answers[2]["query.counts"][1]).sums["gram"]
    assert (np.asarray(gram) == 1).any()


def test_what_is_sent_does_not_tell_one_learners_score(
    site_and_answers: tuple[Site, Any, Answers],
) -> None:
    sums = from_arrays(site_and_answers[2]["evaluate.recommend"][1]).sums
    # By course, model and replicate, and by nothing finer.
    assert sums["ndcg"].ndim == 3
    assert sums["ndcg"].shape[2] == 21


def test_a_mean_of_few_learners_is_not_told(site_and_answers: tuple[Site, Any, Answers]) -> None:
    own = site_and_answers[2]["evaluate.recommend"][0]["metrics"]
    assert own["n"] >= 10
    assert all(value is not None for value in own["ndcg_at_10"].values())
    assert recommend._mean(np.ones(9), 10) is None
    assert recommend._mean(np.ones(10), 10) == 1


def test_bootstrap_weights_are_a_sites_own_secret(tmp_path: Path) -> None:
    seeds = set()
    for name in ("north", "south"):
        file = tmp_path / f"{name}.yaml"
        file.write_text(f"name: {name}\nstate: {name}\nadapter: {{name: oulad, path: x}}\n")
        site = Site(load_site(file))
        job = compose_job(["task=recommend", "out=x"])
        seeds |= {bootstrap_seed(site, job), bootstrap_seed(site, job)}
        assert (site.store.folder / "bootstrap.key").stat().st_mode & 0o777 == 0o600
    assert len(seeds) == 2


def test_a_message_that_does_not_fit_is_refused(
    site_and_answers: tuple[Site, Any, Answers],
) -> None:
    site, job, _ = site_and_answers
    assert PUBLISH["recommend"] == "clients.recommend"
    meta = {"digest": "f" * 16, "ranker": True, "factors": False}
    with pytest.raises(UnpreparedError):
        recommend.train(site, job, meta, {f"{WEIGHT}ranker": start_weights()})
    with pytest.raises(WireError, match="its digest is none"):
        recommend.train(site, job, {**meta, "digest": "../../secret"}, {})
    short = {f"{WEIGHT}ranker": start_weights(), f"{WEIGHT}vectors": np.ones((3, 2))}
    with pytest.raises(WireError, match="not those of the agreed catalogues"):
        recommend.evaluate(site, job, {**DIGEST, "local": False, "told": []}, short)
