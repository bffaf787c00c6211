"""Encrypted summing: sites encrypt under one key of theirs, and the coordinator adds ciphertexts.

The coordinator never holds a key and cannot even encrypt. The sites get the key from the first of
them in the roster's order, sealed by the signed X25519 exchange that secure aggregation uses
(`edufed.privacy.secagg.adverts`), so the coordinator relays it and cannot read it. The sites open
the sum, and tell the coordinator whole numbers that hold none of the ciphertexts' noise
(`edufed.privacy.he.ckks` says why that matters).

Against secure aggregation: no shares, but four times the bytes both ways, the *sites* learn the sum
too, and a coordinator that joins forces with a single site reads every vector.
"""

from edufed.privacy.he.ckks import HeError, HeRangeError
from edufed.privacy.he.coordinator import HeSum
from edufed.privacy.he.site import HeSite
from edufed.privacy.he.wire import error, fraction_for

__all__ = ["HeError", "HeRangeError", "HeSite", "HeSum", "error", "fraction_for"]
