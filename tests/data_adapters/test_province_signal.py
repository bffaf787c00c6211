"""Whether the province is worth federating: what early warning reaches alone and together."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from data_adapters.base import open_adapter
from data_adapters.governance import clean
from data_adapters.province import ProvinceSettings, truth
from data_adapters.province.settings import TEST_FROM
from edufed.features.build import build
from edufed.features.scaling import Scaling, design, moments, transformed

SETTINGS = ProvinceSettings()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> list[pd.DataFrame]:
    """Return each region's design, target `y`, true risk `p` and `test`, at day 60."""
    folder = tmp_path_factory.mktemp("signal")
    matrices, risks = [], []
    for region in range(SETTINGS.regions):
        adapter = {"name": "province", "path": "data", "region": region, "platform": "mooc"}
        records, _ = clean(open_adapter(adapter, folder).read(60))
        links = records.frame("learners").set_index("learner_id").link_id
        matrix = build(records, 60)
        known = truth(SETTINGS, region).enrolments.set_index(["link_id", "course_id"])
        keys = pd.MultiIndex.from_arrays([links[matrix.learner_id], matrix.course_id])
        matrices.append(matrix)
        risks.append(known.probability.loc[keys].to_numpy())
    test = [m.course_start >= np.datetime64(TEST_FROM) for m in matrices]
    total = sum(moments(transformed(m.values), ~t) for m, t in zip(matrices, test, strict=True))
    scaling = Scaling.from_moments(np.asarray(total))
    out = []
    for matrix, late, risk in zip(matrices, test, risks, strict=True):
        frame = pd.DataFrame(design(matrix, np.full_like(matrix.values, np.nan), scaling))
        out.append(frame.assign(y=matrix.target, p=risk, test=late))
    return out


def auc(train: pd.DataFrame, test: pd.DataFrame) -> float:
    columns = [name for name in train if isinstance(name, int)]
    with threadpool_limits(1):  # a hundred times faster where other work wants the cores too
        model = LogisticRegression(C=0.01, max_iter=500).fit(train[columns], train.y)
    return float(roc_auc_score(test.y, model.decision_function(test[columns])))


def test_together_is_clearly_better_than_alone_and_below_the_oracle(
    sites: list[pd.DataFrame],
) -> None:
    both = [(site[~site.test], site[site.test]) for site in sites]
    assert all(len(train) >= 400 for train, _ in both)
    train, test = (pd.concat(parts) for parts in zip(*both, strict=True))
    pooled = auc(train, test)
    per_site = float(np.mean([auc(train, own) for _, own in both]))
    alone = float(np.mean([auc(*own) for own in both]))
    oracle = float(roc_auc_score(test.y, test.p))
    assert 0.77 < pooled < 0.85
    assert 0.86 < oracle < 0.92
    assert per_site - alone > 0.01
