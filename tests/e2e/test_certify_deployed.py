"""Certifying on real processes: three sites, TLS, secure aggregation on; then badges by command."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from badge_examples import APPROVER, IDENTITY, RULES
from deployed import Deployed, Finished, regions_at_work
from jwt.utils import base64url_decode, base64url_encode
from openbadgeslib.ob3.verifier import OB3Verifier

from clients.evidence import read_evidence
from edufed.badges.did import did_key
from edufed.badges.token import BadgeError
from edufed.cli import badge
from edufed.cli.server import program
from edufed.config import SettingsError
from edufed.identity import load_roster

pytestmark = pytest.mark.e2e

SITES = tuple(f"region-{number:02d}" for number in range(3))
JOB = (
    *("data=province", "task=certify", "task.cutoff_day=60", "task.coverage=0.8", "task.folds=2"),
    *("scenario.rounds=1", "scenario.round_timeout_s=60", "task.min_cohort=5", "research=false"),
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with regions_at_work(tmp_path_factory.mktemp("certified"), len(SITES), 900) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def certified(federation: Deployed) -> Finished:
    return federation.finish(federation.submit("certified", *JOB))


@pytest.fixture(scope="module")
def rules(federation: Deployed) -> Path:
    """Rules that let some learner of a small province through."""
    raw = yaml.safe_load(RULES.read_text())
    raw["evidence"] = {
        name: value * 0 if name != "probability_at_least" else 0.3
        for name, value in raw["evidence"].items()
    }
    raw["quality"] = {name: 1 if "learners" in name else 0.5 for name in raw["quality"]}
    file = federation.folder / "rules.yaml"
    file.write_text(yaml.safe_dump(raw))
    return file


def test_coverage_is_told_by_region_under_secure_aggregation(certified: Finished) -> None:
    report: dict[str, Any] = certified.report
    found = report["certify"]
    assert [row["site"] for row in found["regions"]] == list(SITES)
    assert found["overall"]["n"] == sum(row["n"] for row in found["regions"]) > 100
    assert abs(found["overall"]["coverage"] - 0.8) < 0.1
    assert report["privacy"]["secagg"] is not None
    assert report["exclusions"] == report["refusals"] == []
    assert 'id="certify"' in (certified.out / "report.html").read_text(encoding="utf-8")
    assert "Traceback" not in certified.text


def test_a_badge_of_one_site_verifies_at_another_until_revoked(
    federation: Deployed,
    certified: Finished,
    rules: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(federation.folder)
    job = certified.report["job"]["id"]
    frame, _ = read_evidence(federation.state(SITES[0]), job)
    sure = frame[(frame["set"] == "pass") & (frame["low"] > 0.3)].dropna()
    learner, course = sure.iloc[0]["learner_id"], sure.iloc[0]["course_id"]
    own = (f"site={SITES[0]}.yaml", f"rules={rules}")
    wanted = (f"job={job}", f"learner={learner}", f"course={course}", "out=badges")
    approved = (*own, f"approver={APPROVER}")

    badge.issue([*own, f"job={job}"])
    assert "nothing was issued" in capsys.readouterr().err
    with pytest.raises(SettingsError, match="not among the approvers"):
        badge.issue([*own, *wanted, "approver=Nobody"])
    assert not Path("badges").exists()
    badge.issue([*approved, *wanted, f"identity={IDENTITY}"])
    (file,) = Path("badges").glob("*-*.jwt")
    assert file.stat().st_mode & 0o777 == 0o600

    # Another site has the badge, the list and its own roster, and asks nobody.
    elsewhere = Path(shutil.copytree("badges", "elsewhere"))
    taken = str(elsewhere / file.name)
    other = (f"site={SITES[1]}.yaml", f"status={elsewhere / 'status.jwt'}")
    checked = subprocess.run(
        [program("edufed"), "badge", "verify", taken, *other, f"identity={IDENTITY}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "it is this learner's")
    library = OB3Verifier.for_issuer_did(
        did_key(load_roster(Path("keys/roster.yaml")).signing_keys()[SITES[0]])
    )
    library.verify(
        Path(taken).read_text().strip(),
        check_status=True,
        download=lambda _: (elsewhere / "status.jwt").read_bytes(),
    )

    by_whom = (f"rules={rules}", f"approver={APPROVER}", "learner=of-theirs")
    converting = [*other, *by_whom, f"identity={IDENTITY}"]
    badge.convert(taken, converting)
    with pytest.raises(BadgeError, match="converted already"):
        badge.convert(taken, converting)

    head, body, signature = Path(taken).read_text().strip().split(".")
    said_more = base64url_decode(body).replace(b'"creditsEarned":30', b'"creditsEarned":90')
    altered = elsewhere / "altered.jwt"
    altered.write_text(f"{head}.{base64url_encode(said_more).decode()}.{signature}")
    with pytest.raises(BadgeError, match="altered"):
        badge.verify(str(altered), other)

    badge.revoke(str(file), [*approved, "reason=an error", "out=badges"])
    shutil.copy("badges/status.jwt", elsewhere)
    said = capsys.readouterr()
    assert "converted: 30 credits" in said.out
    assert learner not in said.out + said.err
    after = subprocess.run(
        [program("edufed"), "badge", "verify", taken, *other],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (after.returncode, after.stderr) == (1, f"edufed: the badge was revoked by {SITES[0]}\n")


def test_no_learner_is_on_the_wire_or_in_the_report(
    federation: Deployed, certified: Finished
) -> None:
    job = certified.report["job"]["id"]
    seen = b"".join(federation.recorder.seen)
    report = (certified.out / "report.json").read_text()
    assert len(seen) > 100_000
    for site in SITES:
        frame, _ = read_evidence(federation.state(site), job)
        for learner in frame["learner_id"]:
            assert learner not in report
            assert learner.encode() not in seen
    assert b"conformity" not in seen  # TLS
