"""The OULAD job with five of its regions as separate processes, against its simulation."""

from __future__ import annotations

from pathlib import Path

import pytest
from deployed import Deployed, assert_same, install

from edufed.config import compose_job

pytestmark = [pytest.mark.e2e, pytest.mark.data]

SITES = ("ireland", "north", "south-east", "wales", "yorkshire")


def test_five_regions_equal_their_simulation(shared_data: Path, tmp_path: Path) -> None:
    common = ("data=oulad", f"data.path={shared_data / 'oulad'}")
    regions = {
        site.name: site.adapter
        for site in compose_job([*common, f"out={tmp_path}"]).data.sites
        if site.name in SITES
    }
    federation = Deployed(
        tmp_path,
        install(tmp_path / "installed"),
        adapters={
            name: {"name": "oulad", "path": str(shared_data / "oulad"), **regions[name]}
            for name in SITES
        },
    )
    listed = [
        f"{{name: {name}, adapter: {{region: '{adapter['region']}'}}}}"
        for name, adapter in regions.items()
    ]
    job = (
        *common,
        f"data.sites=[{', '.join(listed)}]",
        *("privacy=secagg", "research=false", "scenario.rounds=3"),
    )
    try:
        federation.server()
        federation.start_sites()
        deployed = federation.finish(federation.submit("deployed", *job), 600)
    finally:
        federation.close()
    cpus = "federation.cpus_per_site=2"
    simulated = federation.finish(
        federation.edufed("run", *job, cpus, "out=simulated", name="simulated"), 600
    )
    here, there = deployed.report, simulated.report
    assert [site["site"] for site in here["sites"]] == list(SITES)
    assert here["exclusions"] == here["refusals"] == []
    for one, other in zip(
        [here["metrics"], *here["sites"]], [there["metrics"], *there["sites"]], strict=True
    ):
        for name in ("roc_auc", "pr_auc", "brier", "ece"):
            assert one["federated"][name] == pytest.approx(other["federated"][name], abs=1e-6)
    assert here["metrics"]["federated"]["roc_auc"] > 0.75
    assert_same(deployed.weights, simulated.weights)
