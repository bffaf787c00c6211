"""What is damaged, replayed, out of order or forged is refused, and nobody gives both secrets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.fixed_point import FixedPoint
from edufed.privacy.keys import new_secret, public_of
from edufed.privacy.masks import add_masks
from edufed.privacy.secagg import SecAggError, SecAggSite
from edufed.privacy.secagg.envelope import ENVELOPE_BYTES, Kind, pack
from edufed.privacy.secagg.keyring import SEALED_SHARE_BYTES


@pytest.fixture(scope="module")
def exchange(gather):
    """Each message of a job once, with a function that gives it to a fresh receiver."""
    party = gather(3, rounds=2, job="exchange")
    plan, first = party.plan, party.sites["site00"]
    taken: dict[str, tuple[bytes, Callable[[bytes], object]]] = {}

    def note(name: str, message: bytes, to: str) -> bytes:
        receiver = party.sites["site01"] if to == "site" else party.coordinator
        state = receiver.dump()

        def give(altered: bytes) -> object:
            if to == "coordinator":
                again = type(party.coordinator).load(plan, state)
                return getattr(again, f"add_{name}")(altered)
            site = SecAggSite.load(plan, "site01", party.identities["site01"], state)
            step = getattr(site, {"keys": "share"}.get(name, name))
            return step(altered, [0.0, 0.0]) if name == "mask" else step(altered)

        taken[name] = (message, give)
        return message

    note("advert", first.advertise(), "coordinator")
    for site in party.sites.values():
        party.coordinator.add_advert(site.advertise())
    keys = note("keys", party.coordinator.keys_request(), "site")
    deposits = {name: site.share(keys) for name, site in party.sites.items()}
    note("deposit", deposits["site00"], "coordinator")
    for deposit in deposits.values():
        party.coordinator.add_deposit(deposit)
    request = note("mask", party.coordinator.mask_request(2), "site")
    masked = {name: site.mask(request, [1.0, 2.0]) for name, site in party.sites.items()}
    note("masked", masked["site00"], "coordinator")
    for message in masked.values():
        party.coordinator.add_masked(message)
    requests = party.coordinator.unmask_requests()
    note("unmask", requests["site01"], "site")
    note("shares", first.unmask(requests["site00"]), "coordinator")
    return taken


NAMES = ("advert", "keys", "deposit", "mask", "masked", "unmask", "shares")


@pytest.mark.parametrize("name", NAMES)
def test_the_untouched_message_is_taken(exchange, name):
    message, give = exchange[name]
    give(message)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_flipped_bit_is_found(exchange, name, data):
    message, give = exchange[name]
    bit = data.draw(st.integers(0, 8 * len(message) - 1))
    flipped = bytearray(message)
    flipped[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(SecAggError):
        give(bytes(flipped))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_truncated_and_lengthened_messages_are_refused(exchange, name, data):
    message, give = exchange[name]
    length = data.draw(st.integers(0, len(message) - 1))
    for altered in (message[:length], message + b"\0", message + message):
        with pytest.raises(SecAggError):
            give(altered)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_of_another_kind_is_refused(exchange, name):
    _, give = exchange[name]
    for other in NAMES:
        if other != name:
            with pytest.raises(SecAggError):
                give(exchange[other][0])


def test_messages_of_another_job_are_refused(gather, exchange):
    party = gather(3, rounds=2, job="one")
    twin = type(party.plan).of("two", dict(party.plan.sites), 2)
    site = SecAggSite(twin, "site00", party.identities["site00"])
    with pytest.raises(SecAggError, match="belongs to another job"):
        party.coordinator.add_advert(site.advertise())


def test_a_message_is_taken_once(gather):
    party = gather(3)
    advert = party.sites["site00"].advertise()
    party.coordinator.add_advert(advert)
    with pytest.raises(SecAggError, match="a second message from site00"):
        party.coordinator.add_advert(advert)
    for name in ("site01", "site02"):
        party.coordinator.add_advert(party.sites[name].advertise())
    keys = party.coordinator.keys_request()
    for site in party.sites.values():
        party.coordinator.add_deposit(site.share(keys))
    request = party.coordinator.mask_request(1)
    masked = [site.mask(request, [1.0]) for site in party.sites.values()]
    for message in masked:
        party.coordinator.add_masked(message)
    with pytest.raises(SecAggError, match="a second message from site00"):
        party.coordinator.add_masked(masked[0])
    requests = party.coordinator.unmask_requests()
    shares = {name: party.sites[name].unmask(requests[name]) for name in party.sites}
    for message in shares.values():
        party.coordinator.add_shares(message)
    with pytest.raises(SecAggError, match="a second message from site00"):
        party.coordinator.add_shares(shares["site00"])
    assert party.coordinator.total().tolist() == [3]


def test_messages_of_an_earlier_round_are_refused(gather):
    party = gather(3, rounds=3)
    party.set_up()
    site = party.sites["site00"]
    first = party.coordinator.mask_request(1)
    old = site.mask(first, [1.0])
    for name in party.sites:
        message = old if name == "site00" else party.sites[name].mask(first, [1.0])
        party.coordinator.add_masked(message)
    opened = party.coordinator.unmask_requests()["site00"]
    old_shares = site.unmask(opened)

    second = party.coordinator.mask_request(1)
    with pytest.raises(SecAggError, match="masked message of round 1 in round 2"):
        party.coordinator.add_masked(old)
    site.mask(second, [1.0])
    with pytest.raises(SecAggError, match="round 1 was answered before"):
        site.mask(first, [1.0])
    with pytest.raises(SecAggError, match="shares of round 1 were opened before"):
        site.unmask(opened)
    for name in ("site01", "site02"):
        party.coordinator.add_masked(party.sites[name].mask(second, [1.0]))
    party.coordinator.unmask_requests()
    with pytest.raises(SecAggError, match="shares message of round 1 in round 2"):
        party.coordinator.add_shares(old_shares)


def adverts_of(party) -> dict[str, bytes]:
    return {name: site.advertise() for name, site in party.sites.items()}


def keys_request(party, adverts: list[bytes]) -> bytes:
    return pack(Kind.KEYS, 0, party.plan.digest, b"".join(adverts))


def test_a_substituted_public_key_is_refused(gather):
    party = gather(4)
    adverts = adverts_of(party)
    ours = Ed25519PrivateKey.generate()  # the coordinator's attempt to sit in the middle
    public = public_of(new_secret())
    theirs = pack(Kind.ADVERT, 0, party.plan.digest, public, sender=1, identity=ours)
    with pytest.raises(SecAggError, match="not signed by the roster's key of site01"):
        party.sites["site00"].share(keys_request(party, [*adverts.values(), theirs]))
    with pytest.raises(SecAggError, match="not signed by the roster's key of site01"):
        party.coordinator.add_advert(theirs)

    # The right signature on another message does not help either.
    body = adverts["site01"][:-32] + public_of(new_secret())
    with pytest.raises(SecAggError, match="advert message was altered"):
        party.sites["site00"].share(keys_request(party, [*list(adverts.values())[:3], body]))


def test_missing_double_and_unusable_keys_are_refused(gather):
    party = gather(4)
    adverts = adverts_of(party)
    site, all_ = party.sites["site00"], list(adverts.values())
    own_again = SecAggSite(party.plan, "site00", party.identities["site00"]).advertise()
    copied = pack(
        Kind.ADVERT,
        0,
        party.plan.digest,
        all_[0][-32:],
        sender=1,
        identity=party.identities["site01"],
    )
    low_order = pack(
        Kind.ADVERT, 0, party.plan.digest, bytes(32), sender=1, identity=party.identities["site01"]
    )
    for wrong, says in (
        (all_[1:], "own public key is missing or was replaced"),
        ([own_again, *all_[1:]], "own public key is missing or was replaced"),
        ([*all_, all_[1]], "listed twice"),
        ([all_[0], copied, *all_[2:]], "listed twice"),
        ([all_[0], low_order, *all_[2:]], "unusable public key"),
        (all_[:2], "2 sites take part and 3 are needed"),
        ([], "own public key is missing"),
    ):
        with pytest.raises(SecAggError, match=says):
            site.share(keys_request(party, wrong))


def test_sites_that_were_shown_different_keys_open_nothing_for_each_other(gather):
    party = gather(4)
    adverts = list(adverts_of(party).values())
    everybody, without_last = keys_request(party, adverts), keys_request(party, adverts[:3])
    for message in adverts:
        party.coordinator.add_advert(message)
    party.coordinator.keys_request()
    party.coordinator.add_deposit(party.sites["site00"].share(everybody))
    with pytest.raises(SecAggError, match="or other keys"):
        party.coordinator.add_deposit(party.sites["site01"].share(without_last))


def test_keys_cannot_change_once_rounds_have_begun(gather):
    party = gather(4)
    party.set_up()
    keys = keys_request(party, list(adverts_of(party).values()))
    party.sites["site00"].mask(party.coordinator.mask_request(1), [0.0])
    with pytest.raises(SecAggError, match="cannot be changed"):
        party.sites["site00"].share(keys)
    with pytest.raises(SecAggError, match="cannot be changed"):
        party.coordinator.keys_request()


@pytest.fixture
def closed(gather):
    """A round of four sites, one of which dropped, at the point where shares are asked for."""
    party = gather(4)
    party.set_up()
    request = party.coordinator.mask_request(1)
    for name in ("site00", "site01", "site02"):
        party.coordinator.add_masked(party.sites[name].mask(request, [1.0]))
    return party, party.coordinator.unmask_requests()


def altered_unmask(request: bytes, flags: bytes | None = None, order: list[int] | None = None):
    """The coordinator's own request with other survivors, or shares in other places."""
    body = request[ENVELOPE_BYTES:]
    old, sealed = body[:4], body[4:]
    pieces = [sealed[at * SEALED_SHARE_BYTES :][:SEALED_SHARE_BYTES] for at in range(4)]
    context = request[12:44]
    placed = b"".join(pieces[at] for at in order or range(4))
    return pack(Kind.UNMASK, 1, context, (old if flags is None else flags) + placed)


def test_a_site_opens_one_kind_of_share_whatever_it_is_told(closed):
    party, requests = closed
    site, request = party.sites["site00"], requests["site00"]
    site.unmask(request)
    for flags in (b"\1\1\0\1", b"\1\1\1\0", b"\0\1\1\1"):
        with pytest.raises(SecAggError, match="opened before"):
            site.unmask(altered_unmask(request, flags))


def test_shares_sealed_for_one_use_do_not_open_for_another(closed):
    party, requests = closed
    site, request = party.sites["site00"], requests["site00"]
    with pytest.raises(SecAggError, match="share from site03 does not open"):
        site.unmask(altered_unmask(request, b"\1\1\1\1"))  # its pair key as its self mask
    with pytest.raises(SecAggError, match="share from site02 does not open"):
        site.unmask(altered_unmask(request, b"\1\1\0\1"))  # the reverse, for a survivor
    with pytest.raises(SecAggError, match="share from site01 does not open"):
        site.unmask(altered_unmask(request, order=[0, 2, 1, 3]))
    with pytest.raises(SecAggError, match="share from site00 does not open"):
        site.unmask(requests["site01"])  # sealed to another reader
    site.unmask(request)  # nothing was given away, so the honest request is still answered


def test_too_few_survivors_or_a_false_list_open_nothing(closed):
    party, requests = closed
    site, request = party.sites["site00"], requests["site00"]
    for flags, says in (
        (b"\1\1\0\0", "2 sites survived and 3 are needed"),
        (b"\1\1\1\2", "another form"),
    ):
        with pytest.raises(SecAggError, match=says):
            site.unmask(altered_unmask(request, flags))
    with pytest.raises(SecAggError, match="this site is listed and has sent nothing"):
        party.sites["site03"].unmask(altered_unmask(requests["site03"], b"\1\1\0\1"))
    # Who has opened shares of a round no longer sends a vector into it.
    party.sites["site03"].unmask(requests["site03"])
    mask = pack(Kind.MASK, 1, request[12:44], bytes([64, 24]) + (1).to_bytes(8, "big"))
    with pytest.raises(SecAggError, match="was answered before"):
        party.sites["site03"].mask(mask, [1.0])


def test_shares_about_another_list_of_survivors_are_refused(gather, closed):
    party, requests = closed
    answer = party.sites["site00"].unmask(requests["site00"])
    body = b"\1\1\0\1" + answer[ENVELOPE_BYTES + 4 :]
    forged = pack(
        Kind.SHARES, 1, answer[12:44], body, sender=0, identity=party.identities["site00"]
    )
    with pytest.raises(SecAggError, match="another list of survivors"):
        party.coordinator.add_shares(forged)


def test_a_site_that_masks_wrongly_is_noticed_before_a_sum_is_given(gather):
    party = gather(3)
    party.set_up()
    request = party.coordinator.mask_request(2)
    for at, (name, site) in enumerate(party.sites.items()):
        message = site.mask(request, [1.0, 2.0])
        if at == 1:
            cut = ENVELOPE_BYTES + 3 * SEALED_SHARE_BYTES
            words = np.frombuffer(message[cut:], FixedPoint().dtype).copy()
            add_masks(words, [bytes(32)])
            body = message[ENVELOPE_BYTES:cut] + words.tobytes()
            message = pack(
                Kind.MASKED, 1, message[12:44], body, sender=at, identity=party.identities[name]
            )
        party.coordinator.add_masked(message)
    for name, unmask in party.coordinator.unmask_requests().items():
        party.coordinator.add_shares(party.sites[name].unmask(unmask))
    with pytest.raises(SecAggError, match="round 1: the masks do not cancel"):
        party.coordinator.total()
