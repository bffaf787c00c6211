"""Federation-wide sums of ciphertexts. The site's half: `clients/encrypted_summation.py`.

The sites encrypt, this code adds what it cannot read, and the sites say what the sum is. It never
holds a key, nor one site's values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edufed.arrays import Arrays, as_array
from edufed.privacy.he import HeSum, error, fraction_for
from edufed.privacy.he.ckks import check_installed
from edufed.privacy.secagg import SecAggError, SecAggPlan
from edufed.share import Share, combined_from_vector, layout
from server.checkpoint import Checkpoint
from server.exchange import Exchange, Reply, total_cost
from server.federation import Federation, JobError
from server.summation import (
    REQUEST,
    Check,
    Combined,
    along,
    secure_plan,
    taken,
    usable_adverts,
)

#: Name of the checkpoint of encrypted sums.
HE = "he"
#: Names under which the messages of this protocol travel, besides those of secure aggregation.
KEY, ENCRYPTED, OPENED = "key", "encrypted", "opened"

#: Numbers of learners that sites say when they are greeted, and what is supposed if they do not.
_PARTS, _SUPPOSED = ("n_train", "n_valid", "n_test"), 100_000


@dataclass
class Spent:
    """What encrypting has cost the job so far.

    Attributes
    ----------
    sums : int
    bytes_up, bytes_down : int
        Encrypted vectors from all sites, and encrypted sums to them.
    seconds : float
        Of the exchanges in which sites open a sum.
    """

    sums: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    seconds: float = 0.0


class EncryptedSum:
    """The coordinator adds ciphertexts; the sites open their sum and agree on it.

    Parameters
    ----------
    federation, greeted, roster, checkpoint
        As `server.summation.build_summation`.
    """

    def __init__(
        self,
        federation: Federation,
        greeted: Mapping[str, Reply],
        roster: Mapping[str, bytes],
        checkpoint: Checkpoint,
    ) -> None:
        self.federation, self.checkpoint = federation, checkpoint
        self.keyed: set[str] = set()  # sites that have taken the encryption key
        said = [reply.meta.get(part, 0) for reply in greeted.values() for part in _PARTS]
        self.fraction, self.spent = fraction_for(sum(said) or _SUPPOSED), Spent()
        saved = checkpoint.load(HE)
        try:
            check_installed()
            plan = secure_plan(federation.job, roster)
            if saved is not None:
                meta, arrays = saved
                self.fraction, self.spent = meta["fraction"], Spent(**meta["spent"])
                self.protocol = HeSum.load(plan, arrays["state"].tobytes())
                return
            adverts = usable_adverts(federation, HeSum(plan).add_advert, greeted)
            self.protocol = federation.patiently(lambda: self._set_up(plan, adverts))
            self._keep()
        except SecAggError as error:
            raise JobError(f"encrypted sums: {error}") from None

    @property
    def said(self) -> dict[str, Any]:
        """What the report says of it."""
        sites = len(self.protocol.participants)
        return {
            "scheme": "CKKS, ring degree 4096, 100 bits of modulus",
            "threshold": self.federation.job.privacy.model_dump().get("threshold"),
            "binary_digits": self.fraction,
            "largest_error_of_a_sum": error(sites, self.fraction),
            **asdict(self.spent),
        }

    def _set_up(self, plan: SecAggPlan, adverts: list[bytes]) -> HeSum:
        """Relay all keys, and take the encryption key; a site lost meanwhile is left out."""
        protocol = HeSum(plan)
        for advert in adverts:
            protocol.add_advert(advert)
        while True:
            request = {REQUEST: as_array(protocol.keys_request())}
            asked = protocol.participants
            replies, _ = self.federation.ask(
                "query.keys",
                {},
                dict.fromkeys(asked, request).__getitem__,
                check=lambda reply: (
                    taken(protocol.add_key, reply, KEY) if KEY in reply.arrays else None
                ),
                sites=asked,
            )
            lost = set(asked) - set(replies)
            if not lost and not protocol.key_message:
                self.federation.leave_out(protocol.leader, f"its answer holds no {KEY}")
                lost = {protocol.leader}
            if not lost:
                return protocol
            for site in lost:
                protocol.leave_out(site)

    def _keep(self) -> None:
        meta = {"fraction": self.fraction, "spent": asdict(self.spent)}
        self.checkpoint.save(HE, meta, {"state": as_array(self.protocol.dump())})

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
        protocol = self.protocol
        try:
            request = {REQUEST: as_array(protocol.request(layout(like).size, self.fraction))}
            self._keep()  # a number that a site may have answered is never used again
            with_key = request | {KEY: as_array(protocol.key_message)}
            replies, cost = self.federation.ask(
                kind,
                meta,
                along(arrays_for, lambda site: request if site in self.keyed else with_key),
                number,
                lambda reply: check(reply) or taken(protocol.add, reply, ENCRYPTED),
                protocol.participants,
            )
            # A site that failed may have lost the key: it gets it again.
            self.keyed = set(replies)
            self.spent.sums += 1
            self.spent.bytes_up += sum(r.arrays[ENCRYPTED].nbytes for r in replies.values())
            costs = [cost, self._open(protocol.survivors, number)]
            while not protocol.told:
                # Who was to tell the values did not: one of those that agree on them is asked.
                costs.append(self._open((), number))
            total = combined_from_vector(protocol.total(), like)
        except SecAggError as error:
            raise JobError(f"encrypted sums: {error}") from None
        return Combined(
            total=total,
            metas={site: reply.meta for site, reply in replies.items()},
            cost=total_cost(costs),
        )

    def _open(self, sites: tuple[str, ...], number: int | None) -> Exchange:
        """Have sites open the sum, one of them with all its values; or, without any, that one."""
        request = {REQUEST: as_array(self.protocol.sum_request())}
        asked = sites or (self.protocol.speaker,)
        _, cost = self.federation.ask(
            "query.open",
            {},
            dict.fromkeys(asked, request).__getitem__,
            number,
            lambda reply: taken(self.protocol.add_opened, reply, OPENED),
            asked,
            least=None if sites else 0,
        )
        self.spent.bytes_down += len(asked) * request[REQUEST].nbytes
        self.spent.seconds += cost.seconds
        return cost
