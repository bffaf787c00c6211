"""Which badges are revoked: a Bitstring Status List (W3C, 2025), signed by the issuing site.

The list is one bit for each place; a badge names its place, drawn at random, so that the list
tells nobody how many badges there are or which were issued together. Whoever checks a badge
fetches the whole list, and thus tells the issuer not which badge.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.badges.did import did_key
from edufed.badges.token import BadgeError, moment, sign

#: Places of a list: the least that the standard allows, 16 KiB.
PLACES = 131_072
_CONTEXT = "https://www.w3.org/ns/credentials/v2"


def sign_list(revoked: set[int], url: str, name: str, days: float, key: Ed25519PrivateKey) -> str:
    """Return a signed list.

    Parameters
    ----------
    revoked : set of int
        Places whose badges are revoked.
    url : str
        Where the list is published; badges name it.
    name : str
        Of the site.
    days : float
        How long this edition may be relied on; an older copy does not verify.
    key : Ed25519PrivateKey
    """
    bits = bytearray(PLACES // 8)
    for place in revoked:
        bits[place // 8] |= 0x80 >> place % 8  # the first place is the leftmost bit
    packed = gzip.compress(bytes(bits), mtime=0)
    now = datetime.now(UTC)
    return sign(
        {
            "@context": [_CONTEXT],
            "id": url,
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": {"id": did_key(key.public_key().public_bytes_raw()), "name": name},
            "validFrom": moment(now),
            "validUntil": moment(now + timedelta(days=days)),
            "credentialSubject": {
                "id": f"{url}#list",
                "type": "BitstringStatusList",
                "statusPurpose": "revocation",
                "encodedList": "u" + base64.urlsafe_b64encode(packed).decode().rstrip("="),
            },
        },
        key,
    )


def entry(url: str, place: int) -> dict[str, Any]:
    """Return what a badge says of its place in the list at `url`."""
    return {
        "id": f"{url}#{place}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": str(place),
        "statusListCredential": url,
    }


def is_revoked(listed: dict[str, Any], status: dict[str, Any]) -> bool:
    """Say whether a list, its signature checked already, has a badge's place revoked.

    Parameters
    ----------
    listed : dict
        The list's credential.
    status : dict
        The badge's `credentialStatus`.

    Raises
    ------
    BadgeError
        The list is another one than the badge names, or is not such a list.
    """
    try:
        subject = listed["credentialSubject"]
        fitting = (
            listed["id"] == status["statusListCredential"]
            and "BitstringStatusListCredential" in listed["type"]
            and subject["statusPurpose"] == status["statusPurpose"] == "revocation"
            and status["type"] == "BitstringStatusListEntry"
        )
        place = int(status["statusListIndex"])
        bits = _bits(subject["encodedList"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadgeError("the status list cannot be read") from None
    if not fitting or not 0 <= place < 8 * len(bits):
        raise BadgeError("the status list is not the one that the badge names")
    return bool(bits[place // 8] & 0x80 >> place % 8)


def _bits(encoded: str) -> bytes:
    """Unpack a list; one that says it is far longer than ours is not unpacked to its end."""
    if not encoded.startswith("u"):
        raise ValueError("not base64url")
    try:
        packed = base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4))
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            return stream.read(64 * PLACES)
    except (binascii.Error, OSError, EOFError) as error:
        raise ValueError("not packed") from error
