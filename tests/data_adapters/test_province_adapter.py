import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_adapters.base import open_adapter
from data_adapters.governance import clean
from data_adapters.province import ProvinceSettings, write_province
from data_adapters.province.settings import EDUCATION, PLATFORMS
from edufed.config import load_site
from edufed.records import DataError, LearningRecords

SIZE: dict[str, Any] = {"learners": 1500, "regions": 1, "events_per_learner": 30, "dirt": 0.02}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sites")


def site(platform: str = "mooc", **changes: Any) -> dict[str, Any]:
    return {"name": "province", "path": "data", "region": 0, "platform": platform} | SIZE | changes


def read(folder: Path, cutoff: float | None = None, **changes: Any) -> LearningRecords:
    return open_adapter(site(**changes), folder).read(cutoff)


def test_a_missing_region_is_generated_once_and_alone(tmp_path: Path) -> None:
    first = read(tmp_path, regions=3)
    assert [file.name[:9] for file in (tmp_path / "data").glob("region-*")] == ["region-00"]
    [key] = (tmp_path / "data").glob("region-*")
    written = (key / "mooc" / "events.parquet").stat().st_mtime_ns
    again = read(tmp_path, regions=3)
    assert (key / "mooc" / "events.parquet").stat().st_mtime_ns == written
    assert again.fingerprint == first.fingerprint
    assert read(tmp_path, regions=3, platform="live_class").fingerprint != first.fingerprint
    assert read(tmp_path, regions=3, education="basic").fingerprint != first.fingerprint


@pytest.mark.parametrize("platform", PLATFORMS)
def test_governance_rejects_exactly_the_bad_rows(folder: Path, platform: str) -> None:
    records, report = clean(read(folder, platform=platform))
    [file] = (folder / "data").glob("region-*/truth/truth.json")
    summary = json.loads(file.read_text())
    dirt, rows = summary["dirt"][platform], summary["rows"][platform]
    for table in records.present():
        if table not in rows:
            assert (platform, table) != ("mooc", "enrolments")  # others': who was seen where
            continue
        bad = dirt.get(table, {})
        quality = report.tables[table]
        assert quality.rows == rows[table]
        assert quality.rejected == sum(bad.values())
        assert quality.duplicates == bad.get("duplicate", 0)
        unknown = quality.reasons.get("learner_id: not among the learners", 0)
        assert unknown == bad.get("unknown_learner", 0)
        assert quality.reasons.get("time: outside -3650 to 3650", 0) == bad.get("bad_date", 0)
        assert records.count(table) == rows[table] - sum(bad.values())
    assert 0.01 < report.rejected / report.rows < 0.03


def test_what_is_left_after_governance_is_the_clean_province(folder: Path) -> None:
    dirty, _ = clean(read(folder))
    pure, report = clean(read(folder, dirt=0.0))
    assert report.rejected == 0
    for table in pure.present():
        # As multisets, in SQL: the order of rows means nothing.
        query = f'SELECT hash(COLUMNS(*))::HUGEINT AS "\\0" FROM {table}'
        sums = [
            r.connection.sql(f"SELECT sum(COLUMNS(*)) FROM ({query})").fetchall()
            for r in (dirty, pure)
        ]
        assert sums[0] == sums[1]


def test_nothing_after_the_cutoff_is_read_but_final_results(folder: Path) -> None:
    whole, part = read(folder), read(folder, 60)
    events, outcomes = part.frame("events"), part.frame("outcomes")
    assert events.time.max() <= 60
    assert len(events) == (whole.frame("events").time <= 60).sum()
    assessments = outcomes[outcomes.kind == "assessment"]
    assert 0 < len(assessments) < (whole.frame("outcomes").kind == "assessment").sum()
    assert assessments.time.max() <= 60
    finals = whole.frame("outcomes").kind == "final"
    assert (outcomes.kind == "final").sum() == finals.sum()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_education_types_part_the_platform(folder: Path, platform: str) -> None:
    whole = read(folder, platform=platform)
    parts = {name: read(folder, platform=platform, education=name) for name in EDUCATION}
    for table in set(whole.present()) - {"resources"}:
        assert sum(len(part.frame(table)) for part in parts.values()) == len(whole.frame(table))
    for name, part in parts.items():
        courses = set(part.frame("events").course_id)
        assert courses
        assert all(course.startswith(f"{name}-") for course in courses)
        resources = part.frame("resources")
        assert resources.course_id.isna().any()
        assert set(resources.course_id.dropna()) >= courses


def test_files_of_a_generation_that_was_killed_are_replaced(tmp_path: Path) -> None:
    settings = ProvinceSettings(**SIZE)
    part = tmp_path / "data" / f".{settings.region_key(0)}.part"
    (part / "mooc").mkdir(parents=True)
    (part / "mooc" / "events.parquet").write_text("half")
    assert read(tmp_path).count("events") > 0
    assert not part.exists()


READ = """
import sys
from pathlib import Path
from data_adapters.base import open_adapter
site = {"name": "province", "path": "data", "region": 0, "platform": sys.argv[1],
    "learners": 1500, "regions": 1, "events_per_learner": 30, "dirt": 0.02}
print(open_adapter(site, Path(sys.argv[2])).read().count("events"))
"""


def test_sites_of_a_region_may_start_at_once(tmp_path: Path, folder: Path, root: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", READ, platform, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for platform in PLATFORMS
    ]
    counts = [int(process.communicate()[0]) for process in running]
    assert counts == [read(folder, platform=platform).count("events") for platform in PLATFORMS]
    assert len(list((tmp_path / "data").glob("region-*"))) == 1


def test_site_files_open_as_they_are(tmp_path: Path) -> None:
    settings = ProvinceSettings(**SIZE)
    for file in write_province(settings, tmp_path):
        own = load_site(file)
        records = open_adapter(own.adapter, own.folder).read()
        assert records.count("events") > 0
    # The files that were there already were found.
    assert len(list(tmp_path.glob("region-*"))) == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"platform": "radio"}, "adapter.platform"),
        ({"region": 1}, "not one of 0 to 0"),
        ({"region": "first"}, "adapter.region"),
        ({"educaton": "basic"}, "adapter.educaton"),
        ({"education": "primary"}, "adapter.education"),
    ],
)
def test_wrong_settings_are_one_clear_line(
    tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says) as error:
        open_adapter(site(**wrong), tmp_path)
    assert "\n" not in str(error.value)


def test_a_path_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(DataError, match="cannot be written"):
        read(tmp_path)


def test_rows_without_a_day_are_counted_whatever_the_cutoff(tmp_path: Path) -> None:
    read(tmp_path, dirt=0.0)  # makes the files
    (file,) = tmp_path.glob("data/*/mooc/events.parquet")
    events = pq.read_table(file)
    days = events["time"].to_pylist()
    days[:3], days[3] = [None] * 3, float("nan")
    place = events.schema.get_field_index("time")
    pq.write_table(events.set_column(place, "time", pa.array(days, pa.float64())), file)
    for cutoff in (None, 60):
        quality = clean(read(tmp_path, cutoff, dirt=0.0))[1].tables["events"]
        assert quality.reasons == {"time: missing": 3, "time: outside -3650 to 3650": 1}
