"""The quality map's page: whole in both languages, and safe to open."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from edufed.config import SettingsError, compose_job
from server.report.contract import Report
from server.report.html import render
from server.report.map_page.shapes import with_shapes
from server.report.words import LANGUAGES, Language, load

MEASURES = ("participation", "completion", "pass_rate", "score", "growth", "use")


def figure(mean: float) -> dict[str, Any]:
    return {"n": 90, "mean": mean, "se": 0.02, "estimate": mean, "error": 0.02} | {
        "low": mean - 0.04,
        "high": mean + 0.04,
        "rank": [1, 2],
    }


def unit(number: int, path: list[str], mean: float) -> dict[str, Any]:
    measures = {name: figure(mean) for name in MEASURES}
    change = {"from": "2024-02", "to": "2024-09", "difference": 0.1, "se": 0.02, "p": 1e-6}
    return {
        "id": number,
        "parent": 0 if path else None,
        "level": "region" if path else "province",
        "path": path,
        "learners": 90,
        "measures": {**measures, "growth": None},
        "terms": [
            {"name": term, "learners": 45, "measures": measures} for term in ("2024-02", "2024-09")
        ],
        "change": {name: {**change, "notable": name == "score"} for name in MEASURES},
        "groups": {"gender": None},
        "parity": {
            "gender": {
                name: {"index": 0.8, "adjusted": 0.8, "low": 0.7, "high": 0.9} for name in MEASURES
            },
            "age": None,
        },
    }


@pytest.fixture
def report() -> Report:
    staged = {"level": "region", "stage": "primary", "measure": "use", "units": 2, "covered": 1.0}
    return Report.model_validate(
        {
            "job": {"task": "quality_map", "config": {"data": {"map": {"tiles": {}}}}},
            "metrics": {},
            "sites": [{"site": "one"}, {"site": "two"}],
            "rounds": [],
            "totals": {},
            "privacy": {"secagg": {"threshold": 2}},
            "quality": [],
            "quality_map": {
                "levels": ["region"],
                "terms": ["2024-02", "2024-09"],
                "measures": [{"name": name, "kind": "share"} for name in MEASURES],
                "groups": {},
                "min_cohort": 10,
                "units": [
                    unit(0, [], 0.5),
                    unit(1, ["</script><b>north"], 0.4),
                    unit(2, ["south"], 0.6),
                ],
                "equity": [
                    {**staged, "cv": 0.6, "cv_without_chance": 0.5, "gini": 0.2, "threshold": 0.5}
                ],
                "theil": [{"level": "region", "total": 0.5, "between": 0.1, "within": 0.4}],
                "withheld": {
                    "levels": [
                        {"level": "region", "units": 3, "told": 2, "measures": {}, "tables": {}}
                    ],
                    "not_broken_down": {"term": ["participation"], "gender": []},
                },
                "folded": {"gender": {"from": "region", "into": "male"}},
            },
        }
    )


def data(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return cast(dict[str, Any], json.loads(text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_and_loads_nothing(report: Report, language: Language) -> None:
    page = render(report, language)
    words = load(language)["quality_map"]
    for key in ("map", "league", "equity.caption", "theil.caption", "changes.caption", "parity"):
        assert words[key].partition("{")[0] in page, key
    assert words["unbalanced"] in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "default-src 'none'" in page
    held = data(page)
    assert [each["id"] for each in held["units"]] == [0, 1, 2]
    assert held["words"] == words


def test_a_units_name_cannot_end_the_script(report: Report) -> None:
    page = render(report)
    assert "</script><b>north" not in page
    assert data(page)["units"][1]["path"] == ["</script><b>north"]


def test_the_script_is_the_one_that_the_page_allows(report: Report) -> None:
    import base64
    import hashlib

    page = render(report)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_every_word_that_the_script_says_is_there(report: Report) -> None:
    from server.report.map_page.script import SCRIPT

    words = load("en")["quality_map"]
    said = set(re.findall(r'\bW\.(\w+)|say\("([\w.]+)"', SCRIPT))
    assert {one or other for one, other in said} <= set(words)


def shapes(folder: Path, *names: str) -> list[str]:
    square = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    features = [
        {"properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [square]}}
        for name in names
    ]
    file = folder / "shapes.json"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return [
        *("task=quality_map", "data=sites", f"data.files=[{folder}/a.yaml]", f"out={folder}/out"),
        f"+data.map.geojson={file}",
    ]


def test_shapes_are_drawn_where_a_file_is_given(report: Report, tmp_path: Path) -> None:
    job = compose_job(shapes(tmp_path, "</script><b>north", "south", "elsewhere"))
    drawn = data(render(with_shapes(report, job)))["shapes"]
    assert drawn["south"]["d"].startswith("M0.0 500")
    assert set(drawn) == {"box", "south", "</script><b>north"}


def test_a_region_without_a_shape_is_named(report: Report, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no feature has name '</script><b>north' \(1 of 2"):
        with_shapes(report, compose_job(shapes(tmp_path, "south")))
    job = compose_job(shapes(tmp_path, "south"))
    (tmp_path / "shapes.json").write_text('{"features": [{"properties": {"name": 1}}]}')
    with pytest.raises(SettingsError, match=r"shapes\.json is no GeoJSON of areas \(KeyError\)"):
        with_shapes(report, job)
