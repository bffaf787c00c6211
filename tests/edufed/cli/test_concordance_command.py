from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from edufed.cli.concordance import relate_command, summary
from edufed.config import SettingsError
from edufed.records import DataError

SITE = """\
name: {name}
state: state-{name}
adapter: {{name: province, path: province, learners: 2500, regions: 1, region: 0, platform: mooc,
  events_per_learner: 10, education: {name}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("concordance")
    for name in ("higher", "vocational"):
        (folder / f"{name}.yaml").write_text(SITE.format(name=name))
        summary(
            [f"site={folder}/{name}.yaml", "cutoff=60", f"out={folder}/{name}.json"],
        )
    return folder


def test_two_sites_are_related_by_their_summaries(folder: Path) -> None:
    relate_command(
        [f"from={folder}/vocational.json", f"to={folder}/higher.json", f"out={folder}/out.json"]
    )
    said = json.loads((folder / "out.json").read_text())
    assert (said["from"], said["to"], len(said["rows"])) == ("vocational", "higher", 19)
    assert all(row["low"] <= row["related"] <= row["high"] for row in said["rows"])
    assert stat.S_IMODE((folder / "higher.json").stat().st_mode) == 0o600


def test_mistakes_are_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no summary"):
        relate_command([f"from={folder}/higher.yaml", f"to={folder}/higher.json"])
    with pytest.raises(SettingsError, match="not a number of days"):
        summary([f"site={folder}/higher.yaml", "cutoff=soon", f"out={tmp_path}/x"])
    with pytest.raises(DataError, match="take a later cutoff"):
        summary([f"site={folder}/higher.yaml", "cutoff=0", f"out={tmp_path}/x"])
