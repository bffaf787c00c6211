"""Certifying on real processes: three sites, TLS, secure aggregation on; then badges by command."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from badge_examples import APPROVER, RULES
from deployed import Deployed, Finished, install, provinces
from openbadgeslib.ob3.verifier import OB3Verifier

from clients.evidence import read_evidence
from edufed.badges.did import did_key
from edufed.cli.server import program
from edufed.identity import load_roster

pytestmark = pytest.mark.e2e

SITES = tuple(f"region-{number:02d}" for number in range(3))
JOB = (
    *("data=province", "task=certify", "task.cutoff_day=60", "task.coverage=0.8", "task.folds=2"),
    *("scenario.rounds=2", "scenario.round_timeout_s=60", "task.min_cohort=5"),
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("certified")
    deployed = Deployed(
        folder, install(folder / "installed"), adapters=provinces(folder / "province", 3, 900)
    )
    try:
        deployed.server()
        deployed.start_sites()
        yield deployed
    finally:
        deployed.close()


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


def badge(federation: Deployed, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("edufed"), "badge", *arguments],
        cwd=federation.folder,
        capture_output=True,
        text=True,
        check=False,
    )


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
    federation: Deployed, certified: Finished, rules: Path
) -> None:
    job = certified.report["job"]["id"]
    frame, _ = read_evidence(federation.state(SITES[0]), job)
    row = frame[(frame["set"] == "pass") & frame["score_mean"].notna() & (frame["low"] > 0.3)].iloc[
        0
    ]
    out = federation.folder / "badges"
    own = (f"site={SITES[0]}.yaml", f"rules={rules}")

    asked = badge(federation, "issue", *own, f"job={job}")
    assert "nothing was issued" in asked.stderr
    assert not out.exists()
    wanted = (f"learner={row['learner_id']}", f"course={row['course_id']}", f"out={out}")
    refused = badge(federation, "issue", *own, f"job={job}", *wanted, "approver=Nobody")
    assert (refused.returncode, out.exists()) == (2, False)
    approved = (*own, f"approver={APPROVER}")
    issued = badge(
        federation, "issue", *approved, f"job={job}", *wanted, "identity=ada@example.org"
    )
    assert issued.returncode == 0, issued.stderr
    (file,) = out.glob("*-*.jwt")
    assert file.stat().st_mode & 0o777 == 0o600

    # Another site has the badge and the list, its own roster, and no network.
    elsewhere = federation.folder / "elsewhere"
    shutil.copytree(out, elsewhere)
    taken = elsewhere / file.name
    other = (f"site={SITES[1]}.yaml", f"status={elsewhere / 'status.jwt'}")
    checked = badge(federation, "verify", str(taken), *other, "identity=ada@example.org")
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "it is this learner's")
    public = load_roster(federation.folder / "keys" / "roster.yaml").signing_keys()[SITES[0]]
    library = OB3Verifier.for_issuer_did(did_key(public))
    library.verify(
        taken.read_text().strip(),
        check_status=True,
        download=lambda _: (elsewhere / "status.jwt").read_bytes(),
    )

    converting = (*other, f"rules={rules}", f"approver={APPROVER}", "learner=of-theirs")
    converted = badge(federation, "convert", str(taken), *converting, "identity=ada@example.org")
    assert converted.stdout == "converted: 30 credits\n", converted.stderr
    again = badge(federation, "convert", str(taken), *converting, "identity=ada@example.org")
    assert (again.returncode, "converted already" in again.stderr) == (1, True)

    altered = elsewhere / "altered.jwt"
    head, body, signature = taken.read_text().strip().split(".")
    altered.write_text(f"{head}.{body[:-8]}AAAA{body[-4:]}.{signature}")
    assert badge(federation, "verify", str(altered), *other).returncode == 1

    revoked = badge(federation, "revoke", str(file), *approved, "reason=an error", f"out={out}")
    assert revoked.returncode == 0, revoked.stderr
    shutil.copy(out / "status.jwt", elsewhere)
    after = badge(federation, "verify", str(taken), *other)
    assert after.returncode == 1
    assert after.stderr == f"edufed: the badge was revoked by {SITES[0]}\n"
    assert str(row["learner_id"]) not in "".join(
        done.stderr + done.stdout for done in (asked, refused, issued, checked, after)
    )


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
