"""A site's signing key as an identifier that anybody can read the key from: did:key."""

from __future__ import annotations

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
#: Multicodec of an Ed25519 public key.
_ED25519 = b"\xed\x01"


def did_key(public: bytes) -> str:
    """Return the did:key of a raw Ed25519 public key, 32 bytes (W3C CCG did:key, 2022)."""
    return f"did:key:z{_base58(_ED25519 + public)}"


def key_id(did: str) -> str:
    """Return the identifier of a did:key's one key, as a token's header names it."""
    return f"{did}#{did.removeprefix('did:key:')}"


def _base58(data: bytes) -> str:
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _ALPHABET[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits
