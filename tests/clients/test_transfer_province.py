"""Transfer where the truth is known: related education types help, unrelated ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, flower_run
from small_transfer import small

from edufed.config import simulated_sites
from edufed.privacy.simulated import simulated_roster
from server.checkpoint import Checkpoint
from server.federation import Federation
from server.report.transfer import build_report
from server.strategies import transfer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer-province")


def found(folder: Path, target: str, relatedness: float) -> dict[str, Any]:
    job = small(
        folder,
        f"+data.adapter.relatedness={relatedness}",
        *("scenario.label_sizes=[20]", "scenario.draws=8", "privacy=none"),
        *(f"data.target={target}", "scenario.folds=4"),
        learners=4500,
    )
    roster = simulated_roster(site.name for site in simulated_sites(job))
    with flower_run():
        federation = Federation(Loopback(len(roster)), job, lambda _: None)  # type: ignore[arg-type]
        outcome = transfer.run(federation, len(roster), roster, Checkpoint(folder / "c", job.id))
    assert federation.exclusions == []
    report: Any = build_report(federation, outcome, 1.0).more["transfer"]
    return report


def test_related_types_help_and_the_gate_lets_them(folder: Path) -> None:
    result = found(folder, "vocational", 1.0)
    assert result["sources"] == ["community", "higher"]
    assert result["zero_label"]["roc_auc"] > 0.65
    (row,) = result["table"]
    assert row["transfer"] > row["target_only"] + 0.015
    assert row["used"] == "transfer"
    assert result["gate"]["used"] == "transfer"


def test_types_with_every_sign_turned_are_refused(folder: Path) -> None:
    result = found(folder, "higher", -1.0)
    assert result["zero_label"]["roc_auc"] < 0.5
    assert (result["gate"]["used"], result["gate"]["why"]) == ("target_only", "loses")
    (row,) = result["table"]
    assert row["used"] == "target_only"
    assert row["chosen"] > row["transfer"] + 0.01
