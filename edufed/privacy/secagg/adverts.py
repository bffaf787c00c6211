"""A site's check of everybody's public keys, which the coordinator relays."""

from __future__ import annotations

from edufed.privacy.keys import KEY_BYTES
from edufed.privacy.secagg.envelope import ENVELOPE_BYTES, Kind, unpack
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan

_ADVERT_BYTES = ENVELOPE_BYTES + KEY_BYTES


def checked_adverts(
    request: bytes, plan: SecAggPlan, context: bytes, me: int, own: bytes
) -> dict[int, bytes]:
    """Public keys by position, each signed by the roster's key of its site.

    Parameters
    ----------
    request : bytes
        The coordinator's message: all adverts, one after the other.
    context : bytes
        Digest that adverts of this exchange carry.
    me : int
        Position of the site that checks.
    own : bytes
        Its own public key, which must be in the list.

    Raises
    ------
    SecAggError
        A key that was substituted, is listed twice or is missing, or too few sites.
    """
    body = unpack(request, Kind.KEYS, context, plan).body
    publics: dict[int, bytes] = {}
    for start in range(0, len(body), _ADVERT_BYTES):
        message = bytes(body[start : start + _ADVERT_BYTES])
        advert = unpack(message, Kind.ADVERT, context, plan)
        assert advert.sender is not None
        if advert.sender in publics or bytes(advert.body) in publics.values():
            raise SecAggError("a site's public key is listed twice")
        publics[advert.sender] = bytes(advert.body)
    if publics.get(me) != own:
        raise SecAggError("this site's own public key is missing or was replaced")
    if len(publics) < plan.threshold:
        raise SecAggError(f"{len(publics)} sites take part and {plan.threshold} are needed")
    return dict(sorted(publics.items()))
