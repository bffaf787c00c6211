"""Identity keys for simulated sites, which keep no secrets from one another.

A simulation is one machine without a boundary: its sites' keys only make the protocols run as
they do between real sites, and anyone can derive them. Real sites' keys: `edufed keys`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.keys import identity_public


def simulated_identity(site: str) -> Ed25519PrivateKey:
    """Return the signing key of a simulated site: a function of its name, and no secret."""
    digest = hashlib.sha256(f"edufed simulation, no secret: {site}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(digest)


def simulated_roster(sites: Iterable[str]) -> dict[str, bytes]:
    """Return the public signing keys of simulated sites, 32 bytes each, by name."""
    return {site: identity_public(simulated_identity(site)) for site in sites}
