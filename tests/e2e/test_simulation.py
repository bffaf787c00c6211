"""The main job by the real command, on a small province: what it writes, keeps and leaves."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from ports import free_ports
from safetensors.numpy import load_file
from simulating import (
    COMMAND,
    PATIENCE_S,
    SMALL,
    Ran,
    edufed,
    environment,
    marked,
    province,
    run,
    site_of,
    wait_for,
)

from clients.store import Store
from edufed.published import load_published, restore_model

pytestmark = pytest.mark.e2e

METRICS = {"roc_auc", "pr_auc", "brier", "ece", "precision_at_10", "recall_at_10"}
CONTRACT = {
    "job": {"id", "scenario", "task", "data", "model", "strategy", "federation", "config"},
    "metrics": {"federated", "pooled", "local"},
    "totals": {
        "rounds",
        "messages",
        "bytes_up",
        "bytes_down",
        "seconds",
        "seconds_features",
        "stopped_by",
    },
    "privacy": {"secagg", "he", "dp", "ledger"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose jobs share one province; its name has a space, as folders may."""
    return tmp_path_factory.mktemp("some jobs")


@pytest.fixture(scope="module")
def first(folder: Path) -> Ran:
    ran = run(*SMALL, out=folder / "first")
    assert ran.code == 0, ran.said
    return ran


@pytest.fixture(scope="module")
def replaced(folder: Path, first: Ran) -> tuple[dict, Ran]:
    """Return the report of another job, and the first job again in that job's folder."""
    out = folder / "twice"
    other = run(*SMALL, "strategy=fedadam", "scenario.rounds=2", "research=false", out=out)
    assert other.code == 0, other.said
    report = other.report
    again = run(*SMALL, "federation.cpus_per_site=1", out=out)
    assert again.code == 0, again.said
    return report, again


@pytest.fixture(scope="module")
def personal(folder: Path, first: Ran) -> Ran:
    ran = run(
        *SMALL, "strategy=fedper", "scenario.rounds=2", "research=false", out=folder / "personal"
    )
    assert ran.code == 0, ran.said
    return ran


def identifiers(ran: Ran) -> set[str]:
    """Every learner's pseudonym and link at any site of the province."""
    files = f"{province(ran.out)}/region-*/mooc/learners.parquet"
    rows = duckdb.execute(f"SELECT learner_id, link_id FROM read_parquet('{files}')").fetchall()
    return {str(name) for row in rows for name in row if name is not None}


def test_the_report_keeps_the_contract(first: Ran) -> None:
    report = first.report
    for part, keys in CONTRACT.items():
        assert keys <= report[part].keys(), part
    assert all(report["metrics"][way].keys() >= METRICS for way in CONTRACT["metrics"])
    assert report["delta"]["roc_auc"] == pytest.approx(
        abs(report["metrics"]["federated"]["roc_auc"] - report["metrics"]["pooled"]["roc_auc"])
    )
    assert [site["site"] for site in report["sites"]] == ["region-00", "region-01", "region-02"]
    for site in report["sites"]:
        assert {"site", "n_train", "n_test", "status", "federated", "local"} <= site.keys()
        assert site["status"] == "ok"
        assert site["local"].keys() >= METRICS
    for number, entry in enumerate(report["rounds"], start=1):
        assert entry["round"] == number
        assert entry.keys() >= {"seconds", "bytes_up", "bytes_down", "messages", "metrics"}
        assert entry["messages"] == 6
    assert {entry["site"] for entry in report["quality"]} == {s["site"] for s in report["sites"]}
    assert all(entry["rejected"] == sum(entry["reasons"].values()) for entry in report["quality"])


def test_the_numbers_hang_together(first: Ran) -> None:
    report = first.report
    federated = report["metrics"]["federated"]
    assert federated["n"] == sum(site["n_test"] for site in report["sites"])
    assert 0.6 < federated["roc_auc"] < 1
    assert report["worst_site"]["roc_auc"] == min(
        site["federated"]["roc_auc"] for site in report["sites"]
    )
    assert report["totals"]["rounds"] == len(report["rounds"]) == 3
    assert report["totals"]["bytes_up"] > sum(entry["bytes_up"] for entry in report["rounds"])
    assert [entry["phase"] for entry in report["phases"]] == [
        "waiting",
        "features",
        "statistics",
        "training",
        "evaluation",
        "publishing",
        "pooled",
    ]


def test_the_model_folder_loads_and_every_site_keeps_it(first: Ran) -> None:
    published = load_published(first.out / "model")
    assert published.description.job == first.report["job"]["id"]
    restore_model(published)
    for site in ("region-00", "region-01", "region-02"):
        kept = load_published(first.model_of(site))
        assert kept.description == published.description
        assert all(np.array_equal(kept.weights[name], a) for name, a in published.weights.items())


def test_one_seed_gives_equal_runs_whatever_lay_in_the_folder(
    first: Ran, replaced: tuple[dict, Ran]
) -> None:
    other, again = replaced
    assert (other["job"]["strategy"], again.report["job"]["strategy"]) == ("fedadam", "fedavg")
    assert (first.out / "model/model.safetensors").read_bytes() == (
        again.out / "model/model.safetensors"
    ).read_bytes()
    ours, theirs = first.report, again.report
    for part in ("metrics", "delta", "sites", "curves", "baselines", "worst_site", "quality"):
        assert ours[part] == theirs[part], part
    assert [entry["metrics"] for entry in ours["rounds"]] == [
        entry["metrics"] for entry in theirs["rounds"]
    ]


def test_without_research_there_are_no_baselines(replaced: tuple[dict, Ran]) -> None:
    report, _ = replaced
    assert (report["metrics"]["pooled"], report["metrics"]["local"]) == (None, None)
    assert report["delta"] is None
    assert {site["local"] for site in report["sites"]} == {None}


def test_fedprox_in_chinese(folder: Path, first: Ran) -> None:
    ran = run(*SMALL, "strategy=fedprox", "language=zh", out=folder / "chinese")
    assert ran.code == 0, ran.said
    assert ran.report["job"]["strategy"] == "fedprox"
    assert '<html lang="zh' in ran.page
    assert '<html lang="en' in first.page
    weights = [load_file(r.out / "model/model.safetensors") for r in (ran, first)]
    assert any(not np.array_equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_logistic_regression(folder: Path, first: Ran) -> None:
    ran = run(*SMALL, "model=logistic", "research=false", out=folder / "logistic")
    assert ran.code == 0, ran.said
    assert ran.report["job"]["model"] == "logistic"
    assert ran.report["metrics"]["federated"]["roc_auc"] > 0.6


def test_fedper_leaves_the_last_layer_at_the_sites(personal: Ran) -> None:
    published = load_published(personal.out / "model")
    layers = published.description.personal
    assert layers
    assert not set(layers) & set(published.weights)
    name = f"jobs/{published.description.job}/published"
    own = [Store(personal.out / f"sites/region-{number:02d}").load(name) or {} for number in (0, 1)]
    assert all(set(layers) <= set(kept) for kept in own)
    assert any(not np.array_equal(own[0][layer], own[1][layer]) for layer in layers)


@pytest.mark.parametrize("which", ["first", "personal"])
def test_a_site_scores_its_own_learners(which: str, request: pytest.FixtureRequest) -> None:
    ran: Ran = request.getfixturevalue(which)
    site, out = site_of(ran, 0), ran.out / "here/learners.csv"
    done = edufed(
        "predict", f"site={site}", f"model={ran.model_of('region-00')}", f"out={out}", cwd=ran.out
    )
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    frame = pd.read_csv(out, encoding="utf-8-sig")
    assert len(frame) > 50
    assert frame["risk"].between(0, 1).all()
    assert frame["risk"].is_monotonic_decreasing
    assert frame["reason_1"].head(20).notna().mean() > 0.5, "those at highest risk have reasons"
    names = identifiers(ran)
    assert set(frame["learner_id"]) <= names
    assert not [name for name in names if name in done.stderr]


def test_no_learner_is_named_outside_their_site(first: Ran, personal: Ran) -> None:
    for ran in (first, personal):
        names = identifiers(ran)
        assert len(names) > 1000
        texts = [ran.said.encode()]
        files = [ran.out / "report.json", ran.out / "report.html", *(ran.out / "model").iterdir()]
        files += ran.model_of("region-00").iterdir()
        texts += [file.read_bytes() for file in files]
        for text in texts:
            assert not [name for name in names if name.encode() in text]


def test_an_interrupt_ends_all_at_once(folder: Path, first: Ran) -> None:
    out, mark = folder / "interrupted", f"edufed-test-{os.getpid()}"
    log = folder / "interrupted.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [
                *(COMMAND, "run", f"out={out}", f"data.path={province(out)}", *SMALL),
                *("scenario.rounds=500", "scenario.patience=500"),
            ],
            cwd=folder,
            env=environment(EDUFED_MARK=mark),
            stderr=stream,
            start_new_session=True,
        )
    try:
        wait_for(lambda: "round 2:" in log.read_text(), PATIENCE_S, "the second round")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        # 30 s at most on a quiet machine; not after so many rounds as are left in any case.
        assert process.wait(150) == 130
        assert "round 400:" not in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
    assert log.read_text().splitlines()[-1] == "edufed: interrupted"
    assert "Traceback" not in log.read_text()
    left = {file.name for file in out.iterdir()}
    assert left <= {"sites"}
    wait_for(lambda: not marked(mark), 60, "the end of Ray's processes")


def test_flwr_run_starts_the_same_app(root: Path, folder: Path, first: Ran, tmp_path: Path) -> None:
    """By Flower's own command, against a SuperLink of its own that simulates."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    home = tmp_path / "flower"
    home.mkdir()
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "here"\n[superlink.here]\naddress = "{address}"\ninsecure = true\n'
    )
    variables = environment(FLWR_HOME=str(home), FLWR_DISABLE_UPDATE_CHECK="1")
    programs = Path(sys.executable).parent
    out = folder / "by flwr"
    overrides = [f"out={out}", f"data.path={province(out)}", *SMALL, "research=false"]
    with (tmp_path / "superlink.log").open("w") as log:
        superlink = subprocess.Popen(
            [
                *(str(programs / "flower-superlink"), "--insecure", "--simulation"),
                *("--host", "127.0.0.1", "--port", address.rpartition(":")[2]),
                "--disable-runtime-dependency-installation",
            ],
            cwd=tmp_path,
            env=variables | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(lambda: _answers(address), PATIENCE_S, "the start of the SuperLink")
        done = subprocess.run(
            [
                *(str(programs / "flwr"), "run", str(root), "--stream"),
                *("--federation-config", "num-supernodes=3"),
                *("--run-config", f"overrides={json.dumps(shlex.join(overrides))}"),
            ],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        os.killpg(superlink.pid, signal.SIGTERM)
        superlink.wait(300)
    assert done.returncode == 0, done.stdout + done.stderr
    report = Ran(0, "", out).report
    assert report["metrics"]["federated"] == first.report["metrics"]["federated"]
    assert load_published(out / "model").description.job == report["job"]["id"]


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
