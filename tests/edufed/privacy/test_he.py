from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.arrays import Layout, weighted, weighted_mean
from edufed.privacy.he import HeError, HeSite, HeSum, ckks
from edufed.privacy.he.ckks import Cipher
from edufed.privacy.he.wire import digest as digest_of
from edufed.privacy.keys import new_secret, public_of
from edufed.privacy.secagg import SecAggError
from edufed.privacy.secagg.envelope import ENVELOPE_BYTES, Kind, pack

pytest.importorskip("tenseal")


class Encrypted:
    """A coordinator and its sites that sum encrypted vectors; every message goes through bytes."""

    def __init__(self, party) -> None:
        self.plan, self.identities = party.plan, party.identities
        self.sites = {n: HeSite(self.plan, n, key) for n, key in self.identities.items()}
        self.coordinator = HeSum(self.plan)
        self.seen: list[bytes] = []

    def set_up(self) -> None:
        for site in self.sites.values():
            self.coordinator.add_advert(site.advertise())
        self.share()

    def share(self) -> None:
        request = self.coordinator.keys_request()
        answers = {name: site.share_key(request) for name, site in self.sites.items()}
        (key,) = [answer for answer in answers.values() if answer]
        assert answers[self.coordinator.leader] == key
        self.coordinator.add_key(key)
        self.seen.append(key)
        for site in self.sites.values():
            site.take_key(self.coordinator.key_message)

    def add(self, values, drop=()) -> dict[str, tuple[np.ndarray, int]]:
        request = self.coordinator.request(len(next(iter(values.values()))))
        for name in self.sites.keys() - set(drop):
            self.seen.append(self.sites[name].encrypt(request, values[name]))
            self.coordinator.add(self.seen[-1])
        total = self.coordinator.total()
        return {n: site.decrypt(total) for n, site in self.sites.items() if n not in drop}


@pytest.fixture
def encrypted(gather) -> Encrypted:
    party = Encrypted(gather(4, rounds=3))
    party.set_up()
    return party


@pytest.mark.parametrize("count", [3, 10])
@pytest.mark.parametrize("size", [1.0, 1e5])
def test_encrypted_sums_equal_plain_sums_within_the_stated_error(gather, count, size):
    party = Encrypted(gather(count, rounds=2))
    party.set_up()
    rng = np.random.default_rng(count)
    values = {name: rng.uniform(-size, size, 5000) for name in party.sites}
    dropped = list(party.sites)[: count // 3]
    for drop in ([], dropped):
        alive = [name for name in values if name not in drop]
        plain = np.sum([values[name] for name in alive], axis=0)
        for total, sites in party.add(values, drop).values():
            assert sites == len(alive)
            allowed = ckks.error(sites) + np.abs(plain) * 2.0**-40
            assert (np.abs(total - plain) <= allowed).all()


@pytest.mark.parametrize("count", [3, 50])
def test_the_largest_values_do_not_wrap(count):
    secret, keyless = ckks.new_key()
    values = np.full(2048, ckks.limit(count))
    values[::2] *= -1
    one = Cipher(secret).encrypt(values)
    adder = Cipher(keyless)
    (total,) = adder.read(one, 2048)
    for _ in range(count - 1):
        total = total + adder.read(one, 2048)[0]
    got = Cipher(secret).decrypt(ckks.write([total]), 2048)
    assert np.abs(got - count * values).max() <= 2 * count * ckks.error(1) + 2.0**-18


def test_the_coordinator_holds_no_key(encrypted):
    encrypted.add({name: np.ones(3) for name in encrypted.sites})
    cipher = encrypted.coordinator._cipher
    assert not cipher.has_key
    (vector,) = encrypted.coordinator._sum
    with pytest.raises(ValueError, match="secret_key"):
        vector.decrypt()
    with pytest.raises(ValueError, match="doesn't support encryption"):
        cipher.encrypt(np.ones(3))
    secret = encrypted.sites["site00"]._key
    # Nothing that it relayed holds a piece of the key.
    pieces = {secret[at : at + 16] for at in range(200, len(secret) - 16, 997)}
    assert not any(piece in message for piece in pieces for message in encrypted.seen)


def test_a_leader_that_sends_its_key_in_the_open_is_refused(encrypted, monkeypatch):
    real = ckks.new_key
    monkeypatch.setattr(ckks, "new_key", lambda: (real()[0],) * 2)
    with pytest.raises(SecAggError, match="secret key in the open"):
        encrypted.share()


def test_equal_vectors_give_ciphertexts_that_share_nothing(encrypted):
    cipher = Cipher(encrypted.sites["site00"]._key)
    one, other = (cipher.encrypt(np.zeros(2048)) for _ in range(2))
    shared = {one[at : at + 8] for at in range(400, len(one) - 8)}
    assert not any(other[at : at + 8] in shared for at in range(400, len(other) - 8, 8))


def test_named_arrays_with_weights_and_counts(encrypted):
    rng = np.random.default_rng(1)
    weights = {"site00": 10, "site01": 20, "site02": 30, "site03": 40}
    each = {
        name: weighted({"w": rng.normal(size=(3, 2))}, weight)
        | {"histogram": np.array([weight, 1, 0])}
        for name, weight in weights.items()
    }
    layout = Layout.of(each["site00"])
    answers = encrypted.add({name: layout.flatten(arrays) for name, arrays in each.items()})
    sums = layout.unflatten(answers["site03"][0])
    assert sums["histogram"].tolist() == [100, 4, 0]
    plain = sum(arrays["w"] for arrays in each.values()) / 100
    assert np.abs(weighted_mean(sums)["w"] - plain).max() < 1e-8


def test_a_sum_of_too_few_or_of_other_sites_is_not_used(encrypted):
    values = {name: np.ones(3) for name in encrypted.sites}
    request = encrypted.coordinator.request(3)
    for name in ("site00", "site01"):
        encrypted.coordinator.add(encrypted.sites[name].encrypt(request, values[name]))
    with pytest.raises(SecAggError, match="2 of 4 sites sent an encrypted vector and 3 are"):
        encrypted.coordinator.total()
    content = ckks.write(encrypted.coordinator._sum)
    context = encrypted.coordinator._context
    for claimed, says in ((2, "of 2 sites and 3 are needed"), (3, "not of the 3 sites it names")):
        head = (3).to_bytes(8, "big") + claimed.to_bytes(2, "big")
        message = pack(Kind.HE_SUM, 1, context, head, content)
        with pytest.raises(SecAggError, match=says):
            encrypted.sites["site00"].decrypt(message)


def test_values_out_of_range_are_refused(encrypted):
    request = encrypted.coordinator.request(2)
    for bad in (np.nan, np.inf, 2 * ckks.limit(4)):
        with pytest.raises(HeError, match="1 of 2 values are not finite or larger than"):
            encrypted.sites["site00"].encrypt(request, [0.0, bad])
    with pytest.raises(SecAggError, match="for 2 values and the vector has 1"):
        encrypted.sites["site00"].encrypt(request, [0.0])


def test_replayed_altered_and_foreign_messages_are_refused(encrypted):
    site = encrypted.sites["site00"]
    request = encrypted.coordinator.request(2)
    message = site.encrypt(request, [1.0, 2.0])
    with pytest.raises(SecAggError, match="answered before"):
        site.encrypt(request, [1.0, 2.0])
    for at in (0, 5, 9, 50, ENVELOPE_BYTES, len(message) - 1):
        flipped = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
        with pytest.raises(SecAggError):
            encrypted.coordinator.add(flipped)
    with pytest.raises(SecAggError, match="announces"):
        encrypted.coordinator.add(message[:-1])
    encrypted.coordinator.add(message)
    with pytest.raises(SecAggError, match="second message"):
        encrypted.coordinator.add(message)
    encrypted.coordinator.request(2)
    with pytest.raises(SecAggError, match="of round 1 in round 2"):
        encrypted.coordinator.add(message)


def test_a_signed_message_that_holds_nonsense_is_refused(encrypted):
    encrypted.coordinator.request(2)
    context, identity = encrypted.coordinator._context, encrypted.identities["site01"]
    longer = Cipher(encrypted.sites["site01"]._key).encrypt(np.zeros(2049))
    for body, says in ((b"\0\0\0\4junk", "damaged"), (b"\0\0\1", "damaged"), (longer, "length")):
        message = pack(Kind.HE_VECTOR, 1, context, body, sender=1, identity=identity)
        with pytest.raises(HeError, match=says):
            encrypted.coordinator.add(message)


def test_a_substituted_key_is_refused(gather):
    party = Encrypted(gather(4))
    adverts = [site.advertise() for site in party.sites.values()]
    digest, stranger = digest_of(party.plan), Ed25519PrivateKey.generate()
    false = pack(Kind.ADVERT, 0, digest, public_of(new_secret()), sender=0, identity=stranger)
    keys = pack(Kind.KEYS, 0, digest, b"".join([false, *adverts[1:]]))
    with pytest.raises(SecAggError, match="not signed by the roster's key of site00"):
        party.sites["site01"].share_key(keys)


def test_a_key_from_another_than_the_leader_is_refused(encrypted):
    keys = encrypted.coordinator.keys_request()
    key = encrypted.sites["site00"].share_key(keys)
    body = key[ENVELOPE_BYTES:]
    context = encrypted.coordinator._context
    identity = encrypted.identities["site02"]
    forged = pack(Kind.HE_KEY, 0, context, body, sender=2, identity=identity)
    for take in (encrypted.sites["site01"].take_key, encrypted.coordinator.add_key):
        with pytest.raises(SecAggError, match="another than the leading site"):
            take(forged)
    swapped = pack(
        Kind.HE_KEY,
        0,
        context,
        body[:-1] + b"\0",
        sender=0,
        identity=encrypted.identities["site00"],
    )
    with pytest.raises(SecAggError, match="does not open"):
        encrypted.sites["site01"].take_key(swapped)


def test_a_leader_that_falls_silent_is_left_out(gather):
    party = Encrypted(gather(4))
    for site in party.sites.values():
        party.coordinator.add_advert(site.advertise())
    party.coordinator.keys_request()
    assert party.coordinator.leader == "site00"
    party.coordinator.leave_out("site00")
    del party.sites["site00"]
    party.share()
    answers = party.add({name: np.ones(1) for name in party.sites})
    assert {sites for _, sites in answers.values()} == {3}


def test_both_sides_continue_from_stored_state(encrypted):
    values = {name: np.array([1.0]) for name in encrypted.sites}
    encrypted.add(values)
    for name, site in encrypted.sites.items():
        encrypted.sites[name] = HeSite.load(
            encrypted.plan, name, encrypted.identities[name], site.dump()
        )
    encrypted.coordinator = HeSum.load(encrypted.plan, encrypted.coordinator.dump())
    ((total, _), *_) = encrypted.add(values).values()
    assert total == pytest.approx([4.0])
    other = encrypted.sites["site00"].dump()
    with pytest.raises(SecAggError, match="stored state is of another"):
        HeSite.load(encrypted.plan, "site01", encrypted.identities["site01"], other)
