"""What a site's policy says to a job's differential privacy, and what `edufed ledger` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.policy import PolicyRefusalError, check_job
from clients.spending import ledger_of
from edufed.cli.ledger import command
from edufed.config import SettingsError, compose_job, load_site
from edufed.config.policy import Policy
from edufed.privacy.composition import Charge

SITE = """\
name: north
state: state
policy: {privacy: {budget: {epsilon: 2, delta: 1.0e-5}}}
adapter: {name: province, path: province}
"""


@pytest.mark.parametrize(
    ("policy", "job", "reason"),
    [
        ({"dp": "required"}, "privacy=none", "privacy.dp is required"),
        ({"dp": "required"}, "privacy=secagg", "privacy=dp or privacy=secagg_dp"),
        ({"dp": "required"}, "privacy=dp", None),
        ({"secagg": "required", "dp": "required"}, "privacy=secagg_dp", None),
        ({"secagg": "required"}, "privacy=dp", "privacy.secagg is required"),
        ({"max_epsilon": 2}, "privacy=dp", "privacy.epsilon is 4 and policy.privacy.max_epsilon 2"),
        ({"max_epsilon": 2}, "privacy=secagg", None),
        ({"max_epsilon": 4}, "privacy=dp", None),
        (
            {"budget": {"epsilon": 8, "delta": 1e-6}},
            "privacy=dp",
            "privacy.delta is 1e-05 and policy.privacy.budget.delta 1e-06",
        ),
    ],
)
def test_the_policy_decides_on_the_jobs_epsilon(
    policy: dict[str, object], job: str, reason: str | None
) -> None:
    asked, allowed = compose_job(["out=x", job]), Policy.model_validate({"privacy": policy})
    if reason is None:
        check_job(allowed, asked)
        return
    with pytest.raises(PolicyRefusalError, match=reason):
        check_job(allowed, asked)


def test_the_ledger_is_shown_and_a_dead_jobs_reservation_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "north.yaml"
    file.write_text(SITE)
    (tmp_path / "state").mkdir()
    ledger = ledger_of(load_site(file))
    ledger.reserve("one", "learners", [Charge(10.0, 1.0, 12)])
    ledger.spend("one", "learners", Charge(10.0))
    command([f"site={file}"])
    budget, job, population = capsys.readouterr().out.splitlines()
    assert budget == "budget: ε = 2 at δ = 1e-05 for each learner, all jobs"
    assert job.startswith("job one, 20")
    assert job.endswith("ε = 0.341 spent, open, ε = 1.326 reserved")
    assert population == "population learners: ε = 1.326 by 1 jobs together, 0.674 left"
    command([f"site={file}", "close=one"])
    assert "ε = 0.341 spent, closed" in capsys.readouterr().out
    assert ledger.epsilon("learners") == pytest.approx(0.341, abs=1e-3)
    with pytest.raises(SettingsError, match="the ledger has no job 'two'"):
        command([f"site={file}", "close=two"])
