"""What one secure sum costs: plain, EduFed's secure aggregation, and Flower's SecAgg+ helpers.

The set-up is counted once a job for EduFed and every round for Flower, as each does it. Flower's
side follows `flwr.client.mod.secure_aggregation.secaggplus_mod` step by step with its own helpers
and default settings (clipping ±8, 22 bits, modulus 2^32).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from flwr.common import ndarray_to_bytes
from flwr.common.secure_aggregation.crypto.shamir import combine_shares, create_shares
from flwr.common.secure_aggregation.crypto.symmetric_encryption import encrypt, generate_shared_key
from flwr.common.secure_aggregation.ndarrays_arithmetic import (
    parameters_addition,
    parameters_mod,
    parameters_subtraction,
)
from flwr.common.secure_aggregation.quantization import quantize
from flwr.common.secure_aggregation.secaggplus_utils import (
    pseudo_rand_gen,
    share_keys_plaintext_concat,
)
from flwr.supercore.primitives.asymmetric import (
    generate_key_pairs,
    private_key_to_bytes,
    public_key_to_bytes,
)

from edufed.privacy.fixed_point import FixedPoint
from edufed.privacy.keys import identity_public
from edufed.privacy.masks import add_masks
from edufed.privacy.secagg import SecAggPlan, SecAggSite, SecAggSum, default_threshold

Row = dict[str, Any]
_MODULUS = 1 << 32
_RANGE = 1 << 22
_CLIP = 8.0


class Clock:
    """Seconds of named steps."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        start = self._now()
        yield
        self.seconds.setdefault(name, []).append(self._now() - start)

    def median(self, *names: str) -> float:
        """Sum of the medians of some steps."""
        return sum(statistics.median(self.seconds[name]) for name in names)


def plain(length: int, sites: int) -> Row:
    """One round in the clear: a float64 vector each."""
    values = np.random.default_rng(0).normal(size=length)
    clock = Clock()
    for _ in range(5):
        with clock.step("send"):
            message = values.tobytes()
    with clock.step("add"):
        np.sum([np.frombuffer(message)] * sites, axis=0)
    return _row("plain", length, sites, (0, 1), len(message), 0, clock, ["send"], ["add"])


def edufed(length: int, sites: int) -> Row:
    """Set-up for two rounds; a round in which all answer, then one in which a third drops."""
    identities = {f"site{at:02d}": Ed25519PrivateKey.generate() for at in range(sites)}
    roster = {name: identity_public(key) for name, key in identities.items()}
    plan = SecAggPlan.of("benchmark", roster, rounds=2)
    members = {name: SecAggSite(plan, name, key) for name, key in identities.items()}
    coordinator = SecAggSum(plan)
    clock = Clock()
    for site in members.values():
        coordinator.add_advert(site.advertise())
    keys = coordinator.keys_request()
    for site in members.values():
        with clock.step("set-up"):
            deposit = site.share(keys)
        coordinator.add_deposit(deposit)
    values = np.random.default_rng(0).normal(size=length)
    dropped = list(members)[: sites // 3]
    for drop, opening in (([], "open"), (dropped, "open, third dropped")):
        request = coordinator.mask_request(length)
        alive = [name for name in members if name not in drop]
        for name in alive:
            with clock.step("mask"):
                masked = members[name].mask(request, values)
            with clock.step("receive"):
                coordinator.add_masked(masked)
        requests = coordinator.unmask_requests()
        for name in alive:
            with clock.step("unmask"):
                shares = members[name].unmask(requests[name])
            coordinator.add_shares(shares)
        with clock.step(opening):
            total = coordinator.total()
        assert np.abs(total - len(alive) * values).max() <= 2 * FixedPoint().error(sites)
        if not drop:
            up = len(masked) + len(shares)
            down = len(request) + len(requests[name])
    row = _row("EduFed", length, sites, (2, 2), up, down, clock, ["mask", "unmask"], ["open"])
    row["bytes_masked"] = len(masked)
    row["bytes_setup"] = len(deposit) + len(keys)
    row["seconds_setup"] = clock.median("set-up")
    row["seconds_coordinator"] += sites * clock.median("receive")
    row["seconds_third_dropped"] = (sites - sites // 3) * clock.median("receive") + clock.median(
        "open, third dropped"
    )
    return row


def flower(length: int, sites: int) -> Row:
    """One site's round and the server's opening, by Flower's helpers."""
    clock = Clock()
    threshold = default_threshold(sites)
    values = np.random.default_rng(0).normal(size=length)
    with clock.step("keys"):
        pairs = [generate_key_pairs(), generate_key_pairs()]
        publics = [public_key_to_bytes(public) for _, public in pairs]
    peer = generate_key_pairs()[1]  # one stands for all: each costs the same
    with clock.step("share"):
        seed = os.urandom(32)
        seed_shares = create_shares(seed, threshold, sites)
        key_shares = create_shares(private_key_to_bytes(pairs[0][0]), threshold, sites)
        sealed = [
            encrypt(
                generate_shared_key(pairs[1][0], peer),
                share_keys_plaintext_concat(0, at, seed_shares[at], key_shares[at]),
            )
            for at in range(1, sites)
        ]
    with clock.step("mask"):
        keys = [generate_shared_key(pairs[0][0], peer) for _ in range(1, sites)]
        masked = flower_masking(values, seed, keys)
        vector = ndarray_to_bytes(masked)
    total = [masked.astype(np.int64)]
    with clock.step("open"):
        for _ in range(sites):
            rebuilt = combine_shares(seed_shares[:threshold])
            mask = pseudo_rand_gen(rebuilt, _MODULUS, [(length,)])
            total = parameters_mod(parameters_subtraction(total, mask), _MODULUS)
    envelopes = sum(map(len, sealed))
    up = sum(map(len, publics)) + envelopes + len(vector) + sites * len(seed_shares[0])
    down = sites * sum(map(len, publics)) + envelopes + 8 * sites
    steps = ["keys", "share", "mask"]
    row = _row("Flower SecAgg+", length, sites, (0, 4), up, down, clock, steps, ["open"])
    row["bytes_masked"] = len(vector)
    return row


def flower_masking(
    values: npt.NDArray[np.float64], seed: bytes, keys: list[bytes]
) -> npt.NDArray[np.int64]:
    """Quantise and mask one vector as Flower does."""
    masked = quantize([values], _CLIP, _RANGE)
    masked = parameters_addition(masked, pseudo_rand_gen(seed, _MODULUS, [values.shape]))
    for key in keys:
        mask = pseudo_rand_gen(key, _MODULUS, [values.shape])
        masked = parameters_addition(masked, mask)
    return np.asarray(parameters_mod(masked, _MODULUS)[0])


def edufed_masking(values: npt.NDArray[np.float64], seeds: list[bytes], sites: int) -> None:
    """Encode and mask one vector as `SecAggSite.mask` does."""
    add_masks(FixedPoint().encode(values, sites), seeds)


def masking(length: int = 1_000_000, sites: int = 10) -> dict[str, float]:
    """Median processor seconds to encode and mask one vector, and to make one mask, each way.

    All are of one thread, and they take turns, so that other work on the machine counts little.
    """
    values = np.random.default_rng(0).normal(size=length)
    seeds = [os.urandom(32) for _ in range(sites)]
    zeros, buffer = bytes(8 * length), bytearray(8 * length)

    def chacha() -> None:
        Cipher(algorithms.ChaCha20(seeds[0], bytes(16)), None).encryptor().update_into(
            zeros, buffer
        )

    words = np.zeros(length, np.uint64)
    ways: dict[str, Callable[[], object]] = {
        "EduFed, encode and mask": lambda: edufed_masking(values, seeds, sites),
        "Flower, quantise and mask": lambda: flower_masking(values, seeds[0], seeds[1:]),
        "one AES-256-CTR mask, added": lambda: add_masks(words, seeds[:1]),
        "one ChaCha20 stream": chacha,
        "one mask of Flower's": lambda: pseudo_rand_gen(seeds[0], _MODULUS, [values.shape]),
    }
    clock = Clock(time.process_time)
    for _ in range(11):
        for name, way in ways.items():
            with clock.step(name):
                way()
    return {name: clock.median(name) for name in ways}


def _row(
    method: str,
    length: int,
    sites: int,
    messages: tuple[int, int],
    up: int,
    down: int,
    clock: Clock,
    at_site: list[str],
    at_coordinator: list[str],
) -> Row:
    return {
        "part": "secure sum",
        "method": method,
        "values": length,
        "sites": sites,
        "messages_setup": messages[0],
        "messages_round": messages[1],
        "bytes_up": up,
        "bytes_down": down,
        "bytes_masked": up,
        "bytes_setup": 0,
        "seconds_setup": 0.0,
        "seconds_site": clock.median(*at_site),
        "seconds_coordinator": clock.median(*at_coordinator),
    }
