"""A site's badges: what it issued, revoked and converted, in a ledger that only grows.

The ledger is chained by hashes like the audit log, and names no learner: a learner stands in it
as a keyed hash, under a key that only this site has. What was issued and not revoked, and what
was converted, counts against the share of credits that rules allow; nothing counts twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clients.audit import AuditLog, Entry
from clients.site import Site
from edufed.badges.credential import Approval, credential
from edufed.badges.did import did_key
from edufed.badges.rules import History, Rules, objections
from edufed.badges.status_list import PLACES, sign_list
from edufed.badges.token import BadgeError, sign
from edufed.badges.verify import Verified
from edufed.certify.statement import Statement
from edufed.private_files import private_folder, read_private, write_private

ISSUED, REVOKED, CONVERTED = "issued", "revoked", "converted"


@dataclass(frozen=True)
class Issued:
    """A new badge: its identifier and the signed token, to be handed to the learner."""

    id: str
    token: str


class Badges:
    """What a site has to do with badges.

    Parameters
    ----------
    site : Site
        Its state folder holds the ledger, `badges/ledger.jsonl`.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.folder = site.store.folder / "badges"
        private_folder(self.folder)
        self.ledger = AuditLog(self.folder / "ledger.jsonl")

    def histories(self) -> Callable[[str], History]:
        """Read the ledger once; return what it knows of each learner of this site.

        Raises
        ------
        AuditError
            The ledger was changed.
        """
        entries = self.ledger.verify()
        gone = _revoked(entries)
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in entries:
            if entry.event in (ISSUED, CONVERTED) and entry.details["badge"] not in gone:
                found.setdefault(entry.details["learner"], []).append(entry.details)

        def history(learner: str) -> History:
            own = found.get(self._name(learner), [])
            return History(
                credits=sum(each["credits"] for each in own),
                courses=frozenset(each["course"] for each in own),
            )

        return history

    def issue(
        self,
        row: Mapping[str, Any],
        stated: Statement,
        rules: Rules,
        approver: str,
        identity: str | None = None,
    ) -> Issued:
        """Issue a badge after rules, with a person's approval.

        Parameters
        ----------
        row : mapping
            Of the evidence list.
        stated : Statement
        rules : Rules
        approver : str
            Must be named in the rules.
        identity : str, optional
            What the learner can show elsewhere; the site's own identifier if not given.

        Raises
        ------
        BadgeError
            The rules do not allow it; the line names no learner.
        SettingsError
            The approver may not approve.
        """
        rules.check_approver(approver)
        with self._alone():
            return self._issue(row, stated, rules, approver, identity)

    def _issue(
        self,
        row: Mapping[str, Any],
        stated: Statement,
        rules: Rules,
        approver: str,
        identity: str | None,
    ) -> Issued:
        learner, course = str(row["learner_id"]), str(row["course_id"])
        if found := objections(rules, row, stated, self.histories()(learner)):
            raise BadgeError(f"not issued: {'; '.join(found)}")
        key = self.site.identity()
        place = self._free_place()
        said = credential(
            row=row,
            stated=stated,
            rules=rules,
            identity=identity or learner,
            approval=Approval(approver, datetime.now(UTC)),
            issuer=did_key(key.public_key().public_bytes_raw()),
            place=place,
        )
        token = sign(said, key)
        # In the ledger first: a badge that nobody knows of could be issued twice.
        self.ledger.append(
            ISSUED,
            {
                "badge": said["id"],
                "learner": self._name(learner),
                "course": course,
                "credits": rules.credits.of(course),
                "place": place,
                "job": stated.job,
                "rules": rules.sha256,
                "approver": approver,
                "sha256": hashlib.sha256(token.encode()).hexdigest(),
            },
        )
        return Issued(said["id"], token)

    def revoke(self, badge: str, reason: str, approver: str) -> None:
        """Revoke a badge that this site issued; it holds once the status list is published.

        Raises
        ------
        BadgeError
            This site did not issue it, or it is revoked already.
        """
        with self._alone():
            entries = self.ledger.verify()
            if badge not in {e.details["badge"] for e in entries if e.event == ISSUED}:
                raise BadgeError("this site issued no such badge")
            if badge in _revoked(entries):
                raise BadgeError("the badge is revoked already")
            self.ledger.append(REVOKED, {"badge": badge, "reason": reason, "approver": approver})

    def status_list(self, rules: Rules) -> str:
        """Return the site's signed status list as it stands."""
        entries = self.ledger.verify()
        gone = _revoked(entries)
        places = {
            entry.details["place"]
            for entry in entries
            if entry.event == ISSUED and entry.details["badge"] in gone
        }
        issuer = rules.issuer
        return sign_list(
            places, issuer.status_list, self.site.name, issuer.status_days, self.site.identity()
        )

    def convert(self, found: Verified, learner: str, rules: Rules, approver: str) -> float:
        """Convert another site's badge into credits of this site's programme, once.

        Parameters
        ----------
        found : Verified
            Checked with the learner's identity.
        learner : str
            This site's identifier.
        rules : Rules
            This site's.
        approver : str

        Returns
        -------
        float
            Credits.

        Raises
        ------
        BadgeError
            It was converted before, or too much of the programme would be.
        SettingsError
            The approver may not approve.
        """
        rules.check_approver(approver)
        if found.site == self.site.name:
            raise BadgeError("not converted: this site issued it, and counts it already")
        with self._alone():
            return self._convert(found, learner, rules, approver)

    def _convert(self, found: Verified, learner: str, rules: Rules, approver: str) -> float:
        badge, achievement = found.credential["id"], found.subject["achievement"]["id"]
        entries = self.ledger.verify()
        if any(e.event == CONVERTED and e.details["badge"] == badge for e in entries):
            raise BadgeError("not converted: this badge was converted already")
        history = self.histories()(learner)
        if achievement in history.courses:
            raise BadgeError("not converted: this achievement was converted already")
        worth = found.credits
        if history.credits + worth > rules.credits.largest:
            raise BadgeError(
                f"not converted: more than {rules.credits.largest_share:.0%} of the programme's"
                f" {rules.credits.programme:g} credits would be"
            )
        self.ledger.append(
            CONVERTED,
            {
                "badge": badge,
                "learner": self._name(learner),
                "course": achievement,
                "credits": worth,
                "from": found.site,
                "rules": rules.sha256,
                "approver": approver,
            },
        )
        return worth

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others out between a look at the ledger and the entry that it allows."""
        handle = os.open(self.folder / "badges.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _free_place(self) -> int:
        taken = {e.details["place"] for e in self.ledger.verify() if e.event == ISSUED}
        if len(taken) >= PLACES // 2:  # so that a free one is found at once
            raise BadgeError("not issued: the status list is full; give rules another status_list")
        while (place := secrets.randbelow(PLACES)) in taken:
            pass
        return place

    def _name(self, learner: str) -> str:
        """Return how the ledger calls a learner."""
        return hmac.new(self._key(), learner.encode(), hashlib.sha256).hexdigest()

    def _key(self) -> bytes:
        file: Path = self.folder / "ledger.key"
        if not file.exists():
            write_private(file, secrets.token_bytes(32))
        return read_private(file)


def _revoked(entries: list[Entry]) -> set[str]:
    return {entry.details["badge"] for entry in entries if entry.event == REVOKED}
