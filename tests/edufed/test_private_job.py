"""Noise in shares: what a job's sum over sites carries, by the sites' own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from clients import horizontal_dp
from clients.site import Site
from clients.spending import reserve
from edufed.config import compose_job, simulated_sites
from edufed.privacy.dp.statistics import course_sums
from edufed.privacy.secagg import SecAggPlan
from edufed.privacy.simulated import simulated_roster
from edufed.private_job import courses_of, noise_of, noisy_sites, planned, with_noise
from edufed.share import Share

SITES = 4  # of which three have to answer


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, list[np.ndarray], np.ndarray]:
    """Each site's noisy course sums before they are masked, and the exact total of all sites."""
    folder = tmp_path_factory.mktemp("shares")
    job = compose_job(
        [
            *(f"data.path={folder}/province", f"data.regions={SITES}", "privacy=secagg_dp"),
            *("+data.adapter.learners=600", f"out={folder}/out"),
        ]
    )
    given, exact = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(horizontal_dp, "contribute", lambda site, job, share, arrays: share)
        for settings in simulated_sites(job):
            site = Site(settings)
            reserve(site, job, noise_of(planned(job)))
            _, share = horizontal_dp.send_statistics(site, job, {}, {})
            assert isinstance(share, Share)
            given.append(share.sums["courses"])
            exact.append(course_sums(site.learners(60).matrix, courses_of(job)))
    return job, given, np.array(exact)


@pytest.mark.parametrize("dropped", [0, 1])
def test_a_sum_under_shared_noise_is_the_plain_sum_and_noise_of_the_right_variance(
    shares: tuple[object, list[np.ndarray], np.ndarray], dropped: int
) -> None:
    job, given, exact = shares
    answered = SITES - dropped
    noise = (np.sum(given[dropped:], axis=0) - exact[dropped:].sum(axis=0)).ravel()
    planned_deviation = planned(job)["statistics"].deviation
    deviation = planned_deviation * np.sqrt(answered / 3)
    assert deviation >= planned_deviation * (1 - 1e-9)  # also when a site dropped out
    assert noise.size > 3000
    # The noise is of the operating system's generator: chance passes each limit once in 10^7 runs.
    # A deviation that is a tenth off is noticed in nearly every run.
    assert stats.kstest(noise / deviation, "norm").pvalue > 1e-7
    low, high = stats.chi2.ppf([1e-7, 1 - 1e-7], noise.size)
    assert low < np.sum((noise / deviation) ** 2) < high


def test_sites_that_may_collude_are_not_counted_on() -> None:
    def of(colluding: int) -> int:
        job = compose_job(
            [
                "out=x",
                "privacy=secagg_dp",
                f"privacy.colluding_sites={colluding}",
                "data.regions=13",
            ]
        )
        roster = simulated_roster(site.name for site in simulated_sites(job))
        return noisy_sites(job, SecAggPlan.of("j", roster, 4))

    assert [of(0), of(2), of(8)] == [9, 7, 1]
    with pytest.raises(ValueError, match="at least one must keep its noise to itself"):
        of(9)


def test_a_job_without_a_catalogue_spends_nothing_on_courses() -> None:
    job = compose_job(["out=x", "privacy=dp", "data.courses=[]", "scenario.rounds=2"])
    budget = planned(job)
    assert [entry.name for entry in budget.entries] == ["counts", "training", "evaluation"]
    assert with_noise(job, noise_of(budget)) == budget
    with pytest.raises(ValueError, match="2 noise multipliers for 3 kinds of answers"):
        with_noise(job, noise_of(budget)[:2])


def test_what_does_not_go_together_is_one_line(tmp_path: Path) -> None:
    from edufed.config import SettingsError

    for overrides, said in (
        (["privacy=dp", "strategy=fedprox"], "trains by strategy=dp_fedavg, not fedprox"),
        (["strategy=dp_sgd", "privacy=dp"], "trains by strategy=dp_fedavg, not dp_sgd"),
        (["strategy=dp_sgd", "privacy=secagg"], "strategy=dp_sgd is for privacy=secagg_dp"),
        (["privacy=dp", "privacy.epsilon=0"], "privacy.epsilon: Input should be greater than 0"),
    ):
        with pytest.raises(SettingsError, match=said):
            compose_job([f"out={tmp_path}", *overrides])
