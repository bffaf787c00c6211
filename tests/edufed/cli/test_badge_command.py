"""`edufed badge` on the folder of a simulated job, by the functions behind the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from badge_examples import APPROVER, IDENTITY, LEARNER, RULES, row, stated

from clients.evidence import evidence_files
from edufed.badges.token import BadgeError
from edufed.cli import badge, main
from edufed.config import SettingsError, compose_job, simulated_sites


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Leave what a certifying job leaves at two sites: no job is run."""
    folder = tmp_path / "run"
    job = compose_job(["task=certify", "data.regions=2", "data.platforms=[]", f"out={folder}"])
    for site in simulated_sites(job):
        listed, said = evidence_files(site.state, job.id)
        listed.parent.mkdir(parents=True)
        rows = [row(), row(learner_id="unsure", set="both"), row(learner_id="late", submitted=0.0)]
        pd.DataFrame(rows).to_csv(listed, index=False)
        said.write_text(stated(job=job.id, issuing_site=site.name).model_dump_json())
    (folder / "report.json").write_text(
        json.dumps({"job": {"config": job.model_dump(mode="json")}})
    )
    return folder


def own(run: Path, site: str = "region-00") -> list[str]:
    return [f"run={run}", f"site={site}", f"rules={RULES}"]


def issued(run: Path) -> Path:
    out = run.parent / "badges"
    approved = [f"approver={APPROVER}", f"learner={LEARNER}", f"identity={IDENTITY}", f"out={out}"]
    badge.issue([*own(run), *approved])
    (file,) = out.glob("*-*.jwt")
    return file


def test_without_an_approver_it_says_how_many_could_be(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    badge.issue(own(run))
    said = capsys.readouterr().err
    for line in ("1 of 3: may be issued", "1 of 3: abstains", "1 of 3: submitted is below 3"):
        assert line in said
    assert "nothing was issued" in said
    assert LEARNER not in said


def test_a_badge_goes_its_way(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = issued(run)
    listed = f"status={file.parent / 'status.jwt'}"
    checking = [f"run={run}", listed, f"identity={IDENTITY}"]
    badge.verify(str(file), [*checking, "show=text"])
    said = capsys.readouterr().out
    for text in ("valid: Estimated result of AAA_2014J", "this learner's", "nominal 95.0%"):
        assert text in said
    badge.verify(str(file), [*checking, "show=json"])
    assert json.loads(capsys.readouterr().out.split("\n", 3)[3])["issuer"]["name"] == "region-00"
    elsewhere = [*own(run, "region-01"), f"approver={APPROVER}", "learner=theirs", *checking[1:]]
    badge.convert(str(file), elsewhere)
    assert "converted: 30 credits" in capsys.readouterr().out
    out = f"out={file.parent}"
    badge.revoke(str(file), [*own(run), f"approver={APPROVER}", "reason=an error", out])
    badge.publish([*own(run), out])
    with pytest.raises(BadgeError, match="revoked by region-00"):
        badge.verify(str(file), checking)


def test_what_is_not_known_to_stand_does_not_verify(run: Path, tmp_path: Path) -> None:
    raw = yaml.safe_load(RULES.read_text())
    raw["issuer"]["status_list"] = "https://127.0.0.1:9/status.jwt"  # where nobody answers
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(raw))
    approved = [f"approver={APPROVER}", f"learner={LEARNER}", f"out={tmp_path / 'out'}"]
    badge.issue([*own(run)[:2], f"rules={rules}", *approved])
    (file,) = (tmp_path / "out").glob("*-*.jwt")
    with pytest.raises(BadgeError, match="whether it was revoked is not known"):
        badge.verify(str(file), [f"run={run}"])


def test_mistakes_are_one_line(run: Path, tmp_path: Path) -> None:
    approved = [*own(run), f"approver={APPROVER}"]
    for arguments, line in (
        ([*approved, f"learner={LEARNER}"], "'out' is required"),
        ([*approved, "learner=nobody", "out=x"], "0 rows"),
        ([*own(run, "region-09")], "no site 'region-09'"),
        ([f"run={tmp_path}", *own(run)[1:]], "No such file"),
        ([*own(run), "job=x"], "one of run=DIR and job=ID"),
    ):
        with pytest.raises(SettingsError, match=line):
            badge.issue(arguments)
    with pytest.raises(SettingsError, match="whom to trust"):
        badge.verify(str(RULES), [])
    with pytest.raises(BadgeError, match="this is no badge"):
        badge.verify(str(RULES), [f"run={run}"])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["verify"], "edufed: which badge? write edufed badge verify FILE ..."),
        (["revoke", "site=x"], "edufed: which badge? write edufed badge revoke FILE ..."),
    ],
)
def test_a_badge_must_be_named(
    arguments: list[str],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["edufed", "badge", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code, capsys.readouterr().err.strip()) == (2, line)
