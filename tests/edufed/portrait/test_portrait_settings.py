"""What a portrait's settings may not say."""

from __future__ import annotations

import pytest

from edufed.config import SettingsError, compose_job


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["privacy=dp"], "task=portrait does not run with privacy=dp yet; choose privacy=secagg"),
        (["privacy=secagg_dp"], "task=portrait does not run with privacy=secagg_dp yet"),
        (["task.clusters.features=[clicks,clics]"], "no feature is called 'clics'"),
        (["task.clusters.features=[clicks,night_share]"], "night_share has none"),
        (["task.clusters.sizes=[2,2]"], "sizes names something twice"),
        (["task.tags=[{name: x, en: x, zh: x}]"], "tag x needs conditions"),
        (
            ["task.tags=[{name: x, en: x, zh: x, all: [{feature: clicks}]}]"],
            "a condition on clicks needs at_least or at_most",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(settings: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        compose_job(["task=portrait", "data.path=province", "out=out", *settings])
    assert "\n" not in str(caught.value)
