"""The ClientApp: every function that the coordinator can call, and nothing else.

A question is answered, refused, or failed with one line. No exception crosses the boundary:
its text could quote a record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from clients.policy import PolicyRefusalError
from clients.site import Site, open_site
from clients.store import StoreError
from edufed.config import Job, SettingsError
from edufed.config.compose import check_job
from edufed.privacy.secagg import RangeError, SecAggError
from edufed.private_files import IdentityError
from edufed.records import DataError
from edufed.wire import Arrays, WireError, pack, unpack

log = logging.getLogger("edufed.site")

app = ClientApp()
Handler = Callable[[Site, Job, dict[str, Any], Arrays], tuple[dict[str, Any], Arrays]]


def _answer(message: Message, context: Context, handler: Handler) -> Message:
    """Open the site, run the handler, and say in any case how it went."""
    # Imported with the first training message: a question about counts does not wait for torch.
    from clients.horizontal import UnpreparedError
    from clients.training import TrainingError

    name = ""
    try:
        meta, arrays = unpack(message.content)
        job = check_job(meta["job"])
        site = open_site(dict(context.node_config), job)
        name = site.name
        answer, out = handler(site, job, meta, arrays)
        content = pack({**answer, "site": name, "status": "ok"}, out)
    except PolicyRefusalError as error:
        log.info("refused %s: %s", message.metadata.message_type, error)
        content = pack({"site": name, "status": "refused", "reason": str(error)})
    except UnpreparedError as error:
        content = pack({"site": name, "status": "unprepared", "reason": str(error)})
    except (
        DataError,
        IdentityError,
        RangeError,
        SecAggError,
        SettingsError,
        StoreError,
        TrainingError,
        WireError,
    ) as error:
        log.error("%s: %s", name or "this site", error)
        content = pack({"site": name, "status": "failed", "reason": str(error)})
    except Exception as error:
        log.exception("%s: unexpected error", name or "this site")
        reason = f"unexpected {type(error).__name__}; the site's own log says more"
        content = pack({"site": name, "status": "failed", "reason": reason})
    return Message(content, reply_to=message)


@app.query("hello")
def hello(message: Message, context: Context) -> Message:
    """Answer with counts, course ids, and the quality of the records."""
    from clients import horizontal

    return _answer(message, context, horizontal.hello)


@app.query("statistics")
def statistics(message: Message, context: Context) -> Message:
    """Answer with sums for scaling and cohort ranks."""
    from clients import horizontal

    return _answer(message, context, horizontal.send_statistics)


@app.query("keys")
def keys(message: Message, context: Context) -> Message:
    """Answer with sealed shares of this site's keys for the job's secure sums."""
    from clients import summation

    return _answer(
        message, context, lambda site, job, _, arrays: ({}, summation.deposit(site, job, arrays))
    )


@app.query("unmask")
def unmask(message: Message, context: Context) -> Message:
    """Answer with one opened share for each site of a secure sum."""
    from clients import summation

    return _answer(
        message, context, lambda site, job, _, arrays: ({}, summation.unmask(site, job, arrays))
    )


@app.train("horizontal")
def train_horizontal(message: Message, context: Context) -> Message:
    """Score the global model, then improve it on this site's learners."""
    from clients import horizontal

    return _answer(message, context, horizontal.train)


@app.evaluate("horizontal")
def evaluate_horizontal(message: Message, context: Context) -> Message:
    """Score the chosen model and the baselines on this site's test learners."""
    from clients import horizontal

    return _answer(message, context, horizontal.evaluate)


@app.query("publish")
def publish(message: Message, context: Context) -> Message:
    """Keep the finished model at this site, calibrated on its own learners."""
    from clients import publish as publication

    return _answer(message, context, publication.publish)
