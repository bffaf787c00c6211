"""Coverage of few learners is not told, nor what it would follow from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clients.evidence import _subgroups
from edufed.features import FeatureMatrix
from edufed.features.catalogue import NAMES
from server.report.certify import section
from server.strategies.certify import Findings

LEAST = 20


def found(sizes: dict[str, tuple[str, int]]) -> dict[str, Any]:
    """Make the report's section of sites of a type and so many learners, half of whom passed."""
    types = sorted({kind for kind, _ in sizes.values()})
    sets = np.zeros((len(types), 2, 2, 4), dtype=np.int64)
    sites: dict[str, dict[str, Any]] = {}
    for site, (kind, n) in sizes.items():
        own = np.array([[0, n - n // 2, 0, 0], [0, 0, n // 2, 0]])
        sets[types.index(kind)] += own
        sites[site] = {"n": n}
        if n >= LEAST:
            sites[site] |= {"sets": own.tolist(), "earlier": own.tolist()}
    findings = Findings({}, types, sets, np.zeros((2, 2000, 3)), sites)
    hello = {site: {"education": kind} for site, (kind, _) in sizes.items()}
    return section(findings, hello, 0.95, LEAST)


@pytest.mark.parametrize(
    ("sizes", "types", "sites"),
    [
        ({"a": ("x", 50), "b": ("x", 30), "c": ("x", 5)}, "x", "a"),
        ({"a": ("x", 50), "b": ("x", 15), "c": ("x", 9)}, "x", "a"),
        ({"a": ("x", 50), "b": ("x", 40), "c": ("y", 5)}, "", "a"),
        ({"a": ("x", 50), "b": ("y", 40), "c": ("z", 5)}, "x", "a"),
        ({"a": ("x", 50), "b": ("y", 40)}, "xy", "ab"),
    ],
)
def test_a_small_site_or_type_does_not_follow_from_the_others(
    sizes: dict[str, tuple[str, int]], types: str, sites: str
) -> None:
    said = found(sizes)
    told = {row["education"] for row in said["education"] if row["coverage"] is not None}
    regions = {row["site"] for row in said["regions"] if row["coverage"] is not None}
    assert (told, regions) == (set(types), set(sites))


def test_a_small_group_in_a_badge_does_not_follow_from_the_other() -> None:
    rows = 60
    values = np.full((rows, len(NAMES)), np.nan, dtype=np.float32)
    values[:, NAMES.index("female")] = np.arange(rows) < 52  # 8 are not
    values[:, NAMES.index("support_need")] = np.arange(rows) < 25
    matrix = FeatureMatrix(
        values=values,
        names=NAMES,
        learner_id=np.arange(rows).astype(str).astype(object),
        course_id=np.full(rows, "c", dtype=object),
        course_start=np.full(rows, "NaT", dtype="datetime64[D]"),
        target=np.zeros(rows, dtype=np.float32),
    )
    kinds, everyone = np.ones(rows, dtype=np.int64), np.ones(rows, dtype=bool)
    said = _subgroups(matrix, kinds, everyone, LEAST)
    assert [(row["group"], row["n"]) for row in said] == [
        ("with a support need", 25),
        ("without a support need", 35),
    ]
