"""Secure sums equal plain sums, whoever drops, and state lasts."""

from __future__ import annotations

import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.arrays import Layout, weighted, weighted_mean
from edufed.privacy.fixed_point import FixedPoint, RangeError
from edufed.privacy.keys import identity_public
from edufed.privacy.secagg import (
    SecAggError,
    SecAggPlan,
    SecAggSite,
    SecAggSum,
    default_threshold,
)
from edufed.private_files import read_private, write_private


@settings(max_examples=30, deadline=None)
@given(data=st.data(), count=st.integers(3, 12), seed=st.integers(0, 2**32 - 1))
def test_secure_sums_equal_plain_sums_whoever_drops(gather, data, count, seed):
    rng = np.random.default_rng(seed)
    codec = data.draw(st.sampled_from([FixedPoint(), FixedPoint(32, 12), FixedPoint(64, 30)]))
    shapes = data.draw(st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=3))
    arrays = [
        {f"a{n}": rng.normal(size=shape) for n, shape in enumerate(shapes)} for _ in range(count)
    ]
    weights = rng.uniform(1, 300, count)
    party = gather(count, rounds=2)
    names = list(party.sites)
    each = {
        name: weighted(a, w) | {"histogram": rng.integers(0, 1000, 4)}
        for name, a, w in zip(names, arrays, weights, strict=True)
    }
    layout = Layout.of(each[names[0]])
    values = {name: layout.flatten(each[name]) for name in names}

    may_drop = data.draw(st.permutations(names))[: count // 3]
    when = [data.draw(st.sampled_from(STEPS)) for _ in may_drop]
    drops = {step: [n for n, w in zip(may_drop, when, strict=True) if w == step] for step in STEPS}
    party.set_up(mute=drops["advert"], dead=drops["deposit"])
    gone = [*drops["advert"], *drops["deposit"]]
    for _ in range(2):
        unsent = drops["vector"]
        total = party.add(values, codec, unsent=unsent, silent=drops["shares"])
        alive = [n for n in names if n not in [*gone, *unsent]]
        assert party.coordinator.survivors == tuple(alive)
        plain = np.sum([values[n] for n in alive], axis=0)
        error = codec.error(len(alive)) + 1e-12 * np.abs(plain)
        assert (np.abs(total - plain) <= error).all()
        sums = layout.unflatten(total)
        assert (sums["histogram"] == sum(each[n]["histogram"] for n in alive)).all()
        assert sums["histogram"].dtype == np.int64
        if shapes:
            at = [names.index(n) for n in alive]
            mean = np.average([arrays[i]["a0"] for i in at], axis=0, weights=weights[at])
            assert weighted_mean(sums)["a0"] == pytest.approx(mean, abs=0.02)


@settings(max_examples=3, deadline=None)
@given(data=st.data(), count=st.integers(13, 50), seed=st.integers(0, 2**32 - 1))
def test_so_they_do_for_many_sites(gather, data, count, seed):
    party, rng = gather(count), np.random.default_rng(seed)
    values = {name: rng.normal(size=7) * rng.uniform(1, 300) for name in party.sites}
    may_drop = data.draw(st.permutations(sorted(party.sites)))[: count // 3]
    steps = [data.draw(st.sampled_from(STEPS)) for _ in may_drop]
    drops = {step: {n for n, w in zip(may_drop, steps, strict=True) if w == step} for step in STEPS}
    party.set_up(mute=drops["advert"], dead=drops["deposit"])
    total = party.add(values, unsent=drops["vector"], silent=drops["shares"])
    left_out = drops["advert"] | drops["deposit"] | drops["vector"]
    plain = np.sum([value for name, value in values.items() if name not in left_out], axis=0)
    assert np.abs(total - plain).max() <= FixedPoint().error(count)


STEPS = ("advert", "deposit", "vector", "shares")


@pytest.mark.parametrize("count", [3, 25, 50])
def test_a_third_may_drop_in_the_middle_of_a_round(gather, count):
    party = gather(count)
    party.set_up()
    names = list(party.sites)
    values = {name: np.full(10, float(at)) for at, name in enumerate(names)}
    third = names[: count // 3]
    total = party.add(values, unsent=third[::2], silent=third[1::2])
    assert total.tolist() == [sum(values[n][0] for n in names if n not in third[::2])] * 10


def test_a_dead_site_stays_out_and_comes_back(gather):
    party = gather(4, rounds=3)
    party.set_up()
    values = {name: np.ones(2) for name in party.sites}
    assert party.add(values, unsent=["site02"]).tolist() == [3, 3]
    assert party.add(values, unsent=["site02"]).tolist() == [3, 3]
    assert party.add(values).tolist() == [4, 4]
    with pytest.raises(SecAggError, match="all 3 rounds of this set-up are used"):
        party.coordinator.mask_request(2)


def test_a_slow_site_can_still_open_shares(gather):
    party = gather(3)
    party.set_up()
    values = {name: np.ones(1) for name in party.sites}
    request = party.coordinator.mask_request(1)
    late = party.sites["site00"].mask(request, values["site00"])
    for name in ("site01", "site02"):
        party.coordinator.add_masked(party.sites[name].mask(request, values[name]))
    requests = party.coordinator.unmask_requests()
    with pytest.raises(SecAggError, match="masked message is not expected now"):
        party.coordinator.add_masked(late)
    for name in ("site00", "site02"):
        party.coordinator.add_shares(party.sites[name].unmask(requests[name]))
    assert party.coordinator.total().tolist() == [2]


def test_fewer_than_the_threshold_abort_at_every_step(gather):
    party = gather(6, rounds=3)
    assert party.plan.threshold == 4
    with pytest.raises(SecAggError, match="0 of 6 sites sent a public key and 4 are needed"):
        party.coordinator.keys_request()
    party.set_up()
    names = list(party.sites)
    values = {name: np.ones(3) for name in names}
    with pytest.raises(SecAggError, match="round 1: 3 of 6 sites sent a masked vector and 4 are"):
        party.add(values, unsent=names[:3])
    with pytest.raises(SecAggError, match="round 2: 3 of 6 sites opened their shares and 4 are"):
        party.add(values, silent=names[:3])
    assert party.add(values).tolist() == [6, 6, 6]  # a lost round does not harm the next


def test_the_default_threshold_lets_a_third_drop_and_stops_two_lists():
    for count in range(3, 60):
        threshold = default_threshold(count)
        assert count - threshold == count // 3
        colluding = (count - 1) // 3
        assert 2 * threshold > count + colluding


def test_values_out_of_range_are_refused_and_the_round_is_not_used_up(gather):
    party = gather(3)
    party.set_up()
    request = party.coordinator.mask_request(1, FixedPoint(32, 16))
    site = party.sites["site00"]
    with pytest.raises(RangeError, match="3 sites, 32 bits and 16 binary digits"):
        site.mask(request, [1e6])
    with pytest.raises(SecAggError, match="for 1 values and the vector has 2"):
        site.mask(request, [1.0, 2.0])
    party.coordinator.add_masked(site.mask(request, [1e6], clip=True))


def test_a_site_sends_no_numbers_but_those_it_insists_on(gather):
    """A range of the coordinator's choice would tell how large a site's values are."""
    party = gather(3, rounds=3)
    party.set_up()
    site = party.sites["site00"]
    for codec in (FixedPoint(64, 62), FixedPoint(32, 24)):
        request = party.coordinator.mask_request(1, codec)
        with pytest.raises(SecAggError, match="fixed-point numbers that this site does not send"):
            site.mask(request, [1.0], codec=FixedPoint())
    request = party.coordinator.mask_request(1, FixedPoint())
    party.coordinator.add_masked(site.mask(request, [1.0], codec=FixedPoint()))


def test_both_sides_continue_from_stored_state_at_every_step(gather, tmp_path):
    party = gather(3, rounds=2)
    plan = party.plan

    def restart() -> None:
        for name, site in party.sites.items():
            write_private(tmp_path / name, site.dump())
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
            state = read_private(tmp_path / name)
            party.sites[name] = SecAggSite.load(plan, name, party.identities[name], state)
        party.coordinator = SecAggSum.load(plan, party.coordinator.dump())

    for name in party.sites:
        party.coordinator.add_advert(party.sites[name].advertise())
        restart()
    request = party.coordinator.keys_request()
    for name in party.sites:
        restart()
        party.coordinator.add_deposit(party.sites[name].share(request))
    for _ in range(2):
        restart()
        request = party.coordinator.mask_request(2)
        for name in ("site00", "site02"):
            message = party.sites[name].mask(request, [1.5, -2.0])
            restart()
            party.coordinator.add_masked(message)
            with pytest.raises(SecAggError, match="was answered before"):
                party.sites[name].mask(request, [1.0, 1.0])
        requests = party.coordinator.unmask_requests()
        for name in ("site00", "site02"):
            restart()
            party.coordinator.add_shares(party.sites[name].unmask(requests[name]))
            restart()
        assert party.coordinator.total().tolist() == [3, -4]


def test_state_of_another_job_or_site_is_refused(gather):
    party, other = gather(3), gather(3, job="another")
    state = party.sites["site00"].dump()
    for plan, name, keys in (
        (other.plan, "site00", other.identities),
        (party.plan, "site01", party.identities),
    ):
        with pytest.raises(SecAggError, match="stored state is of another"):
            SecAggSite.load(plan, name, keys[name], state)
    with pytest.raises(SecAggError, match="stored state is of another"):
        SecAggSum.load(other.plan, party.coordinator.dump())


def test_the_plan_refuses_what_cannot_be_safe(gather):
    roster = {name: identity_public(k) for name, k in gather(4).identities.items()}
    for wrong, says in (
        ({"threshold": 2}, "more than half of the 4 sites"),
        ({"threshold": 5}, "at most all"),
        ({"rounds": 0}, "number of rounds"),
        ({"roster": dict(list(roster.items())[:2])}, "needs 3 to"),
        ({"roster": roster | {"twin": roster["site00"]}}, "its own 32-byte key"),
        ({"roster": roster | {"short": b"key"}}, "its own 32-byte key"),
    ):
        with pytest.raises(SecAggError, match=says):
            SecAggPlan.of(**({"job": "job", "roster": roster, "rounds": 1} | wrong))


def test_a_site_must_be_on_the_roster_with_its_own_key(gather):
    party = gather(3)
    with pytest.raises(SecAggError, match="not on the roster"):
        SecAggSite(party.plan, "stranger", party.identities["site00"])
    with pytest.raises(SecAggError, match="another identity key"):
        SecAggSite(party.plan, "site01", party.identities["site00"])


def test_nothing_goes_before_the_set_up(gather):
    party = gather(3)
    with pytest.raises(SecAggError, match="set-up not done by any site"):
        party.coordinator.mask_request(1)
    with pytest.raises(SecAggError, match="set-up of this job's keys is not done"):
        party.sites["site00"].mask(b"", [1.0])
    for name in party.sites:
        party.coordinator.add_advert(party.sites[name].advertise())
    request = party.coordinator.keys_request()
    party.coordinator.add_deposit(party.sites["site00"].share(request))
    with pytest.raises(SecAggError, match="not done by site01, site02: wait, or call keys_req"):
        party.coordinator.mask_request(1)
    for step in (party.coordinator.unmask_requests, party.coordinator.total):
        with pytest.raises(SecAggError, match="no round is"):
            step()
