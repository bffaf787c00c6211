"""Which module answers a question whose answer depends on the job's task."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from clients.answer import Handler
from clients.site import Site
from edufed.config import Job, SettingsError
from edufed.wire import Arrays

#: Task -> module with a function `hello`.
HELLO = {
    "early_warning": "clients.horizontal",
}
#: Task -> module with a function `publish`; tasks that leave sites no model are not here.
PUBLISH = {
    "early_warning": "clients.publish",
}


def by_task(modules: Mapping[str, str], name: str) -> Handler:
    """Return a handler that calls function `name` of the module for the job's task."""

    def handler(
        site: Site, job: Job, meta: dict[str, Any], arrays: Arrays
    ) -> tuple[dict[str, Any], Arrays]:
        task = job.task.name
        if task not in modules:
            raise SettingsError(f"task={task} has no {name}; choose one of {', '.join(modules)}")
        answer: Handler = getattr(import_module(modules[task]), name)
        return answer(site, job, meta, arrays)

    return handler
