from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clients.audit import AuditError, AuditLog
from edufed.cli import audit, keys
from edufed.config import SettingsError
from edufed.identity import load_roster


def test_keys_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, own = f"folder={tmp_path / 'keys'}", f"folder={tmp_path / 'own'}"
    keys.command(
        "init", ["federation=province", "hosts=a.example,b.example", "sites=north", folder]
    )
    keys.command("request", ["site=south", own])
    keys.command("add", ["site=south", f"card={tmp_path / 'own' / 'card.yaml'}", folder])
    keys.command("remove", ["site=north", folder])
    keys.command("renew", ["hosts=c.example", folder])
    assert [site.name for site in load_roster(tmp_path / "keys" / "roster.yaml").sites] == ["south"]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 6
    assert all(line.strip() for line in said)


@pytest.mark.parametrize(
    ("action", "arguments", "said"),
    [
        ("make", [], "unknown action 'make'; known here: init, request"),
        ("init", ["federation=f"], "setting 'hosts' is required"),
        ("add", ["sit=north"], "did you mean 'site'"),
    ],
)
def test_wrong_command_is_one_clear_line(action: str, arguments: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        keys.command(action, arguments)


def test_card_of_another_site_is_refused(tmp_path: Path) -> None:
    keys.init(tmp_path / "keys", "province", ["a.example"])
    keys.request(tmp_path / "own", "south")
    with pytest.raises(Exception, match="card of 'south', not of 'north'"):
        keys.add(tmp_path / "keys", "north", tmp_path / "own" / "card.yaml")


def test_audit_verify_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "north.yaml"
    node = {"superlink": "localhost:9092", "keys": "keys"}
    site.write_text(yaml.safe_dump({"name": "north", "state": "state", "node": node}))
    audit.command([f"site={site}"])
    log = AuditLog(tmp_path / "state" / "audit.jsonl")
    head = log.append("answered", {"run": "1"}).hash
    log.append("answered", {"run": "2"})
    audit.command([f"site={site}", f"head={head}"])
    with pytest.raises(SettingsError, match="64 digits"):
        audit.command([f"site={site}", "head=noted.txt"])
    none, whole = capsys.readouterr().out.splitlines()
    assert none.endswith("no entries")
    assert "2 entries, whole; head=" in whole
    log.file.write_bytes(log.file.read_bytes().replace(b'"run":"1"', b'"run":"9"'))
    with pytest.raises(AuditError, match="entry 1 was changed"):
        audit.command([f"site={site}"])
