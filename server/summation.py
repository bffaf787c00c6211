"""Federation-wide sums, as the job's privacy settings ask. The site's half: `clients/summation.py`.

Both ways give the same `Combined`. Without secure aggregation the coordinator adds the sites'
shares itself. With it, two exchanges bring the sum and nothing else: this code never holds one
site's values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from edufed.config.job import SecAggSettings
from edufed.privacy.secagg import SecAggError, SecAggPlan, SecAggSum
from edufed.share import Share, combined_from_vector, from_arrays, layout
from edufed.wire import Arrays
from server.aggregation import beyond
from server.checkpoint import Checkpoint
from server.exchange import Exchange, Reply
from server.federation import Federation, JobError

#: Name of the checkpoint of secure aggregation.
SECAGG = "secagg"
ADVERT, REQUEST, DEPOSIT, MASKED, OPENED = "advert", "request", "deposit", "masked", "opened"


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
        Each site's own; empty under secure aggregation.
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
    ) -> Combined:
        """Ask every site for its share, and combine them.

        Parameters
        ----------
        kind, meta, arrays_for, number
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
    if isinstance(federation.job.privacy, SecAggSettings):
        return SecureSum(federation, greeted, roster, checkpoint)
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
    ) -> Combined:
        """Collect as `Summation.collect` says; a share that does not fit is left out, named."""
        replies, cost = self.federation.ask(
            kind,
            meta,
            arrays_for,
            number,
            check=lambda reply: self._fault(from_arrays(reply.arrays), like),
        )
        shares = {site: from_arrays(reply.arrays) for site, reply in replies.items()}
        return Combined(
            total=_add(list(shares.values())),
            metas={site: reply.meta for site, reply in replies.items()},
            cost=cost,
            shares=shares,
        )

    def _fault(self, share: Share, like: Share) -> str | None:
        bound = self.federation.job.strategy.max_update_norm
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
        settings = federation.job.privacy
        assert isinstance(settings, SecAggSettings)
        self.federation, self.checkpoint = federation, checkpoint
        saved = checkpoint.load(SECAGG)
        try:
            plan = SecAggPlan.of(
                federation.job.id, roster, federation.job.secure_sums, settings.threshold
            )
            if saved is not None:
                self.protocol = SecAggSum.load(plan, saved[1]["state"].tobytes())
                return
            self.protocol = SecAggSum(plan)
            for reply in greeted.values():
                self.protocol.add_advert(reply.arrays[ADVERT].tobytes())
            self._share_keys()
            self._keep()
        except (SecAggError, KeyError) as error:
            raise JobError(f"secure aggregation: {error}") from None

    def _share_keys(self) -> None:
        """Relay all keys and take the sealed shares; a site lost meanwhile is left out."""
        while True:
            request = {REQUEST: _array(self.protocol.keys_request())}
            asked = self.protocol.participants
            replies, _ = self.federation.ask(
                "query.keys", {}, dict.fromkeys(asked, request).__getitem__, sites=asked
            )
            for reply in replies.values():
                self.protocol.add_deposit(reply.arrays[DEPOSIT].tobytes())
            if len(replies) == len(asked):
                return

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
    ) -> Combined:
        """Collect as `Summation.collect` says, in two exchanges."""
        try:
            request = {REQUEST: _array(self.protocol.mask_request(layout(like).size))}
            self._keep()  # a number that a site may have answered is never used again
            together: dict[int, Arrays] = {}

            def arrays_with_request(site: str) -> Arrays:
                arrays = arrays_for(site)
                return together.setdefault(id(arrays), arrays | request)

            replies, cost = self.federation.ask(
                kind, meta, arrays_with_request, number, sites=self.protocol.participants
            )
            for reply in replies.values():
                self.protocol.add_masked(reply.arrays[MASKED].tobytes())
            requests = {
                site: {REQUEST: _array(message)}
                for site, message in self.protocol.unmask_requests().items()
            }
            opened, more = self.federation.ask(
                "query.unmask", {}, requests.__getitem__, number, sites=requests
            )
            for reply in opened.values():
                self.protocol.add_shares(reply.arrays[OPENED].tobytes())
            total = combined_from_vector(self.protocol.total(), like)
        except SecAggError as error:
            raise JobError(f"secure aggregation: {error}") from None
        return Combined(
            total=total,
            metas={site: reply.meta for site, reply in replies.items()},
            cost=replace(
                cost,
                seconds=cost.seconds + more.seconds,
                messages=cost.messages + more.messages,
                bytes_down=cost.bytes_down + more.bytes_down,
                bytes_up=cost.bytes_up + more.bytes_up,
            ),
        )


def _add(shares: list[Share]) -> Share:
    """Add up shares in their given order; means in double precision, then as they came."""
    weight = sum(share.weight for share in shares)
    first = shares[0]
    means = {
        name: (
            np.sum(
                [share.means[name].astype(np.float64) * share.weight for share in shares], axis=0
            )
            / (weight or 1.0)
        ).astype(array.dtype)
        for name, array in first.means.items()
    }
    sums = {name: np.sum([share.sums[name] for share in shares], axis=0) for name in first.sums}
    return Share(means, weight, sums)


def _array(message: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(message, dtype=np.uint8)
