"""The quality map by plain pandas on all rows together: what federated figures are held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from edufed.quality.frame import GROUPS
from edufed.quality.measures import NAMES
from edufed.quality.rows import Rows

#: Column in which a small rest is counted where the map says so.
INTO = {"gender": "male", "age": "younger", "need": "no_need", "means": "middle", "stage": "other"}


def together(sites: Sequence[Rows]) -> pd.DataFrame:
    """Return all sites' rows as one frame: places, term, groups by name, measures."""
    stages: dict[str, int] = {}
    for rows in sites:
        for course, level in rows.stages.items():
            stages[course] = max(level, stages.get(course, 0))
    frames = []
    for rows in sites:
        frame = pd.DataFrame({**rows.places, **rows.measures, "term": rows.term})
        for group, places in rows.groups.items():
            frame[group] = np.array(GROUPS[group])[places]
        level = pd.Series(rows.course).map(stages)
        frame["stage"] = np.where(
            level.isna(),
            "",
            level.map({1: "primary", 2: "junior_secondary"}).fillna("other"),
        )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def cells(section: dict[str, Any], frame: pd.DataFrame) -> Iterator[tuple[str, dict, pd.DataFrame]]:
    """Yield every cell that the section tells, with the rows behind it."""
    depth = {level: place for place, level in enumerate(("province", *section["levels"]))}
    for unit in section["units"]:
        ours = frame
        for level, name in zip(section["levels"], unit["path"], strict=False):
            ours = ours[ours[level] == name]
        at = "/".join(unit["path"]) or "province"
        yield at, unit, ours
        for cell in unit["terms"] or []:
            yield f"{at} in {cell['name']}", cell, ours[ours["term"] == cell["name"]]
        for group, row in unit["groups"].items():
            folded = section["folded"].get(group)
            column = ours[group]
            if folded and depth[unit["level"]] >= depth[folded["from"]]:
                assert folded["into"] == INTO[group]
                column = column.replace("", INTO[group])
            for cell in row or []:
                yield f"{at}: {group} {cell['name']}", cell, ours[column == cell["name"]]


def assert_equal(section: dict[str, Any], frame: pd.DataFrame, tolerance: float = 1e-9) -> int:
    """Check every told count, mean and standard error; return how many there were."""
    compared = 0
    for at, cell, rows in cells(section, frame):
        assert cell["learners"] == len(rows), at
        for name in NAMES:
            figure = cell["measures"][name]
            if figure is None:
                continue
            values = rows[name].dropna()
            assert figure["n"] == len(values), (at, name)
            expected = {"mean": values.mean(), "se": values.sem() if len(values) > 1 else None}
            for key, value in expected.items():
                if value is None or figure[key] is None:
                    continue
                scale = max(1.0, abs(value))
                assert abs(figure[key] - value) <= tolerance * scale, (at, name, key)
                compared += 1
    return compared
