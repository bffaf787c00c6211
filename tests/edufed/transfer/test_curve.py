from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from edufed.transfer.curve import Learners, learning_curve, roc_auc
from edufed.transfer.prior import scores

SOURCE = np.array([0.0, 1.5, -1.0])


def learners(n: int, seed: int) -> Learners:
    rng = np.random.default_rng(seed)
    canonical, private = rng.standard_normal((n, 2)), rng.standard_normal((n, 12))
    y = (rng.random(n) < expit(scores(canonical, SOURCE))).astype(float)
    return Learners(canonical, private, y)


def test_few_labels_gain_and_many_do_not_lose() -> None:
    table = learning_curve(learners(600, 0), learners(800, 1), SOURCE, [20, 500, 900], 4, 5, 1)
    assert [row["n_labels"] for row in table] == [20, 500]  # the pool holds 600
    few, many = table
    assert few["transfer"] > few["target_only"] + 0.02
    assert few["used"] == "transfer"
    assert many["transfer"] > many["target_only"] - 0.005
    difference = few["transfer"] - few["target_only"]
    assert few["low"] < difference < few["high"]
    assert few["draws"] == 4


def test_the_same_seed_gives_the_same_table() -> None:
    arguments = (learners(80, 2), learners(80, 3), SOURCE, [20], 2, 5)
    assert learning_curve(*arguments, 1) == learning_curve(*arguments, 1)
    assert learning_curve(*arguments, 1) != learning_curve(*arguments, 2)


def test_labels_of_one_class_rank_nobody() -> None:
    pool = learners(40, 4)
    one = Learners(pool.canonical, pool.private, np.zeros(40))
    (row,) = learning_curve(one, learners(200, 5), SOURCE, [20], 2, 5, 1)
    assert row["target_only"] == 0.5
    assert row["transfer"] == row["chosen"] > 0.7


def test_roc_auc_is_scikit_learns() -> None:
    test = learners(300, 6)
    w = np.concatenate([SOURCE, np.zeros(12)])
    assert roc_auc(test, w) == pytest.approx(roc_auc_score(test.y, scores(test.canonical, SOURCE)))
    tied = np.zeros(15)
    assert roc_auc(test, tied) == 0.5
