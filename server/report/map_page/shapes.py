"""Shapes of regions out of a GeoJSON file, as paths that the page draws."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from edufed.config import Job, SettingsError
from server.report.contract import Report
from server.report.map_page.places import at_sites

Ring = list[list[float]]
#: Width of the drawing; its height follows.
WIDTH = 500.0


def with_shapes(report: Report, job: Job) -> Report:
    """Return a quality map's report with the shapes that `data.map.geojson` names, if it does.

    Raises
    ------
    SettingsError
        The file cannot be read, or lacks one of the report's regions. Of a private map, whose
        cost is spent and whose report must not be lost, the report warns of it instead.
    """
    if job.data.map.geojson is None or "quality_map" not in report.more:
        return report
    told = cast(dict[str, Any], report.more["quality_map"])
    try:
        shapes = _shapes_of(told, job, job.data.map.geojson)
    except SettingsError as error:
        if "private" not in told:
            raise
        return report.model_copy(update={"warnings": [*report.warnings, str(error)]})
    return Report.model_validate(
        {**report.model_dump(mode="json"), "quality_map": {**told, "shapes": shapes}}
    )


def _shapes_of(told: dict[str, Any], job: Job, file: str) -> dict[str, Any]:
    regions = [unit["path"][0] for unit in told["units"] if len(unit["path"]) == 1]
    found = at_sites(_read(Path(file), job.data.map.property), job.data.model_dump())
    missing = sorted(set(regions) - set(found))
    if missing:
        raise SettingsError(
            f"data.map.geojson: no feature has {job.data.map.property} {missing[0]!r}"
            f" ({len(missing)} of {len(regions)} regions are missing);"
            " set data.map.property, or leave the file out to draw tiles"
        )
    return _drawn({name: found[name] for name in regions})


def _read(file: Path, key: str) -> dict[str, list[Ring]]:
    """Outlines of each feature, by the name in its properties."""
    try:
        features = json.loads(file.read_text(encoding="utf-8"))["features"]
        return {
            str(feature["properties"][key]): list(_rings(feature["geometry"]))
            for feature in features
            if key in feature["properties"]
        }
    except OSError as error:
        raise SettingsError(f"data.map.geojson: {file.name}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"data.map.geojson: {file.name} is no GeoJSON of areas ({type(error).__name__})"
        ) from None


def _rings(geometry: dict[str, Any]) -> Iterator[Ring]:
    areas = geometry["coordinates"]
    for area in [areas] if geometry["type"] == "Polygon" else areas:
        yield from area


def _drawn(found: dict[str, list[Ring]]) -> dict[str, Any]:
    """Paths in the page's units: longitude shrunk by the cosine of the middle latitude."""
    points = [point for rings in found.values() for ring in rings for point in ring]
    west, east = min(p[0] for p in points), max(p[0] for p in points)
    south, north = min(p[1] for p in points), max(p[1] for p in points)
    narrow = math.cos(math.radians((south + north) / 2))
    scale = WIDTH / ((east - west) * narrow or 1.0)

    def place(point: list[float]) -> tuple[float, float]:
        return (
            round((point[0] - west) * narrow * scale, 1),
            round((north - point[1]) * scale, 1),
        )

    drawn: dict[str, Any] = {"box": [0, 0, WIDTH, round((north - south) * scale, 1)]}
    for name, rings in found.items():
        placed = [[place(point) for point in ring] for ring in rings]
        largest = max(placed, key=_area)
        across = [x for x, _ in largest]
        drawn[name] = {
            "d": " ".join(f"M{'L'.join(f'{x} {y}' for x, y in ring)}Z" for ring in placed),
            "centre": [
                sum(across) / len(across),
                sum(y for _, y in largest) / len(largest),
            ],
            "wide": max(across) - min(across),
        }
    return drawn


def _area(ring: list[tuple[float, float]]) -> float:
    """Twice the area within a ring (the shoelace formula)."""
    turned = [*ring[1:], ring[0]]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, turned, strict=True)))
