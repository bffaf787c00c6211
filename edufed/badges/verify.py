"""Checking a badge: who signed it, whether it holds still, and whose it is. Nobody is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edufed.badges.did import did_key
from edufed.badges.identity_hash import is_of
from edufed.badges.status_list import is_revoked
from edufed.badges.token import BadgeError, read, unverified_issuer

_TYPES = {"OpenBadgeCredential", "AchievementCredential"}


@dataclass(frozen=True)
class Verified:
    """A badge that holds.

    Attributes
    ----------
    site : str
        The site of the roster that signed it.
    credential : dict
    """

    site: str
    credential: dict[str, Any]

    @property
    def subject(self) -> dict[str, Any]:
        """What it says of the learner."""
        found: dict[str, Any] = self.credential["credentialSubject"]
        return found

    @property
    def credits(self) -> float:
        """What it is worth."""
        return float(self.subject["creditsEarned"])


def verify(
    token: str,
    keys: Mapping[str, bytes],
    status_list: Callable[[str], str],
    identity: str | None = None,
) -> Verified:
    """Check a badge by the roster's keys and the issuing site's status list.

    Parameters
    ----------
    token : str
    keys : mapping of str to bytes
        Sites of the roster, and their raw Ed25519 public keys.
    status_list : callable
        URL that the badge names -> the signed list; from a file, where there is no network.
    identity : str, optional
        Whose badge it must be.

    Raises
    ------
    BadgeError
        It does not hold; one line says why.
    """
    token = token.strip()
    issuer = unverified_issuer(token)
    by_did = {did_key(key): (site, key) for site, key in keys.items()}
    if issuer not in by_did:
        raise BadgeError("the badge was signed by nobody on the roster")
    site, key = by_did[issuer]
    found = read(token, key, "badge")
    try:
        fitting = bool(_TYPES & set(found["type"])) and found["issuer"]["name"] == site
        status, stated = found["credentialStatus"], found["credentialSubject"]["identifier"]
        url = str(status["statusListCredential"])
        worth = float(found["credentialSubject"]["creditsEarned"])
        fitting = fitting and math.isfinite(worth) and worth > 0
        fitting = fitting and isinstance(found["credentialSubject"]["achievement"]["id"], str)
    except (KeyError, TypeError, ValueError):
        raise BadgeError("the badge lacks what every badge has") from None
    if not fitting:
        raise BadgeError("the badge is of another kind than this site takes, or names another site")
    listed = read(status_list(url).strip(), key, "status list")
    if is_revoked(listed, status):
        raise BadgeError(f"the badge was revoked by {site}")
    if identity is not None and not any(is_of(each, identity) for each in stated):
        raise BadgeError("the badge is not this learner's")
    return Verified(site, found)
