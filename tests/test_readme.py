"""The READMEs' commands, as they stand: run in a copy of the repository, on a small budget.

Each example runs verbatim; where it would take long, settings that shorten it are added at its end.
The job that shows settings is checked and not run: other tests run what it chooses.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from edufed.config.compose import FOLDER, compose_job

READMES = ("README.md", "README.zh-CN.md")
BASH = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REGION = re.compile(r"^```yaml\n(name: region-00\n.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
PACKAGES = ("clients", "conf", "data_adapters", "edufed", "server")

QUICK = " scenario.rounds=1 research=false"
ONE_PROCESS = " federation.cpus_per_site=64"  # imports in one simulated site alone
TWO_REGIONS = " " + (
    "'data.sites=[{name:ireland,adapter:{region:Ireland}},{name:wales,adapter:{region:Wales}}]'"
)
DEMO = "edufed run out=runs/demo"
REAL_DATA = (
    "edufed run data=oulad data.path=../shared/data/oulad out=runs/oulad",
    "edufed check-site site=conf/site/polytechnic.yaml",
    "edufed run data=sites"
    " 'data.files=[conf/site/polytechnic.yaml,conf/site/school_portuguese.yaml]'"
    " task.cutoff_day=150 out=runs/two-kinds",
    "edufed predict site=conf/site/school_maths.yaml model=runs/two-kinds/model out=runs/maths.csv",
)
PREDICT = "edufed predict site=region.yaml model=runs/demo/model out=runs/region-00.csv"
FEDPROX = "edufed run strategy=fedprox privacy=secagg out=runs/fedprox"
FLOWER = (
    "FLWR_HOME=$PWD/runs/flower FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1"
    " flwr run . --stream --federation-config num-supernodes=5"
    " --run-config \"overrides='out=runs/flower-demo'\""
)
#: Not run: they set up the machine, or take the picture.
OTHERS = ("make demo", "make test", "source .venv/bin/activate", "chromium ")


def commands(readme: str, root: Path) -> list[str]:
    text = (root / readme).read_text(encoding="utf-8")
    return [line for block in BASH.findall(text) for line in block.splitlines()]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """Copy what the examples use, so that their output stays out of the repository."""
    house = tmp_path_factory.mktemp("readme") / "edufed"
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / package, house / package, ignore=ignored)
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(root / name, house)
    (region,) = REGION.findall((root / "README.md").read_text(encoding="utf-8"))
    (house / "region.yaml").write_text(region, encoding="utf-8")
    return house


@pytest.fixture(scope="module")
def real_data(house: Path, shared_data: Path) -> None:
    (house.parent / "shared").mkdir()
    (house.parent / "shared" / "data").symlink_to(shared_data.resolve())


def run(command: str, house: Path, **environment: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=house,
        env={**os.environ, "PATH": path, "FLWR_DISABLE_UPDATE_CHECK": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"


def report(folder: Path) -> dict:
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
    return json.loads((folder / "report.json").read_bytes())


@pytest.mark.parametrize("readme", READMES)
def test_every_command_is_tested(readme: str, root: Path) -> None:
    known = {DEMO, PREDICT, FEDPROX, FLOWER, *REAL_DATA}
    found = commands(readme, root)
    assert [line for line in found if line not in known and not line.startswith(OTHERS)] == []
    assert known <= set(found)


def test_both_languages_have_the_same_commands_and_files(root: Path) -> None:
    english, chinese = (commands(readme, root) for readme in READMES)
    images = "docs/images/report.png", "docs/images/report.zh-CN.png"
    assert [line.replace(*images) for line in english] == chinese
    texts = [(root / readme).read_text(encoding="utf-8") for readme in READMES]
    assert REGION.findall(texts[0]) == REGION.findall(texts[1])


@pytest.mark.parametrize("page", [*READMES, "docs/README.md", "docs/README.zh-CN.md"])
def test_what_a_page_links_to_exists(page: str, root: Path) -> None:
    file = root / page
    for link in LINK.findall(file.read_text(encoding="utf-8")):
        assert (file.parent / link).exists(), link


@pytest.mark.parametrize("readme", READMES)
def test_the_table_of_settings_holds(readme: str, root: Path) -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \| `(.+)` \|$", (root / readme).read_text(), re.MULTILINE
    )
    assert {group for group, _, _ in rows} == {
        folder.name for folder in FOLDER.iterdir() if folder.is_dir()
    } - {"site", "rules", "__pycache__"}
    for group, choices, example in rows:
        known = {file.stem for file in (FOLDER / group).glob("*.yaml")}
        assert set(re.findall(r"`(\w+)`", choices)) <= known
        # ε is a setting of differential privacy alone.
        chosen = ["privacy=dp"] if group == "privacy" else []
        compose_job([*chosen, example, "out=runs/none"])


def test_make_demo_is_that_command(root: Path) -> None:
    # As for a fresh clone, and without doing anything.
    planned = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "demo", "VENV=/nonexistent/venv"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert planned.stdout.splitlines()[-1] == f"/nonexistent/venv/bin/{DEMO}"


@pytest.mark.e2e
def test_the_demo_and_a_sites_list(house: Path) -> None:
    run(DEMO + QUICK + ONE_PROCESS, house)
    assert len(report(house / "runs/demo")["sites"]) == 5
    run(PREDICT, house)
    listed = house / "runs/region-00.csv"
    assert listed.stat().st_mode & 0o777 == 0o600
    frame = pd.read_csv(listed)
    assert [*frame] == (
        ["learner_id", "course_id", "risk", "rank", "decile", "reason_1", "reason_2", "reason_3"]
    )
    assert frame["risk"].is_monotonic_decreasing


def test_the_example_of_settings() -> None:
    job = compose_job(FEDPROX.split()[2:])
    assert (job.strategy.name, job.privacy.name) == ("fedprox", "secagg")


@pytest.mark.e2e
@pytest.mark.data
@pytest.mark.usefixtures("real_data")
def test_the_examples_on_real_data(house: Path) -> None:
    oulad, check_site, two_kinds, predict = REAL_DATA
    assert len(compose_job(oulad.split()[2:]).data.sites) == 13
    run(oulad + QUICK + ONE_PROCESS + TWO_REGIONS, house)
    assert len(report(house / "runs/oulad")["sites"]) == 2
    run(check_site, house)
    assert (house / "runs/polytechnic/quality.md").is_file()
    run(two_kinds + QUICK + ONE_PROCESS, house)
    run(predict, house)
    assert len(pd.read_csv(house / "runs/maths.csv")) == 395


@pytest.fixture
def flower_ports(house: Path) -> Iterator[dict[str, str]]:
    """Give Flower's local SuperLink ports of its own, and end it afterwards: it stays otherwise."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    http, control = (str(listener.getsockname()[1]) for listener in listeners)
    for listener in listeners:
        listener.close()
    yield {"FLWR_LOCAL_SUPERLINK_HTTP_API_PORT": http, "FLWR_LOCAL_CONTROL_API_PORT": control}
    ours = f"FLWR_HOME={house}/runs/flower".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if ours in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGTERM)
        except OSError:
            continue  # it ended meanwhile, or is another user's


@pytest.mark.e2e
def test_flowers_own_command(house: Path, flower_ports: dict[str, str]) -> None:
    short = FLOWER.replace("runs/flower-demo'", f"runs/flower-demo{QUICK}'")
    run(short, house, **flower_ports)
    assert len(report(house / "runs/flower-demo")["sites"]) == 5
