"""Sites that fail or lie, and a coordinator that is cut off: what becomes of the job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import horizontal_jobs
import numpy as np
import pytest
from flwr.app import Error, Message, RecordDict
from flwr.serverapp import Grid
from horizontal_jobs import SITES, run
from loopback import Alter, Loopback

from edufed.arrays import Arrays
from edufed.config import Job, simulated_sites
from edufed.privacy.simulated import simulated_roster
from edufed.wire import pack, unpack
from server import federation as waiting
from server.checkpoint import Checkpoint
from server.federation import Federation, JobError
from server.strategies import horizontal


@pytest.fixture(scope="module", autouse=True)
def at_once(in_a_run: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "AGAIN_S", 0.0)
        yield


def compose(province: Path, *settings: str) -> Job:
    return horizontal_jobs.compose(province, "privacy=secagg", *settings)


def equal(one: Arrays, other: Arrays, tolerance: float = 0.0) -> bool:
    return one.keys() == other.keys() and all(
        np.allclose(one[name], other[name], rtol=0, atol=tolerance) for name in one
    )


def failing(node: int, kind: str, times: int, how: Alter) -> Alter:
    """Fail with one question at one site, as often as said."""
    left = times

    def alter(at: int, asked: Message, answered: Message) -> Message | None:
        nonlocal left
        if at == node and asked.metadata.message_type == kind and left:
            left -= 1
            return how(at, asked, answered)
        return answered

    return alter


def vanish(node: int, asked: Message, answered: Message) -> None:
    return None


def garbage(node: int, asked: Message, answered: Message) -> Message:
    answered.content = RecordDict()
    return answered


def crash(node: int, asked: Message, answered: Message) -> Message:
    return Message(Error(1, "Traceback:\nlearner 4711"), reply_to=asked)


def without_arrays(node: int, asked: Message, answered: Message) -> Message:
    answered.content = pack(unpack(answered.content)[0])
    return answered


def forged(node: int, asked: Message, answered: Message) -> Message:
    meta, arrays = unpack(answered.content)
    for array in arrays.values():
        array[-1] ^= 1
    answered.content = pack(meta, arrays)
    return answered


def renamed(node: int, asked: Message, answered: Message) -> Message:
    meta, arrays = unpack(answered.content)
    answered.content = pack({**meta, "site": "region-00"}, arrays)
    return answered


def without_counts(node: int, asked: Message, answered: Message) -> Message:
    meta, arrays = unpack(answered.content)
    answered.content = pack({**meta, "n_train": "many", "metrics": None}, arrays)
    return answered


@pytest.mark.parametrize(
    ("kind", "how", "reason"),
    [
        ("query.hello", vanish, "no answer within 0.2 s"),
        ("query.hello", garbage, "not a message of ours: KeyError"),
        ("query.hello", without_counts, "its answer is not what was asked for: n_train"),
        ("query.hello", renamed, "a second site calls itself 'region-00'"),
        ("query.hello", without_arrays, "its answer holds no advert"),
        ("query.hello", forged, "advert message was altered on its way"),
        ("query.keys", vanish, "no answer within 0.2 s"),
        ("query.keys", forged, "deposit message was altered on its way"),
        ("query.statistics", crash, "the site's process failed: Traceback:"),
        ("train.horizontal", without_arrays, "its answer holds no masked"),
        ("train.horizontal", forged, "masked message was altered on its way"),
        ("query.unmask", vanish, "no answer within 0.2 s"),
        ("query.unmask", forged, "shares message was altered on its way"),
        ("evaluate.horizontal", without_counts, "its answer is not what was asked for: metrics"),
    ],
)
def test_under_secure_aggregation_a_site_that_fails_is_left_out_and_named(
    province: Path, tmp_path: Path, kind: str, how: Alter, reason: str
) -> None:
    grid = Loopback(SITES, failing(3, kind, 1, how))
    federation, outcome = run(compose(province), tmp_path, grid)
    (left_out,) = federation.exclusions
    assert left_out["reason"].startswith(reason)
    # Where two call themselves the same, the name is the first one's.
    assert left_out["site"] == (
        "node 3"
        if how in (vanish, garbage) and "hello" in kind
        else ("region-00" if how is renamed else "region-03")
    )
    assert len(outcome.rounds) == 2
    assert "4711" not in str(federation.exclusions)


def broken(change: Any) -> Alter:
    def alter(node: int, asked: Message, answered: Message) -> Message:
        meta, arrays = unpack(answered.content)
        name = next(key for key in arrays if key.startswith("mean/"))
        answered.content = pack(meta, change(name, arrays))
        return answered

    return alter


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda name, arrays: {**arrays, name: arrays[name] * np.nan}, "holds NaN or infinity"),
        (lambda name, arrays: {**arrays, name: arrays[name][..., :-1]}, "has shape"),
        (lambda name, arrays: {**arrays, name: arrays[name][None]}, "has shape"),
        (lambda name, arrays: {**arrays, "mean/more": arrays[name]}, "it holds other arrays"),
        (lambda name, arrays: {**arrays, "weight": np.array(-1.0)}, "its weight is negative"),
        (lambda name, arrays: {**arrays, "weight": np.ones(2)}, "its weight is not a number"),
    ],
)
def test_an_update_that_does_not_fit_is_left_out_of_its_round(
    province: Path, tmp_path: Path, change: Any, reason: str
) -> None:
    grid = Loopback(SITES, failing(1, "train.horizontal", 1, broken(change)))
    federation, _ = run(compose(province, "privacy=none"), tmp_path, grid)
    (left_out,) = federation.exclusions
    assert (left_out["round"], left_out["site"]) == (1, "region-01")
    assert reason in left_out["reason"]


def test_a_site_has_the_name_under_which_it_was_enrolled(province: Path, tmp_path: Path) -> None:
    class Enrolled(Loopback):
        def get_nodes(self) -> list[Any]:
            nodes = list(super().get_nodes())
            for node in nodes:
                node.name = f"region-0{node.node_id}" if node.node_id != 2 else "mallory"
            return nodes

    federation, _ = run(compose(province, "privacy=none"), tmp_path, Enrolled(SITES))
    (left_out,) = federation.exclusions
    assert left_out["site"] == "mallory"
    assert left_out["reason"] == "it calls itself 'region-02'"


def test_a_message_that_cannot_be_sent_is_noted(province: Path, tmp_path: Path) -> None:
    class Expelled(Loopback):
        def push_messages(self, messages: list[Message]) -> list[str]:
            names = super().push_messages(messages)
            return [
                "" if m.metadata.dst_node_id == 1 else n
                for m, n in zip(messages, names, strict=True)
            ]

    federation, _ = run(compose(province, "privacy=none"), tmp_path, Expelled(SITES))
    assert {entry["reason"] for entry in federation.exclusions} == {"the message could not be sent"}


@pytest.mark.parametrize("privacy", ["none", "secagg"])
def test_a_job_waits_for_sites_that_are_away_and_goes_on_when_they_are_back(
    province: Path, tmp_path: Path, privacy: str
) -> None:
    away = 0

    def alter(node: int, asked: Message, answered: Message) -> Message | None:
        nonlocal away
        if asked.metadata.message_type == "train.horizontal" and node and away < 2 * (SITES - 1):
            away += 1
            return None
        return answered

    told: list[str] = []
    job = compose(province, f"privacy={privacy}")
    federation = Federation(
        cast(Grid, Loopback(SITES, alter)), job, lambda step: told.append(step.text)
    )
    roster = simulated_roster(site.name for site in simulated_sites(job))
    outcome = horizontal.run(federation, SITES, roster, Checkpoint(tmp_path, job.id))
    waits = [text for text in told if "trying again" in text]
    assert len(waits) == 2
    assert "1 of 4 sites answered and" in waits[0]
    undisturbed = run(compose(province, f"privacy={privacy}"), tmp_path / "b", Loopback(SITES))[1]
    assert equal(outcome.weights, undisturbed.weights)


def test_a_job_does_not_wait_for_ever(province: Path, tmp_path: Path) -> None:
    grid = Loopback(SITES, lambda node, asked, answered: None if node else answered)
    with pytest.raises(JobError, match="1 of 4 sites answered and secure aggregation needs 3"):
        run(compose(province, "scenario.wait_s=0.1"), tmp_path, grid)
    with pytest.raises(JobError, match=r"1 of 4 sites answered and scenario\.min_sites is 2"):
        run(compose(province, "scenario.wait_s=0.1", "privacy=none"), tmp_path, grid)
    del grid.contexts[2], grid.contexts[3]
    with pytest.raises(JobError, match=r"2 sites connected within \d+ s and secure aggregation"):
        run(compose(province, "scenario.wait_s=0.1"), tmp_path, grid)


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


@pytest.mark.parametrize(
    ("settings", "cuts"),
    [
        # Hello, keys; the sums and their opening; two rounds and theirs; two evaluations.
        (("privacy=secagg",), (1, 2, 3, 4, 5, 6, 8, 9, 12)),
        # Hello, sums, two rounds, two evaluations.
        (("privacy=none", "strategy=fedadam"), (4,)),
        (("privacy=none", "strategy=fedper", "model=mlp"), (4,)),
    ],
    ids=["secagg", "fedadam", "fedper"],
)
def test_cut_off_anywhere_a_job_ends_with_the_model_of_an_undisturbed_one(
    province: Path, tmp_path: Path, settings: tuple[str, ...], cuts: tuple[int, ...]
) -> None:
    _, undisturbed = run(compose(province, *settings), tmp_path / "whole", Loopback(SITES))
    for at in cuts:
        job, folder = compose(province, *settings), tmp_path / str(at)
        with pytest.raises(CutError):
            run(job, folder, Cut(at))
        federation, outcome = run(job, folder, Loopback(SITES))
        assert equal(outcome.weights, undisturbed.weights), at
        losses = [entry.loss for entry in outcome.rounds]
        assert losses == [entry.loss for entry in undisturbed.rounds], at
        assert federation.exclusions == [], at
