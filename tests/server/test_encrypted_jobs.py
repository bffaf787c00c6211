"""`privacy=he` as a whole job: the model of a plain one, faults, and a coordinator cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import horizontal_jobs
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Message
from horizontal_jobs import SITES, run
from loopback import Alter, Loopback

from edufed.arrays import Arrays
from edufed.config import Job, simulated_sites
from edufed.privacy.he import HeSum, error
from edufed.privacy.he.wire import digest
from edufed.privacy.keys import new_secret, public_of
from edufed.privacy.secagg import SecAggPlan
from edufed.privacy.secagg.envelope import ENVELOPE_BYTES, Kind
from edufed.privacy.secagg.envelope import pack as pack_message
from edufed.privacy.simulated import simulated_roster
from edufed.wire import pack, unpack
from server import federation as waiting
from server.federation import JobError
from server.report.horizontal import build_report
from server.strategies import horizontal

pytest.importorskip("tenseal")


@pytest.fixture(scope="module", autouse=True)
def at_once(in_a_run: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "AGAIN_S", 0.0)
        yield


def compose(province: Path, *settings: str) -> Job:
    return horizontal_jobs.compose(province, "privacy=he", "task.relative=false", *settings)


def farthest(one: Arrays, other: Arrays) -> float:
    assert one.keys() == other.keys()
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def failing(nodes: set[int], kind: str, how: Alter) -> Alter:
    """Fail once with a question at some sites."""
    left = set(nodes)

    def alter(at: int, asked: Message, answered: Message) -> Message | None:
        if at in left and asked.metadata.message_type == kind:
            left.remove(at)
            return how(at, asked, answered)
        return answered

    return alter


def vanish(node: int, asked: Message, answered: Message) -> None:
    return None


def without_arrays(node: int, asked: Message, answered: Message) -> Message:
    answered.content = pack(unpack(answered.content)[0])
    return answered


def forged(node: int, asked: Message, answered: Message) -> Message:
    meta, arrays = unpack(answered.content)
    for array in arrays.values():
        array[-1] ^= 1
    answered.content = pack(meta, arrays)
    return answered


def test_the_model_is_that_of_a_plain_job_and_the_report_says_what_it_cost(
    province: Path, tmp_path: Path
) -> None:
    _, plain = run(compose(province, "privacy=none"), tmp_path / "none", Loopback(SITES))
    federation, outcome = run(compose(province), tmp_path / "he", Loopback(SITES))
    said = build_report(federation, outcome, 1.0).privacy.he
    assert isinstance(said, dict)
    assert said["binary_digits"] == 19
    assert said["largest_error_of_a_sum"] == error(SITES, 19)
    assert said["sums"] == 5  # statistics, two rounds, the last round's model, the best one
    assert cast(int, said["bytes_up"]) > 4 * 5 * 130_000
    assert cast(int, said["bytes_down"]) > 4 * 5 * 130_000
    assert cast(float, said["seconds"]) > 0
    learners = sum(meta["n_train"] for meta in outcome.hello.values())
    allowed = 100 * error(SITES, 19) / learners  # two rounds of training widen a mean's error
    assert farthest(outcome.weights, plain.weights) < allowed < 1e-5
    assert (outcome.sums["counts"] == plain.sums["counts"]).all()
    for name, summary in plain.summaries.items():
        assert np.abs(outcome.summaries[name] - summary).max(initial=0.0) < 1e-3
    assert federation.exclusions == []


@pytest.mark.parametrize(
    ("node", "kind", "how", "reason"),
    [
        (3, "query.hello", without_arrays, "its answer holds no advert"),
        (3, "query.keys", vanish, "no answer within 0.2 s"),
        (0, "query.keys", vanish, "no answer within 0.2 s"),  # the leading site
        (0, "query.keys", without_arrays, "its answer holds no key"),
        (0, "query.keys", forged, "he_key message was altered on its way"),
        (0, "query.statistics", vanish, "no answer within 0.2 s"),
        (3, "train.horizontal", without_arrays, "its answer holds no encrypted"),
        (3, "train.horizontal", forged, "he_vector message was altered on its way"),
        (0, "query.open", vanish, "no answer within 0.2 s"),  # the site that is to tell the sum
        (0, "query.open", forged, "he_opened message was altered on its way"),
    ],
)
def test_a_site_that_fails_is_left_out_and_named(
    province: Path, tmp_path: Path, node: int, kind: str, how: Alter, reason: str
) -> None:
    grid = Loopback(SITES, failing({node}, kind, how))
    federation, outcome = run(compose(province, "scenario.rounds=1"), tmp_path, grid)
    (left_out,) = federation.exclusions
    assert left_out["reason"].startswith(reason)
    assert left_out["site"] == f"region-0{node}"
    assert len(outcome.rounds) == 1


def test_a_round_without_a_site_is_the_plain_round_without_it(
    province: Path, tmp_path: Path
) -> None:
    weights = []
    for privacy in ("none", "he"):
        grid = Loopback(SITES, failing({1}, "train.horizontal", vanish))
        job = compose(province, f"privacy={privacy}", "scenario.rounds=1")
        weights.append(run(job, tmp_path / privacy, grid)[1].weights)
    assert farthest(*weights) < 1e-5


def test_too_few_sites_end_the_job_with_a_reason(province: Path, tmp_path: Path) -> None:
    never: Alter = lambda node, asked, answered: (  # noqa: E731
        None if node > 1 and asked.metadata.message_type == "query.open" else answered
    )
    with pytest.raises(JobError, match="2 of 4 sites answered and encrypted sums need 3"):
        run(compose(province, "scenario.wait_s=0.1"), tmp_path, Loopback(SITES, never))


def test_a_tampered_sum_is_refused_by_every_site(province: Path, tmp_path: Path) -> None:
    class Tampering(Loopback):
        """A coordinator that adds one site's vector twice."""

        def push_messages(self, messages: list[Message]) -> list[str]:
            if messages[0].metadata.message_type == "query.open":
                self.protocol._sum = [vector + vector for vector in self.protocol._sum]
                request = self.protocol.sum_request()
                content = pack(
                    unpack(messages[0].content)[0],
                    {"request": np.frombuffer(request, np.uint8)},
                )
                for message in messages:
                    message.content = content
            return super().push_messages(messages)

    grid: Any = Tampering(SITES)
    with pytest.MonkeyPatch.context() as patch:
        real = HeSum.request

        def request(self: HeSum, *asked: Any) -> bytes:
            grid.protocol = self
            return real(self, *asked)

        patch.setattr(HeSum, "request", request)
        with pytest.raises(JobError, match="is not of what the sites it names have sent") as failed:
            run(compose(province, "scenario.wait_s=0"), tmp_path, grid)
    assert "the same at 3 more" in str(failed.value)


def test_a_key_that_the_coordinator_puts_in_place_of_a_sites_is_refused(
    province: Path, tmp_path: Path
) -> None:
    job = compose(province, "scenario.wait_s=0")
    asked = []

    class InTheMiddle(Loopback):
        """A coordinator that shows sites a key of its own as that of region-02."""

        def push_messages(self, messages: list[Message]) -> list[str]:
            if messages[0].metadata.message_type == "query.keys":
                meta, arrays = unpack(messages[0].content)
                plan = SecAggPlan.of(
                    job.id,
                    simulated_roster(site.name for site in simulated_sites(job)),
                    job.secure_sums,
                )
                body = arrays["request"].tobytes()[ENVELOPE_BYTES:]
                size = len(body) // SITES
                adverts = [body[at * size : (at + 1) * size] for at in range(SITES)]
                adverts[2] = pack_message(
                    Kind.ADVERT,
                    0,
                    digest(plan),
                    public_of(new_secret()),
                    sender=2,
                    identity=Ed25519PrivateKey.generate(),
                )
                request = pack_message(Kind.KEYS, 0, digest(plan), b"".join(adverts))
                content = pack(meta, {"request": np.frombuffer(request, np.uint8)})
                for message in messages:
                    message.content = content
                asked.append(request)
            return super().push_messages(messages)

    with pytest.raises(JobError, match="not signed by the roster's key of region-02"):
        run(job, tmp_path, InTheMiddle(SITES))
    assert asked


class CutError(Exception):
    """The coordinator is no more."""


class Cut(Loopback):
    """The coordinator dies when its n-th question was sent, before it has an answer."""

    def __init__(self, at: int) -> None:
        super().__init__(SITES)
        self.at = at

    def push_messages(self, messages: list[Message]) -> list[str]:
        names = super().push_messages(messages)
        self.at -= 1
        if not self.at:
            raise CutError
        return names


@pytest.mark.parametrize("at", [2, 6, 8, 11])
def test_cut_off_anywhere_it_ends_with_the_model_of_an_undisturbed_job(
    province: Path, tmp_path: Path, undisturbed: horizontal.Outcome, at: int
) -> None:
    # Hello, keys; the sums and their opening; two rounds and theirs; two evaluations.
    job = compose(province)
    with pytest.raises(CutError):
        run(job, tmp_path, Cut(at))
    federation, outcome = run(job, tmp_path, Loopback(SITES))
    assert farthest(outcome.weights, undisturbed.weights) == 0
    assert [entry.loss for entry in outcome.rounds] == [r.loss for r in undisturbed.rounds]
    assert federation.exclusions == []


@pytest.fixture(scope="module")
def undisturbed(province: Path, tmp_path_factory: pytest.TempPathFactory) -> horizontal.Outcome:
    return run(compose(province), tmp_path_factory.mktemp("whole"), Loopback(SITES))[1]
