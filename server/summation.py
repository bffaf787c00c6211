"""Federation-wide sums, as the job's privacy settings ask. The site's half: `clients/summation.py`.

All ways give the same `Combined`. Without secure aggregation the coordinator adds the sites'
shares itself. With it, two exchanges bring the sum and nothing else: this code never holds one
site's values; nor does `server/encrypted_summation.py`, the third way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from edufed.arrays import Arrays, as_array
from edufed.config import Job
from edufed.config.privacy import HeSettings, SecureSums
from edufed.config.strategy import Averaging
from edufed.privacy.secagg import SecAggError, SecAggPlan, SecAggSum
from edufed.share import Share, combined_from_vector, from_arrays, layout
from server.aggregation import beyond
from server.checkpoint import Checkpoint
from server.exchange import Exchange, Reply, total_cost
from server.federation import Federation, JobError

#: Name of the checkpoint of secure aggregation.
SECAGG = "secagg"
ADVERT, REQUEST, DEPOSIT, MASKED, OPENED = "advert", "request", "deposit", "masked", "opened"


#: Reply -> why it cannot be used, or None.
Check = Callable[[Reply], str | None]


def secure_plan(job: Job, roster: Mapping[str, bytes]) -> SecAggPlan:
    """Return the plan of a job's secure sums.

    Raises
    ------
    SecAggError
        Too few sites for one.
    """
    assert isinstance(job.privacy, SecureSums | HeSettings)
    return SecAggPlan.of(job.id, roster, job.secure_sums, job.privacy.threshold)


def least_sites(job: Job, roster: Mapping[str, bytes]) -> int:
    """Return how many sites must answer for a sum.

    Raises
    ------
    JobError
        Secure aggregation cannot be set up among so few sites.
    """
    least = job.scenario.min_sites
    if isinstance(job.privacy, SecureSums | HeSettings):
        try:
            least = max(least, secure_plan(job, roster).threshold)
        except SecAggError as error:
            raise JobError(f"secure aggregation: {error}") from None
    return least


@dataclass(frozen=True)
class Combined:
    """What an exchange brought together.

    Attributes
    ----------
    total : Share
        Means over all sites, their summed weight, and sums.
    metas : dict of str to dict
        What each site said beside its share, in alphabetical order.
    cost : Exchange
        Messages, bytes and seconds.
    shares : dict of str to Share
        Each site's own means and weight; empty under secure aggregation.
    """

    total: Share
    metas: dict[str, dict[str, Any]]
    cost: Exchange
    shares: dict[str, Share] = field(default_factory=dict)


class Summation(Protocol):
    """A way to add up what the sites hold."""

    def collect(
        self,
        kind: str,
        meta: Mapping[str, Any],
        arrays_for: Callable[[str], Arrays],
        like: Share,
        number: int | None = None,
        check: Check = lambda _: None,
    ) -> Combined:
        """Ask every site for its share, and combine them.

        Parameters
        ----------
        kind, meta, arrays_for, number, check
            As `Federation.ask`.
        like : Share
            Names, shapes and kinds of what is asked for. Its means are the model that the sites
            were sent: where they can be seen, those too far from it are left out.

        Raises
        ------
        JobError
            Too few sites gave a usable answer.
        """
        ...


def build_summation(
    federation: Federation,
    greeted: Mapping[str, Reply],
    roster: Mapping[str, bytes],
    checkpoint: Checkpoint,
) -> Summation:
    """Return the way of adding up that the job asks for, set up with the sites that greeted.

    Parameters
    ----------
    federation : Federation
    greeted : mapping of str to Reply
        Answers to `hello`.
    roster : mapping of str to bytes
        The federation's sites and their Ed25519 public keys.
    checkpoint : Checkpoint
        Where secure aggregation keeps what a resumed job needs.

    Raises
    ------
    JobError
        Secure aggregation cannot be set up among these sites.
    """
    if isinstance(federation.job.privacy, SecureSums):
        return SecureSum(federation, greeted, roster, checkpoint)
    if isinstance(federation.job.privacy, HeSettings):
        from server.encrypted_summation import EncryptedSum  # which builds on this module

        return EncryptedSum(federation, greeted, roster, checkpoint)
    return PlainSum(federation)


class PlainSum:
    """The coordinator adds up shares that it sees."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation

    def collect(
        self,
        kind: str,
        meta: Mapping[str, Any],
        arrays_for: Callable[[str], Arrays],
        like: Share,
        number: int | None = None,
        check: Check = lambda _: None,
    ) -> Combined:
        """Collect as `Summation.collect` says; a share that does not fit is left out, named."""
        replies, cost = self.federation.ask(
            kind, meta, arrays_for, number, lambda reply: check(reply) or self._fault(reply, like)
        )
        shares: dict[str, Share] = {}
        sums = {name: np.zeros_like(array) for name, array in like.sums.items()}
        for site, reply in replies.items():
            share = from_arrays(reply.arrays)
            for name, array in share.sums.items():
                sums[name] = sums[name] + array
            shares[site] = Share(share.means, share.weight)
        return Combined(
            total=replace(_mean(list(shares.values())), sums=sums),
            metas={site: reply.meta for site, reply in replies.items()},
            cost=cost,
            shares=shares,
        )

    def _fault(self, reply: Reply, like: Share) -> str | None:
        try:
            share = from_arrays(reply.arrays)
        except (TypeError, ValueError):
            return "its weight is not a number"
        strategy = self.federation.job.strategy
        bound = strategy.max_update_norm if isinstance(strategy, Averaging) else None
        return share.fault(like) or beyond(bound, share.means, like.means)


class SecureSum:
    """The coordinator relays masked vectors, and can open their sum alone.

    Parameters
    ----------
    federation, greeted, roster, checkpoint
        As `build_summation`.
    """

    def __init__(
        self,
        federation: Federation,
        greeted: Mapping[str, Reply],
        roster: Mapping[str, bytes],
        checkpoint: Checkpoint,
    ) -> None:
        self.federation, self.checkpoint = federation, checkpoint
        saved = checkpoint.load(SECAGG)
        try:
            plan = secure_plan(federation.job, roster)
            if saved is not None:
                self.protocol = SecAggSum.load(plan, saved[1]["state"].tobytes())
                return
            adverts = usable_adverts(federation, SecAggSum(plan).add_advert, greeted)
            # A site that was away for its keys may be there when all are asked again.
            self.protocol = federation.patiently(lambda: self._set_up(plan, adverts))
            self._keep()
        except SecAggError as error:
            raise JobError(f"secure aggregation: {error}") from None

    def _set_up(self, plan: SecAggPlan, adverts: list[bytes]) -> SecAggSum:
        """Relay all keys and take the sealed shares; a site lost meanwhile is left out."""
        protocol = SecAggSum(plan)
        for advert in adverts:
            protocol.add_advert(advert)
        while True:
            request = {REQUEST: as_array(protocol.keys_request())}
            asked = protocol.participants
            replies, _ = self.federation.ask(
                "query.keys",
                {},
                dict.fromkeys(asked, request).__getitem__,
                check=lambda reply: taken(protocol.add_deposit, reply, DEPOSIT),
                sites=asked,
            )
            if len(replies) == len(asked):
                return protocol

    def _keep(self) -> None:
        state = np.frombuffer(self.protocol.dump(), dtype=np.uint8)
        self.checkpoint.save(SECAGG, {}, {"state": state})

    def collect(
        self,
        kind: str,
        meta: Mapping[str, Any],
        arrays_for: Callable[[str], Arrays],
        like: Share,
        number: int | None = None,
        check: Check = lambda _: None,
    ) -> Combined:
        """Collect as `Summation.collect` says, in two exchanges."""
        try:
            request = {REQUEST: as_array(self.protocol.mask_request(layout(like).size))}
            self._keep()  # a number that a site may have answered is never used again
            replies, cost = self.federation.ask(
                kind,
                meta,
                along(arrays_for, lambda _: request),
                number,
                lambda reply: check(reply) or taken(self.protocol.add_masked, reply, MASKED),
                self.protocol.participants,
            )
            requests = {
                site: {REQUEST: as_array(message)}
                for site, message in self.protocol.unmask_requests().items()
            }
            _, more = self.federation.ask(
                "query.unmask",
                {},
                requests.__getitem__,
                number,
                lambda reply: taken(self.protocol.add_shares, reply, OPENED),
                requests,
            )
            total = combined_from_vector(self.protocol.total(), like)
        except SecAggError as error:
            raise JobError(f"secure aggregation: {error}") from None
        return Combined(
            total=total,
            metas={site: reply.meta for site, reply in replies.items()},
            cost=total_cost([cost, more]),
        )


def along(
    arrays_for: Callable[[str], Arrays], also_for: Callable[[str], Arrays]
) -> Callable[[str], Arrays]:
    """Send sites more arrays beside; those that are to get the same still get the same object."""
    together: dict[tuple[int, int], tuple[Arrays, Arrays, Arrays]] = {}

    def both(site: str) -> Arrays:
        arrays, also = arrays_for(site), also_for(site)
        # Kept with what they are made of: an object's id is its own for as long as it lives.
        return together.setdefault((id(arrays), id(also)), (arrays, also, arrays | also))[2]

    return both


def taken(take: Callable[[bytes], object], reply: Reply, name: str) -> str | None:
    """Hand a reply's message to the protocol; say in one line why it was not taken, or None."""
    try:
        take(reply.arrays[name].tobytes())
    except KeyError:
        return f"its answer holds no {name}"
    except SecAggError as error:
        return str(error)
    return None


def usable_adverts(
    federation: Federation, add: Callable[[bytes], object], greeted: Mapping[str, Reply]
) -> list[bytes]:
    """Return the sites' keys that a protocol takes; a site with another is left out, named.

    Parameters
    ----------
    federation : Federation
    add : callable
        Takes a key, or raises `SecAggError`; of a protocol that is then thrown away.
    greeted : mapping of str to Reply
        Each site's answer to the first question.
    """
    adverts = []
    for site, reply in greeted.items():
        problem = taken(add, reply, ADVERT)
        if problem is None:
            adverts.append(reply.arrays[ADVERT].tobytes())
        else:
            federation.leave_out(site, problem)
    return adverts


def _mean(shares: list[Share]) -> Share:
    """Average shares in their given order, in double precision; the means are then as they came."""
    weight = sum(share.weight for share in shares)
    means = {
        name: (
            np.sum(
                [share.means[name].astype(np.float64) * share.weight for share in shares], axis=0
            )
            / (weight or 1.0)
        ).astype(array.dtype)
        for name, array in shares[0].means.items()
    }
    return Share(means, weight)
