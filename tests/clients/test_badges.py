"""A site's ledger of badges: nothing without approval, nothing twice, no learner named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from badge_examples import APPROVER, IDENTITY, KEYS, badges, row, rules, stated

from clients.audit import AuditError
from clients.badges import Badges
from edufed.badges.token import BadgeError
from edufed.badges.verify import Verified, verify
from edufed.config import SettingsError


def issue(site: Badges, **changes: Any) -> Verified:
    made = site.issue(row(**changes), stated(), rules(), APPROVER, IDENTITY)
    listed = site.status_list(rules())
    return verify(made.token, KEYS, lambda _: listed, IDENTITY)


def test_without_a_named_approver_nothing_is_issued(tmp_path: Path) -> None:
    site = badges(tmp_path)
    with pytest.raises(SettingsError, match="not among the approvers"):
        site.issue(row(), stated(), rules(), "Somebody Else")
    assert site.ledger.verify() == []


def test_what_rules_refuse_is_not_issued(tmp_path: Path) -> None:
    site = badges(tmp_path)
    with pytest.raises(BadgeError, match="abstains"):
        issue(site, set="both")
    assert site.ledger.verify() == []


def test_nothing_is_issued_twice_but_after_revocation(tmp_path: Path) -> None:
    site = badges(tmp_path)
    first = issue(site)
    with pytest.raises(BadgeError, match="issued for it already"):
        issue(site)
    site.revoke(first.credential["id"], "an error", APPROVER)
    with pytest.raises(BadgeError, match="revoked already"):
        site.revoke(first.credential["id"], "an error", APPROVER)
    second = issue(site)
    assert second.credential["id"] != first.credential["id"]
    with pytest.raises(BadgeError, match="issued no such badge"):
        site.revoke("urn:uuid:none", "an error", APPROVER)


def test_two_at_once_issue_one(tmp_path: Path) -> None:
    site = badges(tmp_path)

    def attempt(_: int) -> bool:
        try:
            issue(badges(tmp_path))
        except BadgeError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1
    assert len(site.ledger.verify()) == 1


def test_no_more_than_half_of_a_programme(tmp_path: Path) -> None:
    site = badges(tmp_path)
    for number in range(6):
        issue(site, course_id=f"C{number}")
    with pytest.raises(BadgeError, match="more than 50%"):
        issue(site, course_id="C6")
    issue(site, course_id="C6", learner_id="another")


def test_a_badge_converts_elsewhere_and_once(tmp_path: Path) -> None:
    north, south = badges(tmp_path), badges(tmp_path, "south")
    found = issue(north)
    assert south.convert(found, "s-1", rules(), APPROVER) == 30
    with pytest.raises(BadgeError, match="badge was converted already"):
        south.convert(found, "s-1", rules(), APPROVER)
    with pytest.raises(BadgeError, match="badge was converted already"):
        south.convert(found, "s-2", rules(), APPROVER)
    with pytest.raises(BadgeError, match="this site issued it"):
        north.convert(found, "n-1", rules(), APPROVER)
    with pytest.raises(SettingsError, match="approver"):
        south.convert(found, "s-2", rules(), "Somebody Else")
    # The achievement counts once, even where its badge was issued anew.
    north.revoke(found.credential["id"], "a typing error", APPROVER)
    with pytest.raises(BadgeError, match="achievement was converted already"):
        south.convert(issue(north), "s-1", rules(), APPROVER)
    # What is converted counts against the share, with what is issued here.
    assert south.histories()("s-1").credits == 30
    small = {**rules().credits.model_dump(), "programme": 100.0}
    with pytest.raises(BadgeError, match="more than 50% of the programme's 100 credits"):
        south.convert(issue(north, course_id="B"), "s-1", rules(credits=small), APPROVER)


def test_a_ledger_that_was_changed_stops_everything(tmp_path: Path) -> None:
    site = badges(tmp_path)
    issue(site)
    text = site.ledger.file.read_text()
    site.ledger.file.write_text(text.replace('"credits":30.0', '"credits":3.0'))
    with pytest.raises(AuditError, match="was changed"):
        issue(site, course_id="B")
    assert site.ledger.file.stat().st_mode & 0o777 == 0o600


def test_the_chinese_statement(tmp_path: Path) -> None:
    site = badges(tmp_path)
    made = site.issue(row(), stated(language="zh"), rules(), APPROVER)
    listed = site.status_list(rules())
    found = verify(made.token, KEYS, lambda _: listed)
    assert "覆盖率" in found.credential["evidence"][0]["narrative"]
