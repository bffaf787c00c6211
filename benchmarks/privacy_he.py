"""What encrypted summing costs, and how exact it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from privacy_secagg import Clock

from edufed.privacy.he import HeSite, HeSum, error
from edufed.privacy.he.wire import MOST_FRACTION
from edufed.privacy.keys import identity_public
from edufed.privacy.secagg import SecAggPlan


def encrypted(length: int, sites: int) -> dict[str, Any]:
    """One set-up and one round in which all sites answer."""
    identities = {f"site{at:02d}": Ed25519PrivateKey.generate() for at in range(sites)}
    roster = {name: identity_public(key) for name, key in identities.items()}
    plan = SecAggPlan.of("benchmark", roster, rounds=1)
    members = {name: HeSite(plan, name, key) for name, key in identities.items()}
    coordinator = HeSum(plan)
    for site in members.values():
        coordinator.add_advert(site.advertise())
    keys = coordinator.keys_request()
    for site in members.values():
        made = site.share_key(keys)
        if made:
            coordinator.add_key(made)
    for site in members.values():
        site.take_key(coordinator.key_message)
    values = np.random.default_rng(0).normal(size=length)
    request = coordinator.request(length)
    clock, told = Clock(), 0
    for site in members.values():
        with clock.step("encrypt"):
            message = site.encrypt(request, values)
        with clock.step("add"):
            coordinator.add(message)
    ask = coordinator.sum_request()
    for site in members.values():
        if coordinator.told:
            break  # as many have opened it as have to agree
        with clock.step("open"):
            said = site.open(ask)
        coordinator.add_opened(said)
        told = max(len(said), told)
    got = coordinator.total()
    worst = float(np.abs(got - sites * values).max())
    assert worst <= error(sites, MOST_FRACTION)
    return {
        "part": "encrypted sum",
        "method": "CKKS",
        "values": length,
        "sites": sites,
        "messages_setup": 2,
        "messages_round": 2,
        "bytes_up": len(message),
        "bytes_down": len(ask),
        "bytes_told": told,
        "bytes_setup": len(keys) + len(coordinator.key_message),
        "seconds_encrypt": clock.median("encrypt"),
        "seconds_open": clock.median("open"),
        "seconds_coordinator": sum(clock.seconds["add"]),
        "largest_error": worst,
    }
