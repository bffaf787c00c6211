"""Sealed channels between the sites of one job, through a coordinator that cannot open them.

Each site draws an X25519 key for the job and signs its public half, together with the job's
context, by the identity key that the roster pins. All keys go into a transcript that salts every
derived key: sites that were shown different keys cannot open each other's letters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.keys import (
    KEY_BYTES,
    SIGNATURE_BYTES,
    derive,
    identity_public,
    is_signed,
    new_secret,
    pair_key,
    public_of,
    seal,
    unseal,
)


class ChannelError(Exception):
    """A key or a letter that cannot be trusted; the message is one line and names the site."""


class Channels:
    """One site's keys with each other site of a job.

    Parameters
    ----------
    context : bytes
        Digest of all that the sites agreed on beforehand: job, settings, roster.
    roster : mapping of str to bytes
        Ed25519 public key of each site that takes part, this one included.
    me : str
        This site's name.
    identity : Ed25519PrivateKey
        Its identity key.
    secret : bytes, optional
        Its X25519 key, to go on with a job after a restart.

    Raises
    ------
    ChannelError
        The roster has no such site, or another key for it.
    """

    def __init__(
        self,
        context: bytes,
        roster: Mapping[str, bytes],
        me: str,
        identity: Ed25519PrivateKey,
        secret: bytes | None = None,
    ) -> None:
        if roster.get(me) != identity_public(identity):
            raise ChannelError(f"the roster has no {me}, or another identity key for it")
        self._context = context
        self._roster = dict(sorted(roster.items()))
        self._me = me
        self._identity = identity
        self.secret = new_secret() if secret is None else secret
        self.adverts: dict[str, bytes] = {}
        self._pairs: dict[str, bytes] = {}

    def advert(self) -> bytes:
        """Sign this site's public key: what every other site needs."""
        public = public_of(self.secret)
        return public + self._identity.sign(self._statement(self._me, public))

    def connect(self, adverts: Mapping[str, bytes]) -> None:
        """Check the adverts of all other sites and agree on keys with each.

        Raises
        ------
        ChannelError
            An advert is missing, forged, of another job or unusable.
        """
        publics = {self._me: public_of(self.secret)}
        for name in self._roster:
            if name != self._me:
                publics[name] = self._checked(name, adverts.get(name))
        listed = b"".join(publics[name] for name in self._roster)
        salt = hashlib.sha256(b"edufed channels" + self._context + listed).digest()
        for name, public in publics.items():
            if name == self._me:
                continue
            ends = "\0".join(sorted((self._me, name)))
            try:
                self._pairs[name] = pair_key(self.secret, public, salt, b"pair" + ends.encode())
            except ValueError:
                raise ChannelError(f"{name} advertises an unusable public key") from None
        self.adverts = dict(adverts)

    def seal(self, recipient: str, subject: str, content: bytes) -> bytes:
        """Seal `content` so that only `recipient` can open it, under this `subject` alone."""
        return seal(self._key(self._me, recipient), content, subject.encode())

    def unseal(self, sender: str, subject: str, letter: bytes) -> bytes:
        """Open a letter of `sender`.

        Raises
        ------
        ChannelError
            It was altered, or is not from `sender`, about `subject`, in this job.
        """
        try:
            return unseal(self._key(sender, self._me), letter, subject.encode())
        except ValueError:
            raise ChannelError(f"the {subject} letter of {sender} does not open") from None

    def shared(self, peer: str, purpose: str) -> bytes:
        """Derive a 32-byte secret that this site and `peer` alone have."""
        return derive(self._pairs[peer], b"shared" + purpose.encode())

    def _key(self, sender: str, recipient: str) -> bytes:
        peer = recipient if sender == self._me else sender
        if peer not in self._pairs:
            raise ChannelError(f"there is no channel with {peer}")
        return derive(self._pairs[peer], b"seal" + f"{sender}\0{recipient}".encode())

    def _checked(self, name: str, advert: bytes | None) -> bytes:
        if advert is None:
            raise ChannelError(f"there is no public key of {name}")
        public, signature = advert[:KEY_BYTES], advert[KEY_BYTES:]
        if len(signature) != SIGNATURE_BYTES or not is_signed(
            self._roster[name], signature, self._statement(name, public)
        ):
            raise ChannelError(f"the public key of {name} is not signed by the roster's key")
        return public

    def _statement(self, name: str, public: bytes) -> bytes:
        return b"edufed channel key\0" + self._context + public + name.encode()
