"""What vertical training costs: rounds, messages and bytes against split learning, and seconds.

    python benchmarks/vertical.py --data ../shared/data/oulad [--json FILE]

First OULAD as three platforms, by the real `edufed run` in simulation: rounds, messages and bytes
until the ROC-AUC on test learners is within 0.002 of the pooled logistic regression's. Split
learning with an exchange a mini-batch (SplitNN, sum aggregation) trains on the same rows and
columns, with several batch sizes and learning rates, of which the one with the fewest messages
counts for the goal; it is judged after every tenth mini-batch, need be near only once, and the
median of five seeds stands. Messages are counted alike for both, through the coordinator: for each
round or mini-batch one to and one from every party. Then processor seconds a round on random
numbers: the label party's part, and the slower feature party's, which work side by side.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from result import save, show
from sklearn.metrics import roc_auc_score

from clients.platform import TEST, TRAIN, scale_for
from clients.vertical_pooled import Together, gather, pooled_vertical
from edufed.config import Job, simulated_sites
from edufed.config.compose import check_job
from edufed.privacy.attacks.split_learning import WIDTH, SplitNN
from edufed.privacy.products import FeatureParty, PreparedLabel, Shape
from edufed.privacy.products.prepared import gradient
from edufed.vertical import FeatureBlock, LabelBlock
from edufed.vertical.sums import POINT, add_up, masked

NEAR = 0.002
GOAL = 20
PARTIES = 3
JUDGED_EVERY = 10
MOST_BATCHES = 3000
SEEDS = range(1, 6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of OULAD's tables")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args()
    compared, goals = against_split_learning(options.data)
    show("OULAD: until the ROC-AUC is within 0.002 of pooled", compared, goals)
    seconds = [round_of(rows, each) for rows in (10_000, 100_000) for each in (30, 300)]
    show("One round of three parties, processor seconds", seconds, {})
    if options.json:
        command = f"python benchmarks/vertical.py --data {options.data}"
        save(options.json, command, [*compared, *seconds], goals)


def against_split_learning(data: Path) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        settings = ("data=oulad_vertical", f"data.path={data.absolute()}", f"out={out}")
        edufed = str(Path(sys.executable).with_name("edufed"))
        subprocess.run(
            [edufed, "run", *settings, "research=false"], check=True, capture_output=True
        )
        report = json.loads((out / "report.json").read_text())
        job: Job = check_job(report["job"]["config"])
        together = gather(job, simulated_sites(job))
    pooled = pooled_vertical(job, together)["metrics"]["roc_auc"]
    ours = until_near(report["rounds"], pooled)
    theirs = [
        split_learning(together, pooled, batch, rate)
        for batch, rate in itertools.product((64, 256, 1024), (1e-3, 1e-2))
    ]
    reached = [row["messages"] for row in theirs if row["messages"] is not None]
    fewer = round(min(reached) / ours["messages"], 1) if reached else None
    return [ours, *theirs], {
        "fewer_messages": {
            "value": fewer,
            "goal": GOAL,
            "holds": fewer is not None and fewer >= GOAL,
        },
        "rounds_to_near": {
            "value": ours["exchanges"],
            "goal": 10,
            "holds": ours["exchanges"] <= 10,
        },
    }


def until_near(rounds: list[dict[str, Any]], pooled: float) -> dict[str, Any]:
    """Count what training cost until it was near for good."""
    far = [r["round"] for r in rounds if r["metrics"]["roc_auc"] < pooled - NEAR]
    needed = rounds[: (far[-1] if far else 0) + 1]
    return {
        "method": "EduFed",
        "exchanges": len(needed),
        "messages": sum(r["messages"] for r in needed),
        "MB": round(sum(r["bytes_up"] + r["bytes_down"] for r in needed) / 1e6, 2),
        "roc_auc": round(needed[-1]["metrics"]["roc_auc"], 4),
        "pooled": round(pooled, 4),
    }


def split_learning(together: Together, pooled: float, batch: int, rate: float) -> dict[str, Any]:
    """Count what SplitNN costs until it is near for the first time: median over seeds."""
    needed = sorted(_batches(together, pooled, batch, rate, seed) for seed in SEEDS)
    median = needed[len(needed) // 2]
    reached = np.isfinite(median)
    # An embedding and a gradient for each row and feature party, to and from the coordinator
    # each, four bytes a number.
    sent = 2 * 2 * (PARTIES - 1) * median * batch * WIDTH * 4
    return {
        "method": f"SplitNN, batches of {batch}, rate {rate:g}",
        "exchanges": int(median) if reached else None,
        "messages": int(2 * PARTIES * median) if reached else None,
        "MB": round(sent / 1e6, 2) if reached else None,
        "roc_auc": None,
        "pooled": round(pooled, 4),
    }


def _batches(together: Together, pooled: float, batch: int, rate: float, seed: int) -> float:
    """Mini-batches until one seed's model is near; infinity where it is not within the limit."""
    x, y = together.of(TRAIN)
    x_test, y_test = together.of(TEST)
    model = SplitNN([part.shape[1] for part in x], seed=seed, learning_rate=rate)
    for number, _ in enumerate(model.train(x, y, batch), start=1):
        if number % JUDGED_EVERY == 0:
            if float(roc_auc_score(y_test, model.scores(x_test))) >= pooled - NEAR:
                return number
            if number >= MOST_BATCHES:
                break
    return np.inf


def round_of(rows: int, features: int) -> dict[str, Any]:
    """Time a later round of a label party and two feature parties, random numbers."""
    rng = np.random.default_rng(1)
    parts = [rng.standard_normal((rows, features)).clip(-8, 8) for _ in range(PARTIES)]
    y = (rng.random((rows, 1)) < 0.4).astype(float)
    scale, shape = scale_for(rows), Shape(rows, features)
    label = LabelBlock(parts[0], y, 1e-3)
    products = [PreparedLabel(shape, scale) for _ in parts[1:]]
    parties = [
        FeatureParty(part, product.public_key(), 1, scale)
        for part, product in zip(parts[1:], products, strict=True)
    ]
    blocks = [FeatureBlock(party.features, 1, 1e-3) for party in parties]
    for product, party in zip(products, parties, strict=True):
        product.keep(party.multiply(product.ask(1)))
    names = ["a", "b"]
    letters: list[list[bytes]] = []
    labels, slowest, size = [], [], 0
    for number in (1, 2):
        started = time.process_time()
        if letters:
            total = add_up([scores for scores, _ in letters], rows + 3)
            for product, (_, reply) in zip(products, letters, strict=True):
                product.keep(reply)
            lengths = label.search(total[:rows, None], total[rows:].reshape(3, 1))
            for block in blocks:
                block.move(lengths)
        asked = [(p.send(label.residual(), number), p.ask(number + 1)) for p in products]
        labels.append(time.process_time() - started)
        letters, took = [], []
        for name, party, block, (sent, ask) in zip(names, parties, blocks, asked, strict=True):
            started = time.process_time()
            scores = block.propose(gradient(party, sent))
            vector = np.concatenate([scores.ravel(), block.pulls().ravel()])
            hidden = masked(vector, name, names, number, lambda *_: bytes(32))
            letters.append([hidden, party.multiply(ask)])
            took.append(time.process_time() - started)
            size = len(sent) + len(ask) + sum(map(len, letters[-1]))
        slowest.append(max(took))
    return {
        "rows": rows,
        "features of each": features,
        "label party s": round(labels[-1], 2),
        "feature party s": round(slowest[-1], 2),
        "round s": round(labels[-1] + slowest[-1], 2),
        "MB a feature party": round(size / 1e6, 2),
        "of it scores": round(rows * POINT.bits / 8 / 1e6, 2),
    }


if __name__ == "__main__":
    main()
