"""A plain Flower ClientApp with EduFed's model, data and training.

Travels in a bundle and is run as Flower runs it: a process for each message. The imports stand
between two looks at the clock.
"""

# ruff: noqa: E402
import time

_BEGAN = time.time()

import os

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients.design import Design, build_design, statistics
from clients.site import open_site
from clients.training import mean_loss, train_locally
from edufed.config import Job, job_from_run_config
from edufed.models import RiskModel, build_model, get_weights, set_weights

_IMPORTED = time.time()

app = ClientApp()


def _process_began() -> float:
    """When this process was started, in seconds since the epoch."""
    with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
        started = float(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - float(uptime.read().split()[0]) + started


def _prepare(message: Message, context: Context) -> tuple[Job, Design, RiskModel]:
    job = job_from_run_config(dict(context.run_config))
    matrix = open_site(dict(context.node_config), job).learners(job.early_warning.cutoff_day).matrix
    cohorts = sorted(set(matrix.course_id.tolist()))
    design = build_design(matrix, job, cohorts, statistics(matrix, job, cohorts))
    model = build_model(job.model, design.x.shape[1], job.seed)
    arrays = message.content["arrays"]
    assert isinstance(arrays, ArrayRecord)
    set_weights(model, {str(name): array.numpy() for name, array in arrays.items()})
    return job, design, model


def _spent(began: float) -> dict[str, float]:
    return {
        "process": _BEGAN - _process_began(),
        "imports": _IMPORTED - _BEGAN,
        "compute": time.time() - began,
    }


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train the model that came for one round."""
    began = time.time()
    job, design, model = _prepare(message, context)
    x, y = design.part(design.split.train)
    config = message.content["config"]
    assert isinstance(config, ConfigRecord)
    train_locally(
        model,
        x,
        y,
        epochs=job.local_training.local_epochs,
        batch_size=job.local_training.batch_size,
        learning_rate=job.local_training.learning_rate,
        l2=job.model.l2,
        proximal_mu=0.0,
        seed=int(str(config["server-round"])),
    )
    arrays = ArrayRecord({name: Array(weights) for name, weights in get_weights(model).items()})
    metrics = MetricRecord({"num-examples": len(x), **_spent(began)})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Score the model that came on the validation learners."""
    began = time.time()
    _, design, model = _prepare(message, context)
    x, y = design.part(design.split.valid)
    loss = mean_loss(model, x, y)
    metrics = MetricRecord({"num-examples": len(x), "loss": loss, **_spent(began)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
