from __future__ import annotations

import pytest

from edufed.config import SettingsError, compose_job, simulated_sites

OULAD = ("scenario=vertical", "data=oulad_vertical", "data.path=/nowhere", "out=/tmp/out")
PROVINCE = ("scenario=vertical", "data=province", "out=/tmp/out")


def test_the_scenario_brings_what_it_needs_along() -> None:
    job = compose_job(OULAD)
    assert (job.model.name, job.strategy.name, job.privacy.name) == ("logistic", "exact", "secagg")
    assert job.data.label_party == "registry"
    assert [site.name for site in simulated_sites(job)] == ["registry", "library", "live"]


def test_a_province_gives_one_region_s_platforms() -> None:
    job = compose_job([*PROVINCE, "data.region=2"])
    sites = simulated_sites(job)
    assert [site.name for site in sites] == ["mooc", "digital-library", "live-class"]
    assert {site.adapter["region"] for site in sites} == {2}
    assert [site.adapter["platform"] for site in sites] == job.data.platforms
    regions = simulated_sites(compose_job(["data=province", "out=/tmp/out"]))
    assert len(regions) == 5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((*OULAD, "strategy=fedavg"), "strategy=exact"),
        (("scenario=horizontal", "strategy=exact", "out=x"), "scenario=vertical"),
        ((*OULAD, "model=mlp"), "model=logistic"),
        ((*OULAD, "privacy=none"), "privacy=secagg"),
        ((*OULAD, "data.label_party=null"), "data.label_party"),
        ((*OULAD, "scenario.min_sites=1"), "min_sites"),
        ((*PROVINCE, "data.region=5"), "region"),
    ],
)
def test_impossible_combinations_are_one_line(settings: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        compose_job(settings)
    assert "\n" not in str(caught.value)
