"""Lists at the site: who gets what, and why."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from clients.lists import COLUMNS, make_lists
from clients.recommend import used_at
from clients.site import Site
from edufed.cli.predict import command
from edufed.config import compose_job, simulated_sites
from edufed.recommend.agreed import Course
from edufed.recommend.counts import count
from edufed.recommend.features import FEATURES
from edufed.recommend.models import Trained, start_weights
from edufed.recommend.published import Recommender, RecommenderDescription, save_recommender
from edufed.recommend.usage import Catalogue, Usage, interactions
from edufed.records import DataError

TOP = 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[Usage], Recommender]:
    folder = tmp_path_factory.mktemp("lists")
    job = compose_job(
        [
            *("task=recommend", f"data.path={folder}/province", "data.regions=2"),
            *("+data.adapter.learners=800", "+data.adapter.events_per_learner=40"),
            *(f"out={folder}/out", f"task.top={TOP}", "task.rank=2"),
        ]
    )
    usages = [used_at(Site(site), job.recommend).usage for site in simulated_sites(job)]
    agreed = []
    for name in sorted(usages[0].catalogues)[:-1]:  # the last course is not in the model
        catalogue = Catalogue.of(name, usages[0].catalogues[name])
        counts = [count(interactions(usage, catalogue), 60) for usage in usages]
        agreed.append(Course(catalogue, True, True, reduce(add, counts)))
    weights = start_weights()
    weights[FEATURES.index("follows_new")] = 80.0
    description = RecommenderDescription(
        edufed="0",
        job="a-job",
        created="2026-01-01",
        scenario="horizontal",
        task="recommend",
        data="province",
        settings=job.recommend,
        features=list(FEATURES),
        rounds=1,
        table=[],
        sites=[],
        privacy={},
    )
    vectors = np.zeros((sum(len(course.catalogue) for course in agreed), 2))
    return folder, job, usages, Recommender(description, Trained(weights, vectors), agreed)


def test_lists_hold_unused_resources_in_order_of_their_chance(made: tuple[Any, ...]) -> None:
    usage, model = made[2][0], made[3]
    frame = make_lists(model, usage).frame
    assert tuple(frame.columns) == COLUMNS
    known = pd.DataFrame(
        {
            "learner_id": usage.learner_id[usage.row],
            "course_id": usage.course_id[usage.row],
            "resource_id": usage.resource,
            "first": usage.first,
        }
    ).dropna()
    both = frame.merge(known, on=["learner_id", "course_id", "resource_id"])
    assert both.empty
    assert len(frame) == TOP * len(usage)
    for _, rows in frame.groupby(["learner_id", "course_id"]):
        assert rows["place"].tolist() == [1, 2, 3, 4]
        assert rows["score"].is_monotonic_decreasing
        assert 0 < rows["score"].sum() <= 1 + 1e-9
        assert rows["resource_id"].is_unique


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", r"\d+ % of learners who used \w+ \S+ went on to this within 14 days"),
        ("zh", r"用过\S+ \S+ 的学习者中，\d+ % 在 14 天内接着用了它"),
    ],
)
def test_reasons_are_plain_words(made: tuple[Any, ...], language: str, says: str) -> None:
    frame = make_lists(made[3], made[2][0], language).frame
    assert frame["reason"].str.len().min() > 5
    assert frame["reason"].str.match(says).sum() > 10
    used = "used by" if language == "en" else "使用了它"
    assert frame["reason"].str.contains(used).any()
    shares = frame["reason"].str.extract(r"(\d+) %")[0].dropna().astype(int)
    assert shares.between(1, 100).all()


def test_a_reason_says_what_was_counted(made: tuple[Any, ...]) -> None:
    usage, model = made[2][0], made[3]
    frame = make_lists(model, usage).frame
    courses = {course.catalogue.course: course for course in model.agreed}
    found = frame[frame["reason"].str.contains("of learners who used")]
    checked = 0
    for row in found.head(40).itertuples():
        if row.course_id not in courses:
            continue
        course = courses[row.course_id]
        place = {name: at for at, name in enumerate(course.catalogue.resources)}
        said = re.match(r"(\d+) % of learners who used \w+ (\S+) (went on|also)", row.reason)
        assert said is not None
        share, other, how = said.groups()
        one, two = place[other], place[row.resource_id]
        counted = course.counts.follows if how == "went on" else course.counts.gram
        assert int(share) == round(100 * counted[one, two] / course.counts.users[one])
        mine = (usage.learner_id[usage.row] == row.learner_id) & (usage.resource == other)
        assert not np.isnan(usage.first[mine]).all()
        checked += 1
    assert checked > 5


def test_the_cold_start_gets_what_its_course_uses(made: tuple[Any, ...]) -> None:
    usage, model = made[2][0], made[3]
    # Nobody has used anything at this site; what the federation counted stays.
    empty = np.zeros(len(usage.row), dtype=bool)
    parts = {name: getattr(usage, name)[empty] for name in ("row", "resource", "first", "last")}
    cold = replace(usage, **parts, later=usage.later[empty])
    frame = make_lists(model, cold).frame
    course = model.agreed[0]
    mine = frame[frame["course_id"] == course.catalogue.course]
    last_week = course.counts.used[2]
    best = [course.catalogue.resources[i] for i in np.argsort(-last_week, kind="stable")[:TOP]]
    assert mine.groupby("learner_id")["resource_id"].apply(list).tolist() == [best] * (
        len(mine) // TOP
    )
    assert mine["reason"].str.contains("in the last").any()


def test_a_course_of_its_own_is_ranked_by_the_sites_own_counts(made: tuple[Any, ...]) -> None:
    usage, model = made[2][0], made[3]
    result = make_lists(model, usage)
    missing = sorted(usage.catalogues)[-1]
    (warning,) = result.warnings
    assert warning.startswith(f"{missing}: not among the model's courses")
    assert (result.frame["course_id"] == missing).any()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_command_writes_lists(made: tuple[Any, ...], tmp_path: Path, suffix: str) -> None:
    folder, job, usages, model = made
    save_recommender(model, tmp_path / "model")
    site = simulated_sites(job)[0]
    file = tmp_path / "site.yaml"
    adapter = {**site.adapter, "path": str(folder / "province")}
    file.write_text(yaml.safe_dump({"name": "north", "state": "state", "adapter": adapter}))
    out = tmp_path / f"lists.{suffix}"
    command([f"site={file}", f"model={tmp_path / 'model'}", f"out={out}"])
    frame = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    assert len(frame) == TOP * len(usages[0])
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    (tmp_path / "model" / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(DataError, match="its checksum is not the one"):
        command([f"site={file}", f"model={tmp_path / 'model'}", f"out={out}"])
