"""Encrypted summing: sites encrypt under one key of theirs, and the coordinator adds ciphertexts.

The coordinator never holds a key and cannot even encrypt. The sites get the key from the first of
them in the roster's order, sealed by the signed X25519 exchange that secure aggregation uses
(`edufed.privacy.secagg.adverts`), so the coordinator relays it and cannot read it.

Against secure aggregation: one message a round instead of two and no shares, but four times the
bytes, approximate, the *sites* learn the sum rather than the coordinator, and a coordinator that
joins forces with a single site reads every vector.

Decrypted values carry the ciphertexts' noise, from which who has both can compute the key (Li &
Micciancio 2021). So no decrypted value may go to the coordinator, but for whole numbers rounded
as such (`Layout.unflatten`): rounding takes the noise away.
"""

from edufed.privacy.he.ckks import HeError
from edufed.privacy.he.coordinator import HeSum
from edufed.privacy.he.site import HeSite

__all__ = ["HeError", "HeSite", "HeSum"]
