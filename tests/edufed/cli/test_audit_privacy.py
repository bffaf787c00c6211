"""`edufed audit privacy`, from a job that ran to the table that a person reads."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flwr.serverapp import Grid
from loopback import Loopback, flower_run

import clients.exposure
import clients.privacy_audit
from clients.exposure import DEFENCES, Exposure, Learners
from clients.privacy_audit import ATTACKS
from clients.site import Site
from clients.training import predict_logit
from edufed.cli.audit_privacy import command
from edufed.config import SettingsError, compose_job, load_site, simulated_sites
from edufed.privacy.attacks.membership import loss_threshold, margins
from edufed.privacy.simulated import simulated_roster
from edufed.records import DataError
from server.app import run_job

SITES = 2


@dataclass(frozen=True)
class Ran:
    """A job that ran, and one of its sites."""

    site: Path
    model: Path

    def audit(self, out: Path, *more: str) -> dict[str, Any]:
        command([f"site={self.site}", f"model={self.model}", f"out={out}", *more])
        return cast(dict[str, Any], json.loads((out / "privacy-audit.json").read_text()))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("audited")
    job = compose_job(
        [
            *("data=province", f"data.path={folder / 'province'}", f"data.regions={SITES}"),
            *("+data.adapter.learners=600", "+data.adapter.events_per_learner=10"),
            *("research=false", f"out={folder}", "scenario.rounds=2", "model.hidden=[16]"),
        ]
    )
    roster = simulated_roster(site.name for site in simulated_sites(job))
    with flower_run():
        finished = run_job(cast(Grid, Loopback(SITES)), job, roster, folder, lambda _: None)
    assert finished.save_model is not None
    finished.save_model(folder / "model")
    (folder / "report.json").write_text(finished.report(1.0).model_dump_json())
    site = folder / "region-00.yaml"
    site.write_text(
        f"name: region-00\nstate: state\nadapter: {{name: province, path: {folder / 'province'},"
        f" learners: 600, events_per_learner: 10, regions: {SITES}, platform: mooc, region: 0}}\n"
    )
    return Ran(site, folder / "model")


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients.exposure, "STEPS", 4)
        small = {"SHADOWS": 2, "_MOST": 160, "_MOST_OTHERS": 2, "_MOST_ROUNDS": 2, "_TRIALS": 4}
        more = {"_INVERSION_STEPS": 2, "_SITE": 30, "_SHADOW_SITES": 6, "_ATTACKED_SITES": 6}
        for name, value in (small | more).items():
            patch.setattr(clients.privacy_audit, name, value)
        yield


def test_every_attack_is_tried_under_every_defence(
    ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ran.audit(tmp_path)
    cells = {(cell["attack"], cell["defence"]): cell for cell in found["cells"]}
    tried = {(attack, defence) for attack in ATTACKS for defence in DEFENCES}
    assert set(cells) == tried | {("model", "published")}
    for cell in cells.values():
        gained = cell["advantage"]
        assert gained["low"] <= gained["value"] + 1e-9 <= gained["high"] + 2e-9
        assert cell["measurable"] == (gained["low"] > 0)
    assert found["privacy"] == "none"
    assert found["epsilon"] == 4.0
    assert found["notes"] == []
    page = (tmp_path / "privacy-audit.md").read_text(encoding="utf-8")
    for text in ("What attackers gain: site region-00", "| membership, by loss |", "secagg or he"):
        assert text in page
    assert "gradient inversion, batch of 4" in capsys.readouterr().out
    for name in ("privacy-audit.json", "privacy-audit.md"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    ids = set(Site(load_site(ran.site)).learners(60).matrix.learner_id.tolist())
    assert not any(str(learner) in page for learner in ids)


def test_when_time_runs_out_the_rest_is_named_as_not_run(ran: Ran, tmp_path: Path) -> None:
    found = ran.audit(tmp_path, "minutes=0.00001", "language=zh")
    run = [cell for cell in found["cells"] if cell["advantage"] is not None]
    assert len(run) <= 1
    page = (tmp_path / "privacy-audit.md").read_text(encoding="utf-8")
    assert "未运行" in page
    assert "可用 minutes= 给更多时间" in page


def test_what_is_not_known_of_the_job_is_said(ran: Ran, tmp_path: Path) -> None:
    alone = tmp_path / "model"
    alone.symlink_to(ran.model)
    other = tmp_path / "other.yaml"
    text = ran.site.read_text().replace("name: region-00", "name: elsewhere")
    other.write_text(text.replace("state: state", f"state: {ran.site.parent / 'state'}"))
    found = Ran(other, alone).audit(tmp_path, "minutes=0.00001")
    assert ["No report of the job" in found["notes"][0], "names no site" in found["notes"][1]] == [
        True,
        True,
    ]


def test_what_is_wrong_is_one_line(ran: Ran, tmp_path: Path) -> None:
    for more, says in (
        (("minutes=soon",), "minutes: not a usable number: 'soon'; such as minutes=15"),
        (("delta=2",), "delta: not a usable number"),
        ((f"report={tmp_path / 'none.json'}",), r"none\.json: No such file or directory; name the"),
    ):
        with pytest.raises(SettingsError, match=says):
            ran.audit(tmp_path, *more)
    said = json.loads((ran.model.parent / "report.json").read_text())
    report = tmp_path / "report.json"
    for broken, says in (
        ("[]", "not the report of a job"),
        (
            json.dumps({**said, "job": {**said["job"], "id": "another"}}),
            "of job another; the model",
        ),
    ):
        report.write_text(broken)
        with pytest.raises(SettingsError, match=says):
            ran.audit(tmp_path, f"report={report}")
    with pytest.raises(DataError, match=r"model\.json: missing"):
        Ran(ran.site, tmp_path / "nothing").audit(tmp_path)
    few = tmp_path / "few.yaml"
    few.write_text(ran.site.read_text().replace("learners: 600", "learners: 60"))
    with pytest.raises(DataError, match="attacks need 80, or their success could not be told"):
        Ran(few, ran.model).audit(tmp_path)


def test_where_a_model_learns_by_heart_the_attack_succeeds_and_noise_defeats_it() -> None:
    rng = np.random.default_rng(0)

    def people(count: int) -> Learners:
        x = rng.standard_normal((count, 30)).astype(np.float32)
        y = (rng.random(count) < 0.5).astype(np.float32)
        return Learners(x, y, np.arange(count).astype(str).astype(object))

    job = compose_job(["out=x", "model.dropout=0", "model.l2=0"])
    training = job.local_training.model_copy(update={"local_epochs": 40, "learning_rate": 0.01})
    exposure = Exposure(job, training, 30, 1, people(400), 4, 4.0, 1e-5)
    own, members = people(400), rng.random(400) < 0.5

    def gained(defence: Any) -> Any:
        model = exposure.model(defence, own.at(members), 1, 1)
        order = np.argsort(own.whose.astype(str))
        margin = margins(predict_logit(model, own.x), own.y, own.whose)
        return loss_threshold(margin, members[order])

    assert gained("none").value > 0.5
    assert gained("secagg").value < gained("none").value - 0.2
    for defence in ("dp", "secagg_dp"):
        assert not gained(defence).measurable
