"""Under secure aggregation and encryption the coordinator's code never holds one site's update."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flwr.app import Message
from flwr.serverapp import Grid
from loopback import Loopback
from scipy.stats import chisquare

import clients.encrypted_summation
import clients.summation
from edufed.config import Job, compose_job, simulated_sites
from edufed.privacy.he import HeSum
from edufed.privacy.secagg import SecAggSum
from edufed.privacy.simulated import simulated_roster
from edufed.share import Share, to_vector
from edufed.wire import unpack
from server.checkpoint import Checkpoint
from server.encrypted_summation import EncryptedSum
from server.federation import Federation
from server.strategies import horizontal
from server.summation import SecureSum

pytestmark = pytest.mark.usefixtures("in_a_run")
SITES = 3
#: All that may come back from a site as arrays: protocol messages.
MESSAGES = {"advert", "deposit", "masked", "opened", "key", "encrypted"}


def compose(folder: Path, privacy: str) -> Job:
    return compose_job(
        [
            *("data=province", f"data.path={folder}", f"data.regions={SITES}"),
            *("+data.adapter.learners=300", "+data.adapter.events_per_learner=10"),
            *("model=logistic", "research=false", f"out={folder / 'out'}", "scenario.rounds=2"),
            *(f"privacy={privacy}", "task.relative=false"),
        ]
    )


def reachable(root: object) -> Iterator[np.ndarray[Any, Any]]:
    """Every array that can be come by from an object, but through code or modules."""
    waiting, seen = [root], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | Grid | Loopback):
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            yield item
        if type(item).__name__ not in (
            "function",
            "module",
            "method",
            "builtin_function_or_method",
        ):
            waiting += gc.get_referents(item)


@pytest.mark.parametrize("privacy", ["secagg", "he"])
def test_no_site_s_update_is_ever_held(tmp_path: Path, privacy: str) -> None:
    if privacy == "he":
        pytest.importorskip("tenseal")
    job = compose(tmp_path / "data", privacy)
    sent: list[np.ndarray[Any, Any]] = []
    masked: list[bytes] = []
    looked = 0

    def heard(node: int, asked: Message, answered: Message) -> Message:
        _, arrays = unpack(answered.content)
        assert set(arrays) <= MESSAGES
        assert {array.dtype for array in arrays.values()} <= {np.dtype(np.uint8)}
        if "masked" in arrays:
            masked.append(arrays["masked"].tobytes())
        return answered

    with pytest.MonkeyPatch.context() as patch:
        where = clients.encrypted_summation if privacy == "he" else clients.summation

        def told(share: Share) -> np.ndarray[Any, Any]:
            sent.append(to_vector(share))
            return sent[-1]

        patch.setattr(where, "to_vector", told)
        kind = EncryptedSum if privacy == "he" else SecureSum
        real = kind.collect

        def collect(self: Any, *asked: Any, **more: Any) -> Any:
            nonlocal looked
            combined = real(self, *asked, **more)
            assert combined.shares == {}
            values = [vector for vector in sent[-SITES:] if vector.any()]
            for array in reachable([self, combined]):
                for vector in values:
                    size = min(array.size, len(vector))
                    if array.dtype.kind == "f" and size > 3:
                        assert not np.allclose(array.ravel()[:size], vector[:size])
                looked += 1
            return combined

        patch.setattr(kind, "collect", collect)
        federation = Federation(cast(Grid, Loopback(SITES, heard)), job, lambda _: None)
        roster = simulated_roster(site.name for site in simulated_sites(job))
        horizontal.run(federation, SITES, roster, Checkpoint(tmp_path / "checkpoint", job.id))
    assert len(sent) == SITES * 5
    assert looked > 10
    if privacy == "secagg":
        assert len(masked) == SITES * 5
        words = [np.frombuffer(m[-8 * 10_000 :], "<u8") for m in masked if len(m) > 90_000]
        assert len(words) == SITES * 4
        for one in words:
            counts = np.bincount(np.frombuffer(one.tobytes(), np.uint8), minlength=256)
            assert chisquare(counts).pvalue > 1e-12
        assert len(np.unique(np.concatenate(words))) == sum(map(len, words))


def test_the_search_finds_an_update_that_is_held() -> None:
    held = Share({"w": np.arange(5.0)}, 1.0)
    assert any(np.array_equal(array, np.arange(5.0)) for array in reachable([{"a": [held]}]))


@pytest.mark.parametrize("kind", [SecAggSum, HeSum])
def test_the_coordinator_can_ask_for_the_sum_and_for_no_vector(kind: type) -> None:
    public = {name for name in vars(kind) if not name.startswith("_")}
    set_up = {"add_advert", "keys_request", "add_deposit", "add_key", "key_message", "leave_out"}
    rounds = {"mask_request", "add_masked", "unmask_requests", "add_shares", "total", "round"}
    encrypted = {"request", "add", "sum_request", "speaker", "add_opened", "told"}
    who = {"participants", "survivors", "leader"}
    assert public <= set_up | rounds | encrypted | who | {"dump", "load"}
