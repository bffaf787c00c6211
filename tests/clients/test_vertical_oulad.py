"""The vertical job on OULAD as three platforms: how good it is, and what its messages tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message
from small_vertical import run

from clients.parties import Parties, read_letters
from clients.platform import TRAIN
from clients.site import Site
from clients.vertical_attacks import attack
from clients.vertical_pooled import gather, pooled_vertical
from edufed.arrays import unprefixed
from edufed.config import compose_job, simulated_sites
from edufed.privacy.attacks.labels import label_inference
from edufed.privacy.products import Shape
from edufed.privacy.products.view import received_by_row
from edufed.wire import unpack

LIBRARY = 1


@pytest.mark.data
def test_three_platforms_together(shared_data: Path, tmp_path: Path) -> None:
    job = compose_job(
        ["data=oulad_vertical", f"data.path={shared_data / 'oulad'}", f"out={tmp_path}"]
    )
    sites = simulated_sites(job)
    library = Site(sites[LIBRARY])
    opened: list[tuple[bytes, bytes]] = []

    def look(node: int, asked: Message, answered: Message) -> Message:
        """Open what the library was sent, as the library can."""
        if node == LIBRARY and asked.metadata.message_type == "train.vertical":
            meta, arrays = unpack(asked.content)
            state = unprefixed("state/", library.store.load(f"jobs/{job.id}/steps") or {})
            parties = Parties(library, job, meta, unprefixed("parties/", state))
            letter = read_letters(arrays["post"].tobytes())["registry"]["round"]
            parts = parties.unseal("registry", f"round {meta['round']}", letter)
            assert set(parts) == {"about", "product", "ask"}
            opened.append((parts["ask"], parts["product"]))
        return answered

    finished = run(job, tmp_path / "job", look)
    together = gather(job, sites)
    report = finished.report(1.0, pooled_vertical(job, together))
    pooled, joint = report.metrics.pooled.roc_auc, report.metrics.federated.roc_auc
    early = [r.metrics.roc_auc for r in report.rounds[:10]]
    vertical = report.more["vertical"]

    assert min(abs(auc - pooled) for auc in early) < 0.002
    assert abs(early[-1] - pooled) < 0.002
    assert vertical["loss_gap"] < 1e-4
    assert joint - vertical["label_party_alone"]["roc_auc"] > 0.01

    y = together.y[together.part == TRAIN]
    columns = finished.outcome.hello["library"]["features"]
    shape = Shape(len(y), columns)
    # The request for round t + 1 comes with the residual of round t.
    view = np.hstack([received_by_row(ask, sent, shape) for ask, sent in opened])
    found = label_inference(view, y, seed=1)
    assert all(0.45 < auc < 0.55 for auc in found.values()), found

    attacks = attack(job, together, 3)
    assert all(
        0.45 < auc < 0.55 for of in attacks["label_inference"].values() for auc in of.values()
    )
    unprotected = attacks["label_inference_split_learning"]
    assert max(unprotected.values()) > 0.9
    assert 0.5 < attacks["model_completion"]["library"]["block"] < 0.85
