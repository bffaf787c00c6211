"""A horizontal job of five sites in this process, one of which sends its update a hundredfold.

Everything is as in a simulation but the transport: messages go straight to the ClientApp.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from loopback import Loopback

from edufed.arrays import unprefixed
from edufed.config import compose_job, simulated_sites
from edufed.privacy.simulated import simulated_roster
from edufed.share import Share, from_arrays, to_arrays
from edufed.updates import update_norm
from edufed.wire import WEIGHT, pack, unpack
from server.checkpoint import Checkpoint
from server.federation import Federation
from server.strategies import horizontal

SITES, POISONER, FACTOR = 5, 2, 100.0


pytestmark = pytest.mark.usefixtures("in_a_run")


def altered(node: int, asked: Message, answered: Message) -> Message:
    """Have the poisoner alter what it sends."""
    if node == POISONER and asked.metadata.message_type[:5] == "train":
        answered.content = poison(asked.content, answered.content)
    return answered


def poison(asked: RecordDict, answered: RecordDict) -> RecordDict:
    """Lengthen a site's step a hundredfold, and turn it round."""
    start = unprefixed(WEIGHT, unpack(asked)[1])
    meta, arrays = unpack(answered)
    share = from_arrays(arrays)
    means = {name: w - FACTOR * (share.means[name] - w) for name, w in start.items()}
    return pack(meta, to_arrays(Share(means, share.weight, share.sums)))


def run(
    province: Path, folder: Path, *overrides: str, poisoned: bool = True
) -> tuple[Federation, horizontal.Outcome]:
    job = compose_job(
        [
            *("data=province", f"data.path={province}", f"data.regions={SITES}"),
            *("+data.adapter.learners=1000", "+data.adapter.events_per_learner=20"),
            *("model=logistic", "research=false", f"out={folder}", "scenario.rounds=2"),
            f"federation.state={province / 'sites'}",  # features are built once
            *overrides,
        ]
    )
    grid = Loopback(SITES, altered) if poisoned else Loopback(SITES)
    federation = Federation(cast(Grid, grid), job, lambda _: None)
    roster = simulated_roster(site.name for site in simulated_sites(job))
    outcome = horizontal.run(federation, SITES, roster, Checkpoint(folder / "kept", job.id))
    return federation, outcome


def last_loss(outcome: horizontal.Outcome) -> float:
    loss = outcome.rounds[-1].loss
    assert loss is not None
    return loss


@pytest.fixture(scope="module")
def honest_loss(province: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    return last_loss(run(province, tmp_path_factory.mktemp("honest"), poisoned=False)[1])


def test_the_mean_is_wrecked(province: Path, tmp_path: Path, honest_loss: float) -> None:
    assert last_loss(run(province, tmp_path)[1]) > 3 * honest_loss


@pytest.mark.parametrize("strategy", ["fedmedian", "fedtrimmedavg", "krum"])
def test_robust_strategies_hold(
    province: Path, tmp_path: Path, honest_loss: float, strategy: str
) -> None:
    _, outcome = run(province, tmp_path, f"strategy={strategy}")
    assert last_loss(outcome) < 1.05 * honest_loss


def test_a_bound_leaves_the_poisoner_out_and_says_so(
    province: Path, tmp_path: Path, honest_loss: float
) -> None:
    federation, outcome = run(province, tmp_path, "strategy.max_update_norm=1.0")
    assert last_loss(outcome) < 1.05 * honest_loss
    assert [(entry["round"], entry["site"]) for entry in federation.exclusions] == [
        (1, "region-02"),
        (2, "region-02"),
    ]
    assert re.fullmatch(
        r"its update has norm \d+\.\d+, more than strategy\.max_update_norm \(1\)",
        federation.exclusions[0]["reason"],
    )


@pytest.mark.parametrize("privacy", ["none", "secagg"])
def test_sites_that_follow_the_protocol_shorten_their_own_update(
    province: Path, tmp_path: Path, privacy: str
) -> None:
    settings = ("strategy.max_update_norm=0.01", f"privacy={privacy}")
    federation, outcome = run(province, tmp_path, *settings, poisoned=False)
    assert federation.exclusions == []
    assert len(outcome.rounds) == 2
    start = horizontal._initial_weights(federation.job)
    assert 0.0 < update_norm(outcome.weights, start) <= 0.0201
