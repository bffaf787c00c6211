"""A transfer job on real processes: three education types, secure aggregation, TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployed import Deployed, Finished, at_work
from loopback import in_one_process
from small_transfer import TYPES, small

from clients.store import Store
from data_adapters.base import open_adapter
from edufed.config import simulated_sites
from server.report.transfer import build_report
from server.strategies import transfer

pytestmark = pytest.mark.e2e

DOMAINS = ",".join(f"{{name:{kind},sites:[{{name:{kind}}}]}}" for kind in TYPES)
JOB = (
    *("scenario=transfer", "data=province", f"data.domains=[{DOMAINS}]", "data.target=vocational"),
    *("data.every_direction=false", "scenario.label_sizes=[20]", "scenario.draws=1"),
    "scenario.round_timeout_s=120",
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("deployed-transfer")
    adapters = {site.name: site.adapter for site in simulated_sites(small(folder))}
    for adapter in adapters.values():
        open_adapter(adapter, folder).read()
    with at_work(folder, adapters) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def finished(federation: Deployed) -> Finished:
    return federation.finish(federation.submit("transfer", *JOB), 400.0)


def test_the_report_is_that_of_sites_in_one_process(
    federation: Deployed, finished: Finished
) -> None:
    job = small(federation.folder)
    names = [site.name for site in simulated_sites(job)]
    here, outcome = in_one_process(job, names, transfer.run, federation.folder / "checkpoint")
    one = finished.report["transfer"]
    other: Any = build_report(here, outcome, 1.0).more["transfer"]
    assert (one["sources"], one["target"]) == (["community", "higher"], "vocational")
    for key in ("roc_auc", "brier"):
        assert one["zero_label"][key] == pytest.approx(other["zero_label"][key], abs=1e-4)
    assert one["table"][0]["transfer"] == pytest.approx(other["table"][0]["transfer"], abs=1e-3)
    assert finished.report["privacy"]["secagg"] is not None


def test_the_page_has_its_section(finished: Finished) -> None:
    assert finished.status == 0, finished.text
    page = (finished.out / "report.html").read_text(encoding="utf-8")
    assert '<section id="transfer">' in page


def test_the_fitted_model_stays_at_the_target(federation: Deployed, finished: Finished) -> None:
    job = finished.report["job"]["id"]
    for name in TYPES:
        kept = Store(Path(federation.state(name))).load(f"jobs/{job}/transfer")
        assert (kept is not None) == (name == "vocational")
        listing = federation.edufed(
            *("predict", f"site={name}.yaml", f"job={job}", f"out={name}.csv"), name=f"list-{name}"
        )
        assert (listing.wait(120) == 0) == (name == "vocational"), listing.text()
        assert (federation.folder / f"{name}.csv").exists() == (name == "vocational")
    assert not (finished.out / "model").exists()
