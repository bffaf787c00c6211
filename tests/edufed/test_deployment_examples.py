"""What docs/deployment.md and deploy/ say is tried as it stands, up to starting processes."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from edufed.cli import keys
from edufed.config import load_site
from edufed.deployment import load_coordinator, load_site_node
from edufed.private_files import write_private

LANGUAGES = ["deployment.md", "deployment.zh-CN.md"]


def blocks(file: Path, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL)


def commands(file: Path, start: str) -> list[list[str]]:
    lines = [line.split("#")[0] for block in blocks(file, "bash") for line in block.splitlines()]
    return [line.split()[1:] for line in lines if line.startswith(f"edufed {start}")]


@pytest.mark.parametrize("page", LANGUAGES)
def test_the_steps_make_keys_that_fit(
    page: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator, site = tmp_path / "coordinator", tmp_path / "site"
    init, request, add = commands(root / "docs" / page, "keys")
    for folder, (_, action, *settings) in ((coordinator, init), (site, request)):
        folder.mkdir()
        monkeypatch.chdir(folder)
        keys.command(action, settings)
    shutil.copy(site / "keys" / "card.yaml", coordinator / "north-card.yaml")
    monkeypatch.chdir(coordinator)
    keys.command(add[1], add[2:])
    shutil.copy(coordinator / "keys" / "ca.pem", site / "keys" / "ca.pem")

    settings, north, upgrade = blocks(root / "docs" / page, "yaml")
    (coordinator / "coordinator.yaml").write_text(settings)
    assert load_coordinator(coordinator / "coordinator.yaml").keys == coordinator / "keys"
    content: dict[str, Any] = yaml.safe_load(north)
    content["node"]["roster"] = yaml.safe_load((coordinator / "keys" / "roster.yaml").read_text())
    for text in (north, yaml.safe_dump(content), upgrade):
        (site / "north.yaml").write_text(text)
        assert load_site_node(site / "north.yaml").name == "north"
    (site / "north.yaml").write_text(yaml.safe_dump(content))
    assert load_site(site / "north.yaml").name == "north"
    write_private(site / "roster.yaml", yaml.safe_dump(content["node"]["roster"]).encode())


@pytest.mark.parametrize("page", LANGUAGES)
def test_both_languages_show_the_same_commands_and_settings(page: str, root: Path) -> None:
    first = root / "docs" / LANGUAGES[0]
    here = root / "docs" / page
    assert commands(here, "") == commands(first, "")
    parsed = [yaml.safe_load(block) for block in blocks(here, "yaml")]
    assert parsed == [yaml.safe_load(block) for block in blocks(first, "yaml")]


def test_units_start_commands_that_exist(root: Path) -> None:
    started = set()
    for unit in (root / "deploy").glob("*.service"):
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(unit.read_text(encoding="utf-8"))
        started.add(tuple(parser["Service"]["ExecStart"].split()[1:2]))
        assert parser["Service"]["KillMode"] == "mixed"
    assert started == {("server",), ("client",)}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_units_are_what_systemd_understands(root: Path, tmp_path: Path) -> None:
    for unit in (root / "deploy").glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        # The installation that the unit names is not here.
        copy = tmp_path / unit.name.replace("@", "@north")
        copy.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text))
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(copy)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert unit.stem not in checked.stderr.replace(str(tmp_path), ""), checked.stderr


def test_compose_builds_what_the_dockerfile_has(root: Path) -> None:
    compose = yaml.safe_load((root / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    dockerfile = (root / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    for service in compose["services"].values():
        build = service["build"]
        assert (root / "deploy" / build["context"] / build["dockerfile"]).is_file()
        assert f"AS {build['target']}\n" in dockerfile
        assert service["cap_drop"] == ["ALL"]
    for copied in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE):
        assert all((root / name).exists() for name in copied.split())
