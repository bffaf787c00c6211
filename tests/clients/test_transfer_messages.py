"""Every message of a transfer job, as it leaves a site: no row, no id, no model of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message
from loopback import Loopback, flower_run
from small_transfer import TYPES, small

from clients.canonical import domain
from clients.site import Site
from edufed.arrays import Arrays
from edufed.config import Job, simulated_sites
from edufed.features.canonical import canonical_columns
from edufed.metrics import BINS
from edufed.privacy.simulated import simulated_roster
from edufed.records import CANONICAL
from edufed.wire import unpack
from server.checkpoint import Checkpoint
from server.federation import Federation
from server.strategies import transfer

Sent = list[tuple[int, str, dict[str, Any], Arrays]]


def carried_out(job: Job, folder: Path) -> tuple[transfer.Outcome, Sent]:
    sent: Sent = []

    def look(node: int, asked: Message, answered: Message) -> Message:
        sent.append((node, asked.metadata.message_type, *unpack(answered.content)))
        return answered

    roster = simulated_roster(site.name for site in simulated_sites(job))
    with flower_run():
        federation = Federation(Loopback(len(roster), look), job, lambda _: None)  # type: ignore[arg-type]
        outcome = transfer.run(federation, len(roster), roster, Checkpoint(folder, job.id))
    assert federation.exclusions == []
    return outcome, sent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module", params=["none", "secagg"])
def messages(request: pytest.FixtureRequest, folder: Path) -> tuple[Job, transfer.Outcome, Sent]:
    job = small(folder, f"privacy={request.param}")
    return (job, *carried_out(job, folder / request.param))


def numbers(said: Any) -> Iterator[float]:
    if isinstance(said, dict):
        said = list(said.values())
    if isinstance(said, list):
        for part in said:
            yield from numbers(part)
    elif isinstance(said, float):
        yield said


def test_arrays_are_as_large_whatever_the_number_of_learners(
    messages: tuple[Job, transfer.Outcome, Sent],
) -> None:
    job, outcome, sent = messages
    models, wide, square = len(outcome.models), 1 + len(canonical_columns()), len(CANONICAL)
    shapes = {
        "query.moments": {"add/count", "add/first", "add/second"},
        "train.transfer": {"add/gradient", "add/hessian", "add/loss"},
        "query.scores": {"add/scores"},
    }
    sizes = {
        "add/count": (square, square),
        "add/first": (square, square),
        "add/second": (square, square),
        "add/gradient": (models, wide),
        "add/hessian": (models, wide, wide),
        "add/loss": (models, 2),
        "add/scores": (models, 2, BINS, 3),
        "weight": (),
    }
    for _, kind, _, arrays in sent:
        if kind in shapes and job.privacy.name == "none":
            assert set(arrays) == {*shapes[kind], "weight"}
            assert all(arrays[name].shape == sizes[name] for name in arrays)
        elif kind in shapes:
            assert set(arrays) == {"masked"}
        elif kind in ("query.hello", "evaluate.transfer"):
            assert set(arrays) <= {"advert"}
        else:
            assert kind in ("query.keys", "query.unmask")


def test_what_is_said_in_words_is_counts_names_and_metrics(
    messages: tuple[Job, transfer.Outcome, Sent],
) -> None:
    job, _, sent = messages
    for site in simulated_sites(job):
        own = domain(Site(site), job)
        ids = {str(learner) for learner in own.matrix.learner_id}
        private = set(np.round(own.learners.private, 9).ravel().tolist()) - {0.0, 1.0}
        for _, _, said, _ in sent:
            text = json.dumps(said)
            assert not any(learner in text for learner in ids)
            assert not private & {round(number, 9) for number in numbers(said)}
    assert {kind for _, kind, said, _ in sent if set(said) - {"site", "status"}} == {
        "query.hello",
        "evaluate.transfer",
    }


def test_a_target_keeps_its_model_to_itself(messages: tuple[Job, transfer.Outcome, Sent]) -> None:
    job, _, sent = messages
    (site,) = (site for site in simulated_sites(job) if site.name == "vocational")
    kept = Site(site).store.load(f"jobs/{job.id}/transfer")
    assert kept is not None
    weights = kept["weights"][np.abs(kept["weights"]) > 1e-6]
    assert len(weights) > 20
    for _, _, said, arrays in sent:
        told = {round(number, 7) for number in numbers(said)}
        assert not told & set(np.round(weights, 7).tolist())
        assert all(array.dtype.kind in "fiu" for array in arrays.values())


def test_both_ways_of_adding_up_give_the_same_model(folder: Path) -> None:
    weights = [
        carried_out(small(folder, f"privacy={way}"), folder / f"again-{way}")[0]
        for way in ("none", "secagg")
    ]
    assert weights[0].weights == pytest.approx(weights[1].weights, abs=1e-4)


def test_a_target_is_no_source_of_its_own_model(
    messages: tuple[Job, transfer.Outcome, Sent],
) -> None:
    job, outcome, sent = messages
    assert outcome.models[0].sources == ("community", "higher")
    if job.privacy.name == "none":
        for node, kind, _, arrays in sent:
            if kind == "train.transfer":
                assert arrays["add/gradient"][0].any() == (TYPES[node] != "vocational")
