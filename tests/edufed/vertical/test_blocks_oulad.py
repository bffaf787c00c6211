from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from data_adapters.base import open_adapter
from edufed.features import (
    FEATURES,
    Scaling,
    build,
    cohort_counts,
    cohort_ranks,
    design,
    design_features,
    moments,
    transformed,
)
from edufed.vertical import FeatureBlock, LabelBlock, log_loss, train_together

RIDGE = 1e-4
OWN = {"background", "registration", "load", "assessment"}
CONTENT = {"kind", "activity"}


@pytest.mark.data
def test_three_platforms_reach_the_pooled_model_in_a_handful_of_rounds(shared_data: Path) -> None:
    settings = {"name": "oulad", "path": str(shared_data / "oulad")}
    matrix = build(open_adapter(settings, shared_data).read(60.0), 60.0)
    courses = sorted(set(matrix.course_id.tolist()))
    ranks = cohort_ranks(matrix, courses, cohort_counts(matrix, courses))
    train = matrix.course_start < np.datetime64("2014-01-01")
    scaling = Scaling.from_moments(moments(transformed(matrix.values[train])))
    x = design(matrix, ranks, scaling).astype(np.float64).clip(-8, 8)
    groups = np.array([FEATURES[at].group for at in design_features()])
    varies = x[train].std(axis=0) > 1e-9
    own, content = np.isin(groups, list(OWN)), np.isin(groups, list(CONTENT))
    parts = [x[:, varies & of] for of in (own, content, ~own & ~content)]
    y = matrix.target.astype(np.float64)

    def auc(z: np.ndarray) -> float:
        return float(roc_auc_score(y[~train], z))

    together = np.hstack(parts)
    model = LogisticRegression(C=1 / (RIDGE * train.sum()), tol=1e-8, max_iter=5000)
    z = model.fit(together[train], y[train]).decision_function(together)
    optimum = log_loss(z[train], y[train]) + RIDGE / 2 * (model.coef_**2).sum()
    label = LabelBlock(parts[0][train], y[train, None], RIDGE)
    alone = auc(label.scores(parts[0][~train]))
    blocks = [FeatureBlock(part[train], 1, RIDGE) for part in parts[1:]]
    rounds = []
    for objective in train_together(label, blocks, lambda k, r: parts[k + 1][train].T @ r, 12):
        scores = label.scores(parts[0][~train]) + sum(
            block.scores(part[~train]) for block, part in zip(blocks, parts[1:], strict=True)
        )
        rounds.append((float(objective[0] - optimum), auc(z[~train]) - auc(scores)))

    assert all(abs(gap) <= 0.002 for _, gap in rounds[2:])
    assert all(gap < 1e-4 for gap, _ in rounds[5:])
    assert auc(scores) - alone >= 0.01
