from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from edufed.fairness.groups import GROUPS, members, memberships
from edufed.fairness.lists import judge_lists, list_sums
from edufed.fairness.reading import read_memberships
from edufed.ranking import poisson_weights
from edufed.records import LearningRecords


def test_sums_of_sites_are_those_of_all_learners_and_show_a_worse_served_group():
    rng = np.random.default_rng(0)
    n = 3000
    columns = {"female": (rng.random(n) < 0.4).astype(float), "means": rng.random(n)}
    codes = memberships(columns)
    ndcg = np.clip(rng.normal(0.4, 0.3, n) - 0.15 * (columns["means"] < 0.2), 0, 1)
    weights = poisson_weights(n, 200, rng)
    told = [0, 1, *range(GROUPS.index(("means", "poorest")), len(GROUPS))]
    parts = [list_sums(ndcg[s::3], weights[s::3], codes[s::3], told) for s in range(3)]
    summed = {name: sum(part[name] for part in parts) for name in parts[0]}
    found = judge_lists(summed["group_ndcg"], summed["group_weights"], told, n, 20)
    by_name = {entry["attribute"]: entry for entry in found["attributes"]}
    for entry in found["attributes"]:
        for group in entry["groups"]:
            member = members(codes, GROUPS.index((entry["attribute"], group["group"])))
            assert group["n"] == member.sum()
            assert group["ndcg_at_10"] == pytest.approx(ndcg[member].mean(), abs=1e-12)
            assert group["low"] < group["ndcg_at_10"] < group["high"]
    apart = {
        row["group"]
        for entry in found["attributes"]
        for row in entry["comparisons"]
        if row["p_adjusted"] < 0.01
    }
    assert apart == {"poorest"}
    assert by_name["gender"]["reference"] == "not_female"
    assert by_name["age"] == {
        "attribute": "age",
        "reference": None,
        "groups": [],
        "comparisons": [],
        "withheld": ["older", "younger"],
    }


def test_groups_come_from_the_columns_that_a_site_has():
    learners = pd.DataFrame(
        {
            "learner_id": ["a", "b", "c"],
            "gender": ["female", "other", None],
            "age_band": ["55-", "18-24", None],
            "support_need": [True, False, None],
        }
    )
    connection = duckdb.connect()
    connection.register("frame", learners)
    connection.execute("CREATE TABLE learners AS SELECT * FROM frame")
    rows = np.array(["c", "a", "b", "nobody"], dtype=object)
    found = read_memberships(LearningRecords(connection, "x"), rows)
    named = [[GROUPS[code][1] if code >= 0 else None for code in row] for row in found]
    assert named == [
        [None] * 5,
        ["female", "older", "need", None, None],
        ["not_female", "younger", "no_need", None, None],
        [None] * 5,
    ]
