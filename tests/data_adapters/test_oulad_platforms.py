"""OULAD as three platforms that share learners."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from data_adapters.base import open_adapter
from data_adapters.governance import clean
from data_adapters.oulad.codebook import KIND, PLATFORMS
from edufed.config import load_site
from edufed.records import DataError, LearningRecords

CUTOFF = 60.0


def read(path: Path, platform: str) -> LearningRecords:
    settings = {"name": "oulad", "path": str(path), "platform": platform}
    return open_adapter(settings, path).read(CUTOFF)


def test_every_kind_of_resource_is_at_one_platform() -> None:
    listed = [kind for kinds in PLATFORMS.values() for kind in kinds]
    assert sorted(listed) == sorted(KIND)


def test_an_unknown_platform_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"adapter\.platform") as caught:
        read(tmp_path, "moon")
    assert "\n" not in str(caught.value)


def test_each_platform_has_an_example_of_a_site(root: Path) -> None:
    listed = yaml.safe_load((root / "conf" / "data" / "oulad_vertical.yaml").read_text())
    for site in listed["sites"]:
        example = load_site(root / "conf" / "site" / f"oulad_{site['name']}.yaml")
        assert example.name == site["name"]
        assert example.adapter["platform"] == site["adapter"]["platform"]


@pytest.mark.data
def test_three_platforms_share_out_the_data_set(shared_data: Path) -> None:
    path = shared_data / "oulad"
    clicks = pd.read_parquet(path / "studentVle.parquet")
    kinds = pd.read_parquet(path / "vle.parquet").set_index("id_site")["activity_type"]
    clicks = clicks[clicks["date"] <= CUTOFF]
    seen: dict[str, set[str]] = {}
    for platform, own in PLATFORMS.items():
        records, quality = clean(read(path, platform))
        assert quality.compact(platform)["rejected"] == 0
        assert records.present() == ("learners", "resources", "enrolments", "events")
        assert set(records.columns("learners")) == {"learner_id", "link_id"}
        here = clicks[clicks["id_site"].map(kinds).isin(own)]
        assert records.count("events") == len(here)
        seen[platform] = set(records.frame("learners")["link_id"])
        assert seen[platform] == set(here["id_student"].astype(str))
    registry, quality = clean(read(path, "registry"))
    assert quality.compact("registry")["rejected"] == 0
    assert registry.present() == ("learners", "resources", "enrolments", "outcomes")
    info = pd.read_parquet(path / "studentInfo.parquet")
    people = registry.frame("learners")
    assert set(people["link_id"]) == set(info["id_student"].astype(str))
    assert seen["live"] - seen["library"]
    assert len(set(people["link_id"]) - seen["live"]) > 1000
    # A platform's own learner ids say nothing to another.
    others = set(read(path, "live").frame("learners")["learner_id"])
    assert not others & set(people["learner_id"])
