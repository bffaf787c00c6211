"""Key agreement, derivation, sealing and signing, all from `cryptography`.

X25519 (RFC 7748) agrees on a secret per pair of sites, HKDF-SHA256 (RFC 5869) derives every
other key from it, ChaCha20-Poly1305 (RFC 8439) seals what one site sends another through the
coordinator, and Ed25519 (RFC 8032) signs with the identity key that the roster pins.
Every key here is 32 bytes with 256 bits of entropy.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

KEY_BYTES = 32
SIGNATURE_BYTES = 64
NONCE_BYTES = 12
#: What sealing adds to a message: a random nonce and an authentication tag.
SEAL_BYTES = NONCE_BYTES + 16


def new_secret() -> bytes:
    """Draw a fresh X25519 private key, 32 raw bytes."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_of(secret: bytes) -> bytes:
    """X25519 public key, 32 raw bytes, of a private one."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def pair_key(secret: bytes, peer: bytes, salt: bytes, info: bytes) -> bytes:
    """Derive the 32-byte key that the holder of `secret` shares with the owner of `peer`.

    Both ends get the same key if, and only if, they use the same `salt` and `info`.

    Raises
    ------
    ValueError
        `peer` is not a usable X25519 public key (for instance of low order).
    """
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(
        X25519PublicKey.from_public_bytes(peer)
    )
    return HKDF(SHA256(), KEY_BYTES, salt, info).derive(shared)


def derive(key: bytes, info: bytes) -> bytes:
    """Derive an independent 32-byte key for the purpose `info` from a uniform 32-byte key."""
    return HKDFExpand(SHA256(), KEY_BYTES, info).derive(key)


def seal(key: bytes, plaintext: bytes, about: bytes) -> bytes:
    """Encrypt and authenticate `plaintext`; `about` is authenticated with it, not sent.

    The nonce is random, so a site restored from an old state file never reuses one.
    """
    nonce = os.urandom(NONCE_BYTES)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, plaintext, about)


def unseal(key: bytes, sealed: bytes, about: bytes) -> bytes:
    """Undo `seal`.

    Raises
    ------
    ValueError
        Wrong key, other `about`, or an altered message.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
    except InvalidTag:
        raise ValueError("a sealed message does not open") from None


def identity_public(identity: Ed25519PrivateKey) -> bytes:
    """Public half, 32 raw bytes, of an identity key: what the roster pins."""
    return identity.public_key().public_bytes_raw()


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` over `message` is by the identity key whose public half is given."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
