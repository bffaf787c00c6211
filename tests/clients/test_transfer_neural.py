"""Neural transfer: encoders stay at their sites, and what is shared is of one size everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message
from loopback import Loopback, flower_run
from small_transfer import small

from edufed.config import SettingsError, simulated_sites
from edufed.privacy.simulated import simulated_roster
from edufed.wire import unpack
from server.checkpoint import Checkpoint
from server.federation import Federation
from server.services import service_of

SHARED = {
    "lgfedavg": {"mean/head.weight": (1, 16), "mean/head.bias": (1,)},
    "fedproto": {"add/prototypes": (2, 16), "add/count": (2,)},
    "fedmd": {"mean/logits": (50,)},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("neural")


@pytest.mark.parametrize("strategy", list(SHARED))
def test_what_travels_is_what_the_strategy_shares(folder: Path, strategy: str) -> None:
    more = ("strategy.generated=50",) if strategy == "fedmd" else ()
    own = (f"strategy={strategy}", "model.hidden=[8]", "scenario.rounds=3", "privacy=none")
    job = small(folder, *own, "strategy.learning_rate=0.01", *more)
    assert job.model.name == "mlp"
    sent: list[dict[str, tuple[int, ...]]] = []

    def look(node: int, asked: Message, answered: Message) -> Message:
        if asked.metadata.message_type == "train.transfer":
            arrays = unpack(answered.content)[1]
            sent.append({name: array.shape for name, array in arrays.items()})
        elif asked.metadata.message_type == "evaluate.transfer":
            assert not unpack(answered.content)[1]
        return answered

    roster = simulated_roster(site.name for site in simulated_sites(job))
    with flower_run():
        federation = Federation(Loopback(len(roster), look), job, lambda _: None)  # type: ignore[arg-type]
        service = service_of(job)
        checkpoint = Checkpoint(folder / strategy, job.id)
        outcome = service.run(federation, len(roster), roster, checkpoint)
    assert federation.exclusions == []
    expected = {**SHARED[strategy], "add/loss": (2,), "weight": ()}
    assert sent == [expected] * 9
    losses = [entry.loss for entry in outcome.rounds]
    assert losses[-1] < losses[0]
    report = service.report(federation, outcome, 1.0)
    found = report.more["transfer"]
    assert found["target"] == "vocational"  # type: ignore[index, call-overload]
    assert found["table"][0]["n_labels"] <= 100  # type: ignore[index, call-overload]
    assert report.metrics.federated is not None
    assert np.isfinite(report.metrics.federated.brier or np.nan)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("strategy=fedproto", "model=logistic"), "model=mlp"),
        (("strategy=newton", "model=mlp"), "model=logistic"),
        (("strategy=fedavg",), "scenario=transfer"),
        (("data.target=nobody",), "data.target"),
        (("privacy=he",), "privacy=secagg"),
    ],
)
def test_impossible_combinations_are_one_line(
    folder: Path, settings: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        small(folder, *settings)
    assert "\n" not in str(caught.value)
