"""`edufed client` with keys that cannot be right: said at the start, before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from edufed.cli.client import serve
from edufed.cli.keys import init
from edufed.deployment import SiteNode, load_site_node
from edufed.private_files import IdentityError


@pytest.fixture
def site(tmp_path: Path) -> SiteNode:
    keys = tmp_path / "keys"
    init(keys, "province", ["127.0.0.1"], ["north", "south"])
    roster = yaml.safe_load((keys / "roster.yaml").read_text())
    node = {"superlink": "127.0.0.1:1", "keys": str(keys / "sites" / "north"), "roster": roster}
    adapter = {"name": "province", "path": str(tmp_path), "region": 0, "platform": "mooc"}
    file = tmp_path / "north.yaml"
    state = str(tmp_path / "state")
    file.write_text(
        yaml.safe_dump({"name": "north", "adapter": adapter, "state": state, "node": node})
    )
    return load_site_node(file)


def test_a_missing_signing_key_is_said_at_the_start(site: SiteNode) -> None:
    (site.node.keys / "signing.key").unlink()
    with pytest.raises(IdentityError, match=r"signing\.key"):
        serve(site)


def test_a_signing_key_open_to_others_is_said_at_the_start(site: SiteNode) -> None:
    (site.node.keys / "signing.key").chmod(0o644)
    with pytest.raises(IdentityError, match="can be read by others"):
        serve(site)


def test_a_signing_key_of_another_site_is_said_at_the_start(site: SiteNode) -> None:
    other = site.node.keys.parent / "south" / "signing.key"
    other.replace(site.node.keys / "signing.key")
    with pytest.raises(IdentityError, match=r"not the key that the roster in north\.yaml pins"):
        serve(site)
