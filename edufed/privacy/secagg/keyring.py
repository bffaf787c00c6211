"""The keys that one site shares with each other site, once all public keys are known."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from enum import Enum

from edufed.privacy.keys import KEY_BYTES, SEAL_BYTES, derive, pair_key, seal, unseal
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan
from edufed.privacy.shamir import SHARE_BYTES

SEALED_SHARE_BYTES = SHARE_BYTES + SEAL_BYTES


class Secret(Enum):
    """The two secrets of a site and round, of which peers open one, never both."""

    SELF = b"self"  # seed of the mask that the site alone added: opened if it survived
    PAIRS = b"pairs"  # key to its pairwise seeds of the round: opened if it dropped


def transcript(plan: SecAggPlan, publics: Mapping[int, bytes]) -> bytes:
    """SHA-256 of the plan and of everybody's public key, by position.

    It salts every derived key, so sites that were shown different keys share no secret.
    """
    parts = [struct.pack(">H", position) + publics[position] for position in sorted(publics)]
    return hashlib.sha256(b"edufed secagg set-up" + plan.digest + b"".join(parts)).digest()


class Keyring:
    """Pairwise keys of the site at position `me`, and what they seal and open.

    Parameters
    ----------
    me : int
        Position of the site in the plan.
    secret : bytes
        Its X25519 private key for this job.
    publics : mapping of int to bytes
        X25519 public key of each participant, by position, its own included.
    context : bytes
        `transcript` of the plan and `publics`.
    """

    def __init__(
        self, me: int, secret: bytes, publics: Mapping[int, bytes], context: bytes
    ) -> None:
        self._me = me
        self._context = context
        self._pair: dict[int, bytes] = {}
        for peer, public in publics.items():
            # With itself, a site agrees on a key that nobody else can compute.
            info = b"edufed pair" + struct.pack(">HH", min(me, peer), max(me, peer))
            try:
                self._pair[peer] = pair_key(secret, public, context, info)
            except ValueError:
                raise SecAggError("a site advertised an unusable public key") from None
        self._seal_to = {j: derive(k, _way(me, j)) for j, k in self._pair.items()}
        self._open_from = {j: derive(k, _way(j, me)) for j, k in self._pair.items()}

    def mask_seed(self, peer: int, round_: int) -> bytes:
        """Seed, 32 bytes, of the mask that this site and `peer` share in one round only."""
        return derive(self._pair[peer], b"mask" + struct.pack(">I", round_))

    def seal(self, peer: int, secret: Secret, round_: int, share: bytes) -> bytes:
        """Seal a share of this site's `secret` to `peer`."""
        return seal(self._seal_to[peer], share, self._about(secret, round_))

    def unseal(self, peer: int, secret: Secret, round_: int, sealed: bytes) -> bytes:
        """Open a share of the `secret` of `peer` that it sealed to this site."""
        return unseal(self._open_from[peer], sealed, self._about(secret, round_))

    def _about(self, secret: Secret, round_: int) -> bytes:
        return self._context + secret.value + struct.pack(">I", round_)


def _way(source: int, target: int) -> bytes:
    return b"seal" + struct.pack(">HH", source, target)


def box_bytes(participants: int) -> int:
    """Size of the box that holds a site's pairwise seeds of one round."""
    return KEY_BYTES * (participants - 1) + SEAL_BYTES


def box_about(context: bytes, sender: int, round_: int) -> bytes:
    """What a box's seal authenticates besides its content."""
    return context + b"box" + struct.pack(">HI", sender, round_)
