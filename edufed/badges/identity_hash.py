"""Whose badge it is, without saying so: Open Badges' hashed identity with a salt."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any


def identity_object(identity: str) -> dict[str, Any]:
    """Return a learner's identity as a badge has it: to be confirmed, not to be read.

    Whoever holds the badge can try identities one by one: those that can be guessed are not
    hidden from them.
    """
    salt = secrets.token_hex(16)
    return {
        "type": "IdentityObject",
        "hashed": True,
        "identityHash": _hash(identity, salt),
        "identityType": "emailAddress" if "@" in identity else "identifier",
        "salt": salt,
    }


def is_of(stated: dict[str, Any], identity: str) -> bool:
    """Say whether a badge's identity object is that of a learner."""
    try:
        found, salt = str(stated["identityHash"]), str(stated.get("salt", ""))
        return hmac.compare_digest(found.encode(), _hash(identity, salt).encode())
    except (KeyError, TypeError, AttributeError):
        return False


def _hash(identity: str, salt: str) -> str:
    return "sha256$" + hashlib.sha256(f"{identity.strip()}{salt}".encode()).hexdigest()
