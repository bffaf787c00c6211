"""docs/onboarding.md and its translation: their example, as it stands."""

from __future__ import annotations

import gzip
import json
import re
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from data_adapters.base import MODULES, open_adapter
from data_adapters.governance import clean
from edufed.cli.check_site import check_site
from edufed.config.site import load_site
from edufed.records import DataError

FILE = re.compile(r"^`([\w.-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["onboarding.md", "onboarding.zh-CN.md"]


def unpack(page: Path, folder: Path) -> Path:
    files = dict(FILE.findall(page.read_text(encoding="utf-8")))
    assert set(files) == {"pupils.csv", "courses.csv", "attendance.csv", "harbour.yaml"}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder / "harbour.yaml"


@pytest.mark.parametrize("page", PAGES)
def test_the_example_gives_what_the_page_says(page: str, root: Path, tmp_path: Path) -> None:
    site = load_site(unpack(root / "docs" / page, tmp_path))
    quality = check_site(site).quality
    records, _ = clean(open_adapter(site.adapter, site.folder).read())
    found = {table: records.count(table) for table in records.present()}
    assert found == {"learners": 4, "resources": 2, "enrolments": 4, "events": 4}
    assert quality.tables["events"].reasons == {"line of the file: missing columns": 1}
    assert quality.tables["events"].warnings == {"duration_s: not a number": 1}
    learners = records.connection.execute(
        "SELECT learner_id, gender, age_band, education_level FROM learners ORDER BY 1"
    ).fetchall()
    assert learners == [
        ("001", "female", "15-17", 2),
        ("002", "male", "18-24", 3),
        ("003", "other", "25-34", 2),
        ("004", None, "35-", None),
    ]
    events = records.connection.execute(
        "SELECT learner_id, verb, round(time, 3), duration_s FROM events ORDER BY ALL"
    ).fetchall()
    assert events == [
        ("001", "attended", 0.333, 2730.0),
        ("001", "attended", 7.335, 2640.0),
        ("002", "attended", 7.34, None),
        ("003", "attended", 0.667, 5400.0),
    ]
    starts = records.connection.execute(
        "SELECT learner_id, strftime(course_start, '%d.%m.') FROM enrolments ORDER BY 1"
    ).fetchall()
    assert starts == [("001", "02.09."), ("002", "02.09."), ("003", "16.09."), ("004", "16.09.")]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{column: Geschlecht,", "{column: geschlecht,"),
        ('"%d.%m.%Y %H:%M"', '"%d/%m/%Y"'),
    ],
)
def test_mistakes_are_reported_as_the_page_says(
    page: str, before: str, after: str, root: Path, tmp_path: Path
) -> None:
    file = unpack(root / "docs" / page, tmp_path)
    content = file.read_text(encoding="utf-8")
    assert before in content
    file.write_text(content.replace(before, after), encoding="utf-8")
    site = load_site(file)
    with pytest.raises(DataError) as caught:
        open_adapter(site.adapter, site.folder).read()
    assert f"    {caught.value}\n" in (root / "docs" / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_kind_of_platform_is_in_the_page(page: str, root: Path) -> None:
    text = (root / "docs" / page).read_text(encoding="utf-8")
    assert all(f"| `{name}` " in text for name in set(MODULES) - {"oulad", "province"})


def indented(text: str, first: str) -> dict:
    """Parse the page's indented block whose first line is `first`."""
    lines = text.split(f"    {first}\n", 1)[1].splitlines()
    block = takewhile(lambda line: line.startswith("     "), lines)
    return yaml.safe_load("\n".join([f"    {first}", *block]))


@pytest.mark.parametrize("page", PAGES)
def test_its_words_about_statements_hold(page: str, root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / page).read_text(encoding="utf-8")
    adapter = indented(text, "adapter:")["adapter"]
    statement = {
        "actor": {"account": {"name": "anna", "homePage": "http://school.example"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
        "object": {"id": "http://school.example/quiz/1"},
        "context": {
            "contextActivities": {
                "parent": [
                    {
                        "id": next(iter(adapter["course_start"])),
                        "definition": {"type": "http://adlnet.gov/expapi/activities/course"},
                    }
                ]
            }
        },
        "result": {"success": True, "score": {"scaled": 0.8}},
        "timestamp": "2024-09-03T00:00:00Z",
    }
    file = tmp_path / adapter["source"]["path"]
    file.write_bytes(gzip.compress(json.dumps(statement).encode()))
    adapter["tables"] = indented(text, "outcomes:")
    records = open_adapter(adapter, tmp_path).read()
    (outcome,) = records.frame("outcomes").to_dict("records")
    assert outcome == {
        "learner_id": "anna",
        "course_id": "course-v1:S+1+now",
        "resource_id": "http://school.example/quiz/1",
        "time": 2.0,
        "score": 0.8,
        "passed": True,
        "kind": "assessment",
    }
