from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.keys import identity_public
from edufed.privacy.secagg import FixedPoint, SecAggPlan, SecAggSite, SecAggSum


@dataclass
class Party:
    """A coordinator and its sites in one process; every message goes through bytes."""

    plan: SecAggPlan
    identities: dict[str, Ed25519PrivateKey]
    sites: dict[str, SecAggSite]
    coordinator: SecAggSum
    sent: list[bytes] = field(default_factory=list)

    def set_up(self, mute: Iterable[str] = (), dead: Iterable[str] = ()) -> None:
        """Exchange keys; `mute` sites never advertise, `dead` ones drop before they deposit."""
        for name in self.sites.keys() - set(mute):
            self.coordinator.add_advert(self.sites[name].advertise())
        request = self.coordinator.keys_request()
        for name in set(self.coordinator.participants) - set(dead):
            self.coordinator.add_deposit(self.sites[name].share(request))
        if dead:
            request = self.coordinator.keys_request()
            for name in self.coordinator.participants:
                self.coordinator.add_deposit(self.sites[name].share(request))

    def add(
        self,
        values: dict[str, np.ndarray],
        codec: FixedPoint | None = None,
        unsent: Iterable[str] = (),
        silent: Iterable[str] = (),
    ) -> np.ndarray:
        """One round; `unsent` sites send no vector, `silent` ones do not open their shares."""
        length = len(next(iter(values.values())))
        request = self.coordinator.mask_request(length, codec)
        self.sent = []
        for name in self.coordinator.participants:
            if name not in unsent:
                self.sent.append(self.sites[name].mask(request, values[name]))
                self.coordinator.add_masked(self.sent[-1])
        for name, message in self.coordinator.unmask_requests().items():
            if name not in unsent and name not in silent:
                self.coordinator.add_shares(self.sites[name].unmask(message))
        return self.coordinator.total()


@pytest.fixture(scope="session")
def gather() -> Callable[..., Party]:
    def make(count: int, rounds: int = 1, threshold: int | None = None, job: str = "job") -> Party:
        identities = {f"site{at:02d}": Ed25519PrivateKey.generate() for at in range(count)}
        roster = {name: identity_public(key) for name, key in identities.items()}
        plan = SecAggPlan.of(job, roster, rounds, threshold)
        sites = {name: SecAggSite(plan, name, key) for name, key in identities.items()}
        return Party(plan, identities, sites, SecAggSum(plan))

    return make
