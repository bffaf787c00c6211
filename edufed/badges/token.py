"""Credentials as signed tokens: VC-JWT with EdDSA, as Open Badges 3.0 has it (section 8.2).

The token's claims are the credential itself; `iss`, `nbf`, `exp` and `jti` repeat what it says.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edufed.badges.did import did_key, key_id

#: Most bytes of a token that is read; a status list of some millions of badges fits.
MOST_BYTES = 4 * 2**20
_REGISTERED = ("iss", "nbf", "exp", "jti")


class BadgeError(Exception):
    """A badge or status list is not what it says, or may not be made; one line says why."""


def sign(credential: Mapping[str, Any], key: Ed25519PrivateKey) -> str:
    """Return a credential as a signed token.

    Parameters
    ----------
    credential : mapping
        With `id`, `issuer` and `validFrom`; its issuer must be the did:key of `key`.
    key : Ed25519PrivateKey
    """
    public = key.public_key().public_bytes_raw()
    did = did_key(public)
    assert credential["issuer"]["id"] == did
    claims = {
        **credential,
        "iss": did,
        "jti": credential["id"],
        "nbf": _seconds(credential["validFrom"]),
    }
    if "validUntil" in credential:
        claims["exp"] = _seconds(credential["validUntil"])
    x = base64.urlsafe_b64encode(public).decode().rstrip("=")
    headers = {"kid": key_id(did), "jwk": {"kty": "OKP", "crv": "Ed25519", "x": x}}
    return jwt.encode(claims, key, algorithm="EdDSA", headers=headers)


def read(token: str, public: bytes, what: str) -> dict[str, Any]:
    """Check a token by a key that is trusted already, and return the credential in it.

    Parameters
    ----------
    token : str
    public : bytes
        Raw Ed25519 public key, from the roster; never the one that the token brings along.
    what : str
        For errors: "badge" or "status list".

    Raises
    ------
    BadgeError
        The signature is not that key's, the time is not right, or claims contradict each other.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(public),
            algorithms=["EdDSA"],
            options={"require": ["iss", "nbf", "jti"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise BadgeError(f"the {what} has expired") from None
    except jwt.ImmatureSignatureError:
        raise BadgeError(f"the {what} is not valid yet") from None
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise BadgeError(f"the {what} was altered, or was not signed by that site's key") from None
    registered = {name: claims.pop(name, None) for name in _REGISTERED}
    try:
        until = claims.get("validUntil")
        same = (
            registered["iss"] == claims["issuer"]["id"] == did_key(public)
            and registered["jti"] == claims["id"]
            and registered["nbf"] == _seconds(claims["validFrom"])
            and registered["exp"] == (_seconds(until) if until is not None else None)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise BadgeError(f"the {what}'s claims contradict each other")
    return claims


def unverified_issuer(token: str) -> str:
    """Return whom a token says it is from, to find the key to check that with.

    Raises
    ------
    BadgeError
        It is no token.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        issuer = claims["iss"]
    except (jwt.InvalidTokenError, ValueError, KeyError, TypeError, RecursionError):
        raise BadgeError("this is no badge: not a signed token of a credential") from None
    if not isinstance(issuer, str):
        raise BadgeError("this is no badge: it names no issuer")
    return issuer


def moment(time: datetime) -> str:
    """Write a time as credentials have it: UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
