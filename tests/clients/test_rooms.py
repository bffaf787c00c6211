"""A question is answered in the jobs that it belongs to, and in no other."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata

from clients.app import HANDLERS, app
from edufed.config import compose_job
from edufed.wire import pack, unpack

SITE = """\
name: north
state: state
adapter: {name: province, path: province}
"""
#: A job with differential privacy -> the questions that it asks.
PRIVATE = {
    ("privacy=dp",): {
        *("query.hello", "query.statistics", "query.publish"),
        *("train.horizontal", "evaluate.horizontal"),
    },
    ("privacy=dp", "task=recommend", "data.courses=[x]"): {
        *("query.hello", "query.counts", "query.publish", "evaluate.recommend"),
    },
    ("privacy=dp", "task=quality_map"): {"query.quality_hello", "query.quality_sums"},
}
#: What only carries keys and opens sums.
KEYS = {"query.keys", "query.unmask", "query.open"}


def ask(site: Path, kind: str, content: RecordDict) -> dict[str, Any]:
    metadata = Metadata(1, "", 1, 1, "", "", time.time(), 60.0, kind)
    context = Context(1, 1, {"site": str(site)}, RecordDict(), {})
    reply = app(message=make_message(metadata, content), context=context)
    assert isinstance(reply, Message)
    return unpack(reply.content)[0]


@pytest.mark.parametrize("settings", PRIVATE)
def test_a_private_job_gets_no_answer_of_another_kind(
    settings: tuple[str, ...], tmp_path: Path
) -> None:
    """Exact sums of another task would leave beside the noise, and no ledger would hold them."""
    site = tmp_path / "north.yaml"
    site.write_text(SITE)
    made = compose_job(["out=x", *settings]).model_dump(mode="json") | {"id": "one"}
    # As if it transferred: each question finds the settings that it looks for.
    made["data"]["domains"] = [{"name": "a", "sites": [{"name": "north", "adapter": {}}]}]
    kinds = set(HANDLERS) - KEYS
    assert PRIVATE[settings] < kinds
    for kind in sorted(kinds - PRIVATE[settings]):
        said = ask(site, kind, pack({"job": made}))
        assert said["status"] == "failed", kind
        assert re.search("task=private/.* has no ", said["reason"]), kind
    assert not (tmp_path / "province").exists()  # the adapter was not even opened
