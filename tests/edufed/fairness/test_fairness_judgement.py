from __future__ import annotations

import json

import numpy as np
import pytest

from edufed.fairness.abroca import abroca
from edufed.fairness.groups import GROUPS, members, memberships
from edufed.fairness.judgement import in_caseload, judge
from edufed.fairness.summaries import GROUP_BINS, group_counts, group_summaries
from edufed.fairness.told import told_groups
from edufed.metrics import BINS, score_summary


def made_up(n=6000, seed=0):
    """Learners whose model ranks the poorest badly and sets the risk of women too high."""
    rng = np.random.default_rng(seed)
    columns = {
        "female": (rng.random(n) < 0.5).astype(float),
        "age": rng.choice([0.0, 35.0], n),
        "support_need": (rng.random(n) < 0.1).astype(float),
        "education_level": rng.integers(0, 7, n).astype(float),
        "means": rng.random(n),
    }
    logit = rng.normal(size=n) - 0.5
    y = (rng.random(n) < 1 / (1 + np.exp(-1.5 * logit))).astype(float)
    seen = np.where(columns["means"] < 0.2, rng.normal(size=n) - 0.5, logit)
    risk = 1 / (1 + np.exp(-1.5 * seen - 0.5 * columns["female"]))
    return y, risk, memberships(columns)


@pytest.fixture(scope="module")
def found():
    """Four sites' sums, and what is made of them."""
    y, risk, codes = made_up()
    site = np.arange(len(y)) % 4
    parts = [(y[site == s], risk[site == s], codes[site == s]) for s in range(4)]
    told = told_groups(sum(group_counts(y, codes) for y, _, codes in parts), 20)
    overall = sum(score_summary(y, risk) for y, risk, _ in parts)
    groups = sum(group_summaries(y, risk, codes, told) for y, risk, codes in parts)
    return y, risk, codes, overall, groups, told, judge(overall, groups, told, 20, 1, 399)


def rows(section):
    return {
        (entry["attribute"], row["group"]): row
        for entry in section["attributes"]
        for row in entry["comparisons"]
    }


def test_it_finds_what_was_put_in_and_nothing_else(found):
    section = found[-1]
    wrong = {key for key, row in rows(section).items() if row["abroca_p_adjusted"] < 0.05}
    assert wrong == {("means", "poorest")}
    by_group = {g["group"]: g for entry in section["attributes"] for g in entry["groups"]}
    assert by_group["female"]["calibration_low"] > 0.05
    assert abs(by_group["not_female"]["calibration_gap"]) < 0.05
    assert by_group["poorest"]["roc_auc"] < by_group["middle"]["roc_auc"] - 0.1
    json.dumps(section, allow_nan=False)


def test_federated_sums_give_the_pooled_figures_to_the_stated_tolerance(found):
    y, risk, codes, overall, _, _, section = found
    # The caseload of the rows themselves; at its border a bin is taken in proportion.
    caught = np.zeros(len(y), dtype=bool)
    caught[np.argsort(-risk, kind="stable")[: int(np.ceil(0.1 * len(y)))]] = True
    crowd = overall[..., 0].sum(axis=0).reshape(GROUP_BINS, -1).sum(axis=1).max()
    for entry in section["attributes"]:
        for group in entry["groups"]:
            member = members(codes, GROUPS.index((entry["attribute"], group["group"])))
            assert group["n"] == member.sum()
            assert group["observed"] == pytest.approx(y[member].mean(), abs=1e-12)
            assert group["mean_risk"] == pytest.approx(risk[member].mean(), abs=1e-9)
            assert group["caseload_share"] == pytest.approx(
                caught[member].mean(), abs=crowd / member.sum()
            )
        for row in entry["comparisons"]:
            one, other = (
                score_summary(y[m], risk[m], 200_000)[..., 0]
                for m in (
                    members(codes, GROUPS.index((entry["attribute"], name)))
                    for name in (row["group"], entry["reference"])
                )
            )
            assert row["abroca_error"] < 5e-3
            assert abs(row["abroca"] - abroca(one, other)) <= row["abroca_error"]
            assert abs(row["abroca"] - abroca(one, other)) <= 2e-4  # what it is in practice


def test_the_caseload_is_a_tenth_whatever_the_bins(found):
    overall = found[3]
    learners = overall[..., 0].sum(axis=0).reshape(GROUP_BINS, -1).sum(axis=1)
    assert in_caseload(overall) @ learners == pytest.approx(600)
    assert BINS % GROUP_BINS == 0


def test_it_is_the_same_every_time(found):
    *_, overall, groups, told, _ = found
    again = [judge(overall, groups, told, 20, 7, 9) for _ in range(2)]
    assert again[0] == again[1]


def test_with_no_group_to_tell_there_is_nothing():
    y, risk, _ = made_up(50)
    nothing = judge(score_summary(y, risk), np.zeros((0, 2, GROUP_BINS, 3)), [], 20, 1)
    assert all(not e["groups"] and e["reference"] is None for e in nothing["attributes"])
