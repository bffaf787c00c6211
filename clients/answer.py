"""How every question is answered: the site's policy first, then its data, then its audit log.

A question is answered, refused, or failed with one line. No exception crosses the boundary:
its text could quote a record. Nothing leaves a real site before its audit log holds it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flwr.app import Context, Message, RecordDict

from clients.audit import FILE_NAME, AuditError, AuditLog
from clients.policy import PolicyRefusalError, UnsuitableDataError, enforce
from clients.site import Site, open_site, real_site
from clients.steps import StepError
from clients.store import StoreError
from edufed.arrays import Arrays
from edufed.config import Job, SettingsError
from edufed.config.compose import check_job
from edufed.config.privacy import PrivateLearners
from edufed.privacy.he import HeRangeError
from edufed.privacy.ledger import BudgetError, LedgerError
from edufed.privacy.secagg import RangeError, SecAggError
from edufed.private_files import IdentityError
from edufed.records import DataError
from edufed.wire import WireError, pack, size, unpack

log = logging.getLogger("edufed.site")

Answer = tuple[dict[str, Any], Arrays]
Handler = Callable[[Site, Job, dict[str, Any], Arrays], Answer]

#: Said under differential privacy in place of a reason that depends on learners' records.
WITHHELD = "it cannot take part with its data; the site's own log says more"
#: Said where a number does not fit into a hidden sum, in place of how many and how large.
BEYOND = "a number is not finite, or beyond what hidden sums hold; the site's own log says more"
#: Status of an answer -> what the audit log calls it.
_EVENTS = {"ok": "answered", "refused": "refused", "unprepared": "failed", "failed": "failed"}


@dataclass
class _Question:
    """What is known of a question so far: the log says as much, however it ends."""

    message: Message
    node_config: dict[str, Any]
    site: Site | None = None
    job: Job | None = None
    job_hash: str | None = None

    @property
    def name(self) -> str:
        return self.site.name if self.site is not None else ""


def answer(message: Message, context: Context, handler: Handler) -> Message:
    """Open the site, run the handler, and say in any case how it went."""
    # Imported with the first training message: a question about counts does not wait for torch.
    from clients.horizontal import UnpreparedError
    from clients.training import TrainingError

    question = _Question(message, dict(context.node_config))
    kind = message.metadata.message_type
    try:
        status, reason = "ok", ""
        content = _carry_out(question, handler)
    except UnsuitableDataError as error:
        log.info("refused %s: %s", kind, error)
        status, reason = "refused", _in_public(question, str(error))
    except PolicyRefusalError as error:
        log.info("refused %s: %s", kind, error)
        status, reason = "refused", str(error)
    except UnpreparedError as error:
        status, reason = "unprepared", str(error)
    except (HeRangeError, RangeError) as error:
        # How many numbers are too large is the site's own; the log has it.
        log.error("%s: %s", question.name or "this site", error)
        status, reason = "failed", BEYOND
    except (DataError, TrainingError) as error:
        log.error("%s: %s", question.name or "this site", error)
        status, reason = "failed", _in_public(question, str(error))
    except (
        BudgetError,
        IdentityError,
        LedgerError,
        SecAggError,
        SettingsError,
        StepError,
        StoreError,
        WireError,
    ) as error:
        log.error("%s: %s", question.name or "this site", error)
        status, reason = "failed", str(error)
    except Exception as error:
        log.exception("%s: unexpected error", question.name or "this site")
        status, reason = (
            "failed",
            f"unexpected {type(error).__name__}; the site's own log says more",
        )
    if status != "ok":
        content = _without_answer(question, status, reason)
    try:
        _note(question, status, reason, size(content))
    except (AuditError, OSError) as error:
        log.error("%s: %s", question.name, error)
        reason = "the site's audit log was changed or cannot be written; see edufed audit verify"
        content = _without_answer(question, "failed", reason)
    return Message(content, reply_to=message)


def _carry_out(question: _Question, handler: Handler) -> RecordDict:
    question.site = real_site(question.node_config)
    meta, arrays = unpack(question.message.content)
    if "job" not in meta:
        raise WireError("not a message of ours: it names no job")
    job_json = json.dumps(meta["job"], sort_keys=True, separators=(",", ":"))
    question.job_hash = hashlib.sha256(job_json.encode()).hexdigest()
    question.job = job = _checked(job_json)
    site = question.site or open_site(question.node_config, job)
    question.site = site
    enforce(site.settings.policy, site.store, job, question.job_hash)
    said, out = handler(site, job, meta, arrays)
    return pack({**said, "site": site.name, "status": "ok"}, out)


def _in_public(question: _Question, reason: str) -> str:
    """Return a reason that may say what is in the site's tables, as it may leave the site."""
    private = question.job is not None and isinstance(question.job.privacy, PrivateLearners)
    return WITHHELD if private else reason


def _without_answer(question: _Question, status: str, reason: str) -> RecordDict:
    return pack({"site": question.name, "status": status, "reason": reason})


@lru_cache(maxsize=8)
def _checked(job_json: str) -> Job:
    """Check a job once: each of its messages says it again."""
    return check_job(json.loads(job_json))


def _note(question: _Question, status: str, reason: str, sent: int) -> None:
    """Add the answer to the audit log of a real site: what was asked, by whom, what it got."""
    site, job = question.site, question.job
    if site is None or site.settings.simulated:
        return
    settings = None
    if job is not None:
        groups = ("scenario", "task", "model", "strategy", "privacy")
        settings = {group: getattr(job, group).name for group in groups}
    AuditLog(site.store.folder / FILE_NAME).append(
        _EVENTS[status],
        {
            "message": question.message.metadata.message_type,
            "run": str(question.message.metadata.run_id),
            "superlink": site.settings.node.get("superlink"),
            "job": job.id if job is not None else None,
            "job_sha256": question.job_hash,
            "settings": settings,
            "reason": reason or None,
            "bytes": sent,
        },
    )
