"""A plain Flower ServerApp: FedAvg by `strategy.start`, as Flower's tutorials write one."""

import json
import time
from pathlib import Path

from flwr.app import Array, ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from edufed.config import job_from_run_config
from edufed.models import build_model, get_weights

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train for some rounds and write down when each was over."""
    config = context.run_config
    job = job_from_run_config(dict(config))
    model = build_model(job.model, int(config["columns"]), job.seed)
    sites = int(config["sites"])
    strategy = FedAvg(
        fraction_evaluate=float(config["fraction-evaluate"]),
        min_train_nodes=sites,
        min_evaluate_nodes=sites if float(config["fraction-evaluate"]) else 0,
        min_available_nodes=sites,
    )
    ends: list[float] = []

    def note(_round: int, _arrays: ArrayRecord) -> MetricRecord | None:
        ends.append(time.monotonic())
        return None

    while len(list(grid.get_node_ids())) < sites:  # the first round is not to wait for sites
        time.sleep(0.1)
    result = strategy.start(
        grid,
        ArrayRecord({name: Array(weights) for name, weights in get_weights(model).items()}),
        num_rounds=int(config["rounds"]),
        evaluate_fn=note,
    )
    spent = [
        {number: dict(record) for number, record in metrics.items()}
        for metrics in (result.train_metrics_clientapp, result.evaluate_metrics_clientapp)
    ]
    file = Path(str(config["result"]))
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps({"ends": ends, "spent": spent}), encoding="utf-8")
    partial.replace(file)
