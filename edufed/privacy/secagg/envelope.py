"""The one wire format of all secure-aggregation messages: header, signature, body.

    magic "EFSA" · version · kind · sender · round · context · body length · SHA-256 of the body
    Ed25519 signature over all of that, by the sending site's identity key
    body

The context is a digest of the plan or, once keys are known, of plan and keys, so a message from
another job, other settings or another set-up is refused; kind and round refuse one that is
replayed or out of order. The coordinator's requests carry a checksum in the signature's place: it
finds damage, and no site's privacy rests on them (docs/secure-aggregation.md).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.keys import SIGNATURE_BYTES, is_signed
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan

_HEADER = struct.Struct(">4sBBHI32sQ32s")
_MAGIC = b"EFSA"
_VERSION = 1
_COORDINATOR = 0xFFFF
#: What the envelope adds to a body.
ENVELOPE_BYTES = _HEADER.size + SIGNATURE_BYTES


class Kind(IntEnum):
    """Each message of the protocol."""

    ADVERT = 1  # site: my public key for this job
    KEYS = 2  # coordinator: everybody's adverts
    DEPOSIT = 3  # site: sealed shares of my pairwise keys, for every round
    MASK = 4  # coordinator: send your masked vector
    MASKED = 5  # site: masked vector, sealed shares of its self mask
    UNMASK = 6  # coordinator: who survived, and the shares sealed to you
    SHARES = 7  # site: the opened shares, one for each site
    HE_KEY = 8  # leading site: the encryption key, sealed to each other site
    HE_REQUEST = 9  # coordinator: send your encrypted vector
    HE_VECTOR = 10  # site: encrypted vector
    HE_SUM = 11  # coordinator: the encrypted sum
    HE_OPENED = 12  # site: the sum, in whole numbers, or its digest


_FROM_SITE = {
    Kind.ADVERT,
    Kind.DEPOSIT,
    Kind.MASKED,
    Kind.SHARES,
    Kind.HE_KEY,
    Kind.HE_VECTOR,
    Kind.HE_OPENED,
}


@dataclass(frozen=True)
class Opened:
    """A message whose envelope held: who sent it (None: the coordinator), its round and body."""

    sender: int | None
    round: int
    body: memoryview


def pack(
    kind: Kind,
    round_: int,
    context: bytes,
    *body: bytes | memoryview,
    sender: int | None = None,
    identity: Ed25519PrivateKey | None = None,
) -> bytes:
    """Put the pieces of a body in one envelope, signed where it comes from a site."""
    at = _COORDINATOR if sender is None else sender
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    length = sum(map(len, body))
    header = _HEADER.pack(_MAGIC, _VERSION, kind, at, round_, context, length, digest.digest())
    signature = _checksum(header) if identity is None else identity.sign(header)
    return b"".join((header, signature, *body))


def unpack(message: bytes, kind: Kind, context: bytes, plan: SecAggPlan) -> Opened:
    """Check a message against what is expected now, and open it.

    Raises
    ------
    SecAggError
        Damaged, truncated, forged, of another kind, job, set-up or settings.
    """
    what = kind.name.lower()
    if len(message) < ENVELOPE_BYTES or message[:4] != _MAGIC:
        raise SecAggError(f"not a {what} message: too short, or damaged at its start")
    _, version, got, sender, round_, its_context, length, digest = _HEADER.unpack_from(message)
    if version != _VERSION:
        raise SecAggError(f"{what} message of version {version}; this program speaks {_VERSION}")
    body = memoryview(message)[ENVELOPE_BYTES:]
    if len(body) != length:
        raise SecAggError(f"{what} message holds {len(body)} bytes and announces {length}")
    if hashlib.sha256(body).digest() != digest:
        raise SecAggError(f"{what} message was altered on its way")
    from_site = kind in _FROM_SITE
    if (got != kind) or (from_site == (sender == _COORDINATOR)):
        raise SecAggError(f"expected a {what} message and got one of kind {got}")
    signature = message[_HEADER.size : ENVELOPE_BYTES]
    if from_site:
        if sender >= len(plan.sites):
            raise SecAggError(f"{what} message from a site that is not on the roster")
        name, public = plan.sites[sender]
        if not is_signed(public, signature, message[: _HEADER.size]):
            raise SecAggError(f"{what} message is not signed by the roster's key of {name}")
    elif signature != _checksum(message[: _HEADER.size]):
        raise SecAggError(f"{what} message was altered on its way")
    if its_context != context:
        raise SecAggError(f"{what} message belongs to another job, other settings or other keys")
    return Opened(sender if from_site else None, round_, body)


def _checksum(header: bytes) -> bytes:
    digest = hashlib.sha512(header).digest()
    assert len(digest) == SIGNATURE_BYTES
    return digest
