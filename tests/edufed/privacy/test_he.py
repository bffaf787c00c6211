from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.arrays import Layout, weighted, weighted_mean
from edufed.privacy.he import HeError, HeSite, HeSum, ckks, error, fraction_for
from edufed.privacy.he.ckks import Cipher
from edufed.privacy.he.tags import TAG_BYTES, add_tags, read_tag, write_tag
from edufed.privacy.he.wire import digest as digest_of
from edufed.privacy.he.wire import digest_of_sum
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

    def send(self, values, drop=(), fraction=20) -> None:
        request = self.coordinator.request(len(next(iter(values.values()))), fraction)
        for name in self.sites.keys() - set(drop):
            self.seen.append(self.sites[name].encrypt(request, values[name]))
            self.coordinator.add(self.seen[-1])

    def open(self, silent=()) -> np.ndarray:
        while not self.coordinator.told:
            request = self.coordinator.sum_request()
            for name in self.coordinator.survivors:
                if name not in silent:
                    self.coordinator.add_opened(self.sites[name].open(request))
        return self.coordinator.total()

    def add(self, values, drop=(), fraction=20) -> np.ndarray:
        self.send(values, drop, fraction)
        return self.open()


@pytest.fixture
def encrypted(gather) -> Encrypted:
    party = Encrypted(gather(4, rounds=3))
    party.set_up()
    return party


@settings(max_examples=6)
@given(
    count=st.integers(3, 50),
    length=st.sampled_from([1, 2047, 2048, 4500]),
    fraction=st.integers(0, 20),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_encrypted_sums_equal_plain_sums_within_the_stated_error(
    gather, count, length, fraction, seed, data
):
    party = Encrypted(gather(count, rounds=1))
    party.set_up()
    rng = np.random.default_rng(seed)
    size = ckks.limit(count) / 2.0**fraction
    values = {name: rng.uniform(-size, size, length) for name in party.sites}
    drop = data.draw(st.sets(st.sampled_from(sorted(party.sites)), max_size=count // 3))
    total = party.add(values, drop, fraction)
    alive = [values[name] for name in values if name not in drop]
    assert (np.abs(total - np.sum(alive, axis=0)) <= error(len(alive), fraction)).all()
    # Beyond the rounding that each site does itself, the sum is exact.
    assert (
        total == np.sum([np.rint(v * 2.0**fraction) for v in alive], axis=0) / 2**fraction
    ).all()


def test_precision_is_that_of_a_mean_however_many_learners_there_are():
    assert [fraction_for(n) for n in (1, 100, 30_000, 10**6, 2**40)] == [20, 20, 13, 8, 0]
    for learners in (300, 30_000, 10**6):
        assert error(13, fraction_for(learners)) / learners < 1e-6
        assert ckks.limit(1) / 2 ** fraction_for(learners) >= 2**14 * learners


@pytest.mark.parametrize("count", [3, 50])
def test_the_largest_values_do_not_wrap(count):
    secret, keyless = ckks.new_key()
    values = np.full(2048, ckks.limit(count))
    values[::2] *= -1
    adder = Cipher(keyless)
    # Encrypted anew for each site: noise that is the same 50 times adds up to more.
    total, *others = (adder.read(Cipher(secret).encrypt(values), 2048)[0] for _ in range(count))
    for other in others:
        total = total + other
    assert (Cipher(secret).decrypt(ckks.write([total]), 2048) == count * values).all()


def test_what_is_decrypted_holds_none_of_the_noise():
    # Li & Micciancio 2021: the noise would give the key away.
    secret, _ = ckks.new_key()
    cipher, values = Cipher(secret), np.arange(-1024, 1024)
    found = [cipher.decrypt(cipher.encrypt(values), 2048) for _ in range(3)]
    assert all((one == values).all() for one in found)
    noise = [
        np.asarray(v.decrypt()) - values * 2.0**-20
        for v in cipher.read(cipher.encrypt(values), 2048)
    ]
    assert 1e-9 < np.std(noise[0]) < 4e-9


def test_the_coordinator_holds_no_key(encrypted):
    encrypted.add({name: np.ones(3) for name in encrypted.sites})
    cipher = encrypted.coordinator._cipher
    assert not cipher.has_key
    (vector,) = encrypted.coordinator._sum
    with pytest.raises(ValueError, match="secret_key"):
        vector.decrypt()
    with pytest.raises(ValueError, match="doesn't support encryption"):
        cipher.encrypt(np.ones(3, np.int64))
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
    one, other = (cipher.encrypt(np.zeros(2048, np.int64)) for _ in range(2))
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
    total = encrypted.add({name: layout.flatten(arrays) for name, arrays in each.items()})
    sums = layout.unflatten(total)
    assert sums["histogram"].tolist() == [100, 4, 0]
    plain = sum(arrays["w"] for arrays in each.values()) / 100
    assert np.abs(weighted_mean(sums)["w"] - plain).max() <= error(4, 20) / 100


def test_a_sum_of_too_few_sites_stays_closed(encrypted):
    values = {name: np.ones(3) for name in encrypted.sites}
    encrypted.send(values, drop=("site02", "site03"))
    with pytest.raises(SecAggError, match="2 of 4 sites sent an encrypted vector and 3 are"):
        encrypted.coordinator.sum_request()
    forged = asked(encrypted, encrypted.coordinator._sum, encrypted.coordinator._tag, [1, 1, 0, 0])
    with pytest.raises(SecAggError, match="the sum is of 2 sites and 3 are needed"):
        encrypted.sites["site00"].open(forged)


def asked(party: Encrypted, vectors, mark, flags) -> bytes:
    head = (0).to_bytes(2, "big") + bytes(flags) + write_tag(mark)
    return pack(Kind.HE_SUM, 1, party.coordinator._context, head, ckks.write(vectors))


def test_sites_open_no_sum_but_that_of_what_the_named_sites_have_sent(encrypted):
    values = {name: np.full(2100, 10.0) for name in encrypted.sites}
    encrypted.send(values, drop=("site03",))
    coordinator, site = encrypted.coordinator, encrypted.sites["site00"]
    single = coordinator._cipher.read(encrypted.seen[-1][ENVELOPE_BYTES + TAG_BYTES :], 2100)
    mark, total = coordinator._tag, coordinator._sum
    own = read_tag(encrypted.seen[-1][ENVELOPE_BYTES : ENVELOPE_BYTES + TAG_BYTES])
    three = add_tags(own, add_tags(own, own))
    swapped = [total[1], total[0]]
    for vectors, tagged, flags in (
        (single, mark, [1, 1, 1, 0]),  # one site's vector instead of the sum
        ([v + v + v for v in single], three, [1, 1, 1, 0]),  # counted three times
        ([v + w for v, w in zip(total, single, strict=True)], mark, [1, 1, 1, 0]),
        (total, mark, [1, 1, 1, 1]),  # another list of sites
        (total, mark, [1, 1, 0, 1]),
        (swapped, mark, [1, 1, 1, 0]),
        (total, own, [1, 1, 1, 0]),
    ):
        with pytest.raises(SecAggError, match="is not of what the sites it names have sent"):
            site.open(asked(encrypted, vectors, tagged, flags))
    assert site.open(asked(encrypted, total, mark, [1, 1, 1, 0]))
    assert site.open(asked(encrypted, total, mark, [1, 1, 1, 0]))  # asked again, it says the same
    with pytest.raises(SecAggError, match="a sum of other sites has been opened"):
        site.open(asked(encrypted, total, mark, [1, 1, 0, 1]))


def test_an_altered_or_replayed_encrypted_sum_is_refused(encrypted):
    encrypted.send({name: np.ones(3) for name in encrypted.sites})
    message = encrypted.coordinator.sum_request()
    for at in (0, 9, 50, ENVELOPE_BYTES, len(message) - 1):
        flipped = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
        with pytest.raises(SecAggError):
            encrypted.sites["site00"].open(flipped)
    for cut in (message[:-1], message[:40]):
        with pytest.raises(SecAggError, match=r"announces|too short"):
            encrypted.sites["site00"].open(cut)
    short = pack(Kind.HE_SUM, 1, encrypted.coordinator._context, b"\0\0\1")
    with pytest.raises(SecAggError, match="too short"):
        encrypted.sites["site00"].open(short)
    encrypted.open()
    encrypted.send({name: np.ones(3) for name in encrypted.sites})
    with pytest.raises(SecAggError, match="sum of round 1 after round 2"):
        encrypted.sites["site00"].open(message)


def test_if_the_site_that_is_to_tell_the_sum_fails_another_one_does(encrypted):
    encrypted.send({name: np.ones(3) for name in encrypted.sites})
    assert encrypted.open(silent=["site00"]).tolist() == [4.0] * 3
    assert encrypted.coordinator.speaker == "site01"
    encrypted.send({name: np.ones(3) for name in encrypted.sites})
    request = encrypted.coordinator.sum_request()
    for name in ("site00", "site01"):
        encrypted.coordinator.add_opened(encrypted.sites[name].open(request))
    with pytest.raises(SecAggError, match="2 of 4 sites agree on what the sum is and 3"):
        encrypted.coordinator.total()


def test_one_site_cannot_tell_a_sum_of_its_own_making(encrypted):
    encrypted.send({name: np.ones(3) for name in encrypted.sites})
    context, identity = encrypted.coordinator._context, encrypted.identities["site00"]
    false = np.full(3, 2**30)
    said = digest_of_sum(false)
    for body, says in (
        (said + false.tobytes()[:-8], "another form"),
        (said[:-1], "another form"),
        (bytes(32) + false.tobytes(), "does not have the digest"),
    ):
        message = pack(Kind.HE_OPENED, 1, context, body, sender=0, identity=identity)
        with pytest.raises(SecAggError, match=says):
            encrypted.coordinator.add_opened(message)
    lie = pack(Kind.HE_OPENED, 1, context, said, false.tobytes(), sender=0, identity=identity)
    request = encrypted.coordinator.sum_request()
    assert encrypted.coordinator.speaker == "site00"
    encrypted.coordinator.add_opened(lie)
    for name in ("site01", "site02", "site03"):
        encrypted.coordinator.add_opened(encrypted.sites[name].open(request))
    assert not encrypted.coordinator.told
    again = encrypted.coordinator.sum_request()
    encrypted.coordinator.add_opened(encrypted.sites[encrypted.coordinator.speaker].open(again))
    assert encrypted.coordinator.total().tolist() == [4.0] * 3


def test_values_out_of_range_are_refused(encrypted):
    request = encrypted.coordinator.request(2)
    for bad in (np.nan, np.inf, 2e300, 2 * ckks.limit(4) * 2.0**-20):
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
    with pytest.raises(SecAggError, match="encrypted vector of round 1 in round 2"):
        encrypted.coordinator.add(message)


def test_a_signed_message_that_holds_nonsense_is_refused(encrypted):
    encrypted.coordinator.request(2)
    context, identity = encrypted.coordinator._context, encrypted.identities["site01"]
    longer = Cipher(encrypted.sites["site01"]._key).encrypt(np.zeros(2049, np.int64))
    nothing = bytes(TAG_BYTES)
    for body, says in ((b"\0\0\0\4junk", "damaged"), (b"\0\0\1", "damaged"), (longer, "length")):
        message = pack(Kind.HE_VECTOR, 1, context, nothing, body, sender=1, identity=identity)
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
    assert party.add({name: np.ones(1) for name in party.sites}).tolist() == [3.0]


def test_both_sides_continue_from_stored_state(encrypted):
    values = {name: np.array([1.0]) for name in encrypted.sites}
    encrypted.add(values)
    for name, site in encrypted.sites.items():
        encrypted.sites[name] = HeSite.load(
            encrypted.plan, name, encrypted.identities[name], site.dump()
        )
    encrypted.coordinator = HeSum.load(encrypted.plan, encrypted.coordinator.dump())
    assert encrypted.add(values).tolist() == [4.0]
    other = encrypted.sites["site00"].dump()
    with pytest.raises(SecAggError, match="stored state is of another"):
        HeSite.load(encrypted.plan, "site01", encrypted.identities["site01"], other)
