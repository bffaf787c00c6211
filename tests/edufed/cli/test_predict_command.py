"""`edufed predict`: a file of the site's own learners, by the site's own calibration."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_job
import yaml
from small_job import SmallJob

from clients.publish import model_folder
from edufed.cli.predict import command
from edufed.config import SettingsError
from edufed.records import DataError


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> SmallJob:
    return small_job.run(tmp_path_factory.mktemp("predict"), "model=mlp", "research=false")


def yaml_of(job: SmallJob, folder: Path, **changes: object) -> Path:
    """Write the YAML of the job's first site, as its platform would have it."""
    own = job.sites[0].settings
    file = folder / "site.yaml"
    said = {"name": own.name, "adapter": own.adapter, "state": str(own.state)} | changes
    file.write_text(yaml.safe_dump(said))
    return file


def predicted(job: SmallJob, folder: Path, *more: str, **changes: object) -> pd.DataFrame:
    out = folder / "risk.csv"
    model = model_folder(job.sites[0], job.job.id)
    command([f"site={yaml_of(job, folder, **changes)}", f"model={model}", f"out={out}", *more])
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    return pd.read_csv(out)


def test_every_learner_is_listed_once_by_falling_risk(job: SmallJob, tmp_path: Path) -> None:
    frame = predicted(job, tmp_path)
    matrix = job.sites[0].learners(60).matrix
    pairs = set(zip(matrix.learner_id, matrix.course_id, strict=True))
    assert set(zip(frame["learner_id"], frame["course_id"], strict=True)) == pairs
    assert len(frame) == len(pairs)
    assert frame["risk"].is_monotonic_decreasing
    assert frame["risk"].between(0, 1).all()
    assert frame["rank"].tolist() == list(range(1, len(frame) + 1))
    assert frame["reason_1"].notna().any()  # two rounds leave few risks with much to say


def test_reasons_are_in_the_language_asked_for(job: SmallJob, tmp_path: Path) -> None:
    english = predicted(job, tmp_path)
    chinese = predicted(job, tmp_path, "language=zh")
    np.testing.assert_array_equal(chinese["risk"], english["risk"])
    assert english["reason_1"].dropna().str.isascii().all()
    assert not chinese["reason_1"].dropna().str.isascii().any()


def test_a_site_that_took_no_part_calibrates_on_its_own_results(
    job: SmallJob, tmp_path: Path
) -> None:
    kept = predicted(job, tmp_path)
    stranger = predicted(job, tmp_path, state=str(tmp_path / "state"), name="newcomer")
    assert len(stranger) == len(kept)
    assert (
        stranger.sort_values("learner_id")["risk"].to_numpy()
        != kept.sort_values("learner_id")["risk"].to_numpy()
    ).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": "nowhere"}, DataError, "nowhere"),
        ({"out": "risk.xlsx"}, DataError, r"written as \.csv or \.parquet"),
        ({"out": "risk.xlsx", "model": "nowhere"}, DataError, r"written as \.csv or \.parquet"),
        ({"site": "nowhere.yaml"}, SettingsError, "No such file"),
        ({"langauge": "zh"}, SettingsError, "langauge"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    job: SmallJob, tmp_path: Path, change: dict[str, str], error: type[Exception], message: str
) -> None:
    given = {
        "site": str(yaml_of(job, tmp_path)),
        "model": str(model_folder(job.sites[0], job.job.id)),
        "out": "risk.csv",
    }
    given |= change
    given["out"] = str(tmp_path / given["out"])
    with pytest.raises(error, match=message) as caught:
        command([f"{key}={value}" for key, value in given.items()])
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["site.yaml"]
