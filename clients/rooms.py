"""Which module answers a question, by what serves the job.

A question that does not belong to the job is answered by nobody: what a site's policy allowed, and
what its privacy settings promise, is the job's own protocol and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from clients.answer import Answer, Handler
from clients.site import Site
from edufed.arrays import Arrays
from edufed.config import Job, SettingsError

#: `Job.service` -> module with a function `hello`.
HELLO = {
    "early_warning": "clients.horizontal",
    "private/early_warning": "clients.horizontal_dp",
    "vertical/early_warning": "clients.vertical",
    "transfer/early_warning": "clients.transfer",
    "neural/early_warning": "clients.transfer_neural",
    "vertical/scoring": "clients.vertical_scoring",
    "vertical/cold_start": "clients.cold_start",
    "recommend": "clients.recommend",
    "private/recommend": "clients.recommend_dp",
    "portrait": "clients.portrait",
    "certify": "clients.certify",
}
#: The same -> module with functions `send_counts` and `evaluate`.
RECOMMEND = {
    "recommend": "clients.recommend",
    "private/recommend": "clients.recommend_dp",
}
#: The same -> module with a function `train`: exact sums, never asked for with noise.
RECOMMEND_TRAIN = {"recommend": "clients.recommend"}
#: The same -> module with functions `hello` and `send_sums`, for task=quality_map.
QUALITY = {
    "quality_map": "clients.quality_map",
    "private/quality_map": "clients.quality_map_dp",
}
#: The same -> module with a function `send_counts` of exact numbers: never with noise.
QUALITY_COUNTS = {"quality_map": "clients.quality_map"}
#: The same -> module with functions `send_counts`, `send_moments`, `train`, `evaluate` and
#: `send_profiles`, for task=portrait.
PORTRAIT = {"portrait": "clients.portrait"}
#: The same -> module with functions `send_conformity` and `evaluate`, for task=certify.
CERTIFY = {"certify": "clients.certify"}
#: The same -> module with a function `publish`; tasks that leave sites no model are not here.
PUBLISH = {
    "early_warning": "clients.publish",
    "private/early_warning": "clients.horizontal_dp",
    "vertical/early_warning": "clients.vertical",
    "vertical/cold_start": "clients.cold_start",
    "recommend": "clients.recommend",
    "private/recommend": "clients.recommend_dp",
    "portrait": "clients.portrait",
    "certify": "clients.certify",
}
#: The same -> module with functions `send_statistics`, `train` and `evaluate`.
TRAIN = {
    "early_warning": "clients.horizontal",
    "private/early_warning": "clients.horizontal_dp",
    "certify": "clients.horizontal",
}
#: The same -> module with functions `train` and `evaluate`, for scenario=transfer.
TRANSFER = {
    "transfer/early_warning": "clients.transfer",
    "neural/early_warning": "clients.transfer_neural",
}
#: The same -> module with a function `send_moments`, for scenario=transfer.
MOMENTS = {
    "transfer/early_warning": "clients.transfer",
    "neural/early_warning": "clients.transfer",
}
#: The same -> module with a function `send_scores`, for scenario=transfer.
SCORES = {"transfer/early_warning": "clients.transfer"}
#: The same -> module with a function `align`.
ALIGN = {
    "vertical/early_warning": "clients.vertical",
    "vertical/scoring": "clients.vertical_scoring",
    "vertical/cold_start": "clients.cold_start",
}
#: The same -> module with a function `train`, for scenario=vertical.
VERTICAL = {
    "vertical/early_warning": "clients.vertical",
    "vertical/cold_start": "clients.cold_start",
}
#: The same -> module with a function `score`, for scenario=vertical.
SCORING = {"vertical/scoring": "clients.vertical_scoring"}


def by_task(modules: Mapping[str, str], name: str) -> Handler:
    """Return a handler that calls function `name` of the module for the job."""

    def handler(site: Site, job: Job, meta: dict[str, Any], arrays: Arrays) -> Answer:
        service = job.service
        if service not in modules:
            raise SettingsError(f"task={service} has no {name}; choose one of {', '.join(modules)}")
        return in_room(modules[service], name)(site, job, meta, arrays)

    return handler


def in_room(module: str, name: str) -> Handler:
    """Return a handler that calls a module's function, and imports it with the first question."""

    def handler(site: Site, job: Job, meta: dict[str, Any], arrays: Arrays) -> Answer:
        called: Handler = getattr(import_module(module), name)
        return called(site, job, meta, arrays)

    return handler
