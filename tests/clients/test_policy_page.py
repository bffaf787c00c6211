"""docs/policy.md and its translation: their example and its answers, as they stand."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from clients.policy import PolicyRefusalError, check_hours, check_job
from edufed.cli.check_site import check_site
from edufed.config import Job, compose_job, load_site
from edufed.config.policy import DataPolicy, Policy

PAGES = ["policy.md", "policy.zh-CN.md"]
ROW = re.compile(r"^\| `(privacy=[^`]+)`[^|]*\| `?([^`|]+)`? \|$", re.MULTILINE)
#: In the order of the table's rows, the site's own time; the first two are refused at any time.
MOMENTS = [
    datetime(2026, 3, 2, 12),
    datetime(2026, 3, 2, 12),
    datetime(2026, 3, 7, 12),
    datetime(2026, 3, 5, 23),
    datetime(2026, 3, 6, 5, 59),
]


def text_of(root: Path, page: str) -> str:
    return (root / "docs" / page).read_text(encoding="utf-8")


def example(root: Path, page: str, folder: Path) -> Path:
    (content,) = re.findall(
        r"^`north\.yaml`\n\n```yaml\n(.*?)^```$", text_of(root, page), re.M | re.S
    )
    file = folder / "north.yaml"
    file.write_text(content, encoding="utf-8")
    return file


def decide(policy: Policy, job: Job, now: datetime) -> None:
    check_job(policy, job)
    check_hours(policy, now)


@pytest.mark.parametrize("page", PAGES)
def test_the_example_answers_as_the_page_says(page: str, root: Path, tmp_path: Path) -> None:
    policy = load_site(example(root, page, tmp_path)).policy
    rows = ROW.findall(text_of(root, page))
    assert len(rows) == len(MOMENTS)
    for (overrides, says), local in zip(rows, MOMENTS, strict=True):
        job = compose_job(["out=x", *overrides.split()])
        now = local.replace(tzinfo=ZoneInfo(policy.time_zone))
        if says.startswith(("takes part", "参加")):
            decide(policy, job, now)
        else:
            with pytest.raises(PolicyRefusalError, match=f"^{re.escape(says)}$"):
                decide(policy, job, now)


@pytest.mark.parametrize("page", PAGES)
def test_the_page_lists_every_key_with_its_default(page: str, root: Path) -> None:
    first_cells = " ".join(re.findall(r"^\| (`.*?) \|", text_of(root, page), re.M))
    for key in Policy.model_fields:
        assert re.search(rf"`{key}(\.\w+)?`", first_cells), key
    assert (Policy().min_learners, Policy().min_cohort, Policy().max_rejected_share) == (10, 1, 0.5)
    for key, default in (
        ("min_learners", "10"),
        ("min_cohort", "1"),
        ("max_rejected_share", "0.5"),
    ):
        assert f"| `{key}` | {default} |" in text_of(root, page)


def test_the_two_pages_have_the_same_blocks(root: Path) -> None:
    blocks = [re.findall(r"^```\w+\n.*?^```$", text_of(root, page), re.M | re.S) for page in PAGES]
    assert blocks[0] == blocks[1]
    line = json.loads(blocks[0][-1].removeprefix("```json").removesuffix("```"))
    assert set(line) == {"before", "hash", "number", "time", "event", "details"}


@pytest.mark.parametrize("page", PAGES)
def test_the_shorter_example_is_a_policy_for_data(page: str, root: Path) -> None:
    (block,) = re.findall(r"^    data:\n      .*$", text_of(root, page), re.M)
    allowed = DataPolicy.model_validate(yaml.safe_load(block)["data"]).columns()
    assert allowed is not None
    assert allowed["learners"] == ("learner_id", "age_band")


def test_check_site_shows_what_the_example_leaves(root: Path, tmp_path: Path) -> None:
    check = check_site(load_site(example(root, "policy.md", tmp_path)))
    lacking = {name for group in check.features for name in group.lacking}
    assert {"learners.gender", "learners.means", "events.duration_s"} <= lacking
    assert check.refusals == ()
