from __future__ import annotations

import pytest

from edufed.features import FeatureMatrix
from edufed.features.catalogue import NAMES

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "ada", "bo", "eve"),
    [
        ("registration_lead", 30, -10, NAN),
        ("attempts", 1, 0, NAN),
        ("credits", 60, 120, NAN),
        ("education_level", 3, 6, NAN),
        ("age", 18, 55, NAN),
        ("female", 1, 0, NAN),
        ("support_need", 1, 0, NAN),
        ("means", 0.25, 0.75, NAN),
    ],
)
def test_by_hand(at_20: FeatureMatrix, name: str, ada: float, bo: float, eve: float) -> None:
    column = at_20.values[:, NAMES.index(name)]
    assert column.tolist() == pytest.approx([ada, bo, eve], nan_ok=True)
