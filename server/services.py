"""What a job is run, reported and published by: one entry for each task and scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edufed.config import Job
from server.checkpoint import Checkpoint
from server.federation import Federation, JobError
from server.report.contract import Report

#: Writes a finished model into a folder.
Save = Callable[[Path], None]


class Run(Protocol):
    """Carries a job out up to its figures; what it returns has `phases`, names and seconds."""

    def __call__(
        self,
        federation: Federation,
        expected: int,
        roster: Mapping[str, bytes],
        checkpoint: Checkpoint,
    ) -> Any:
        """Run it with so many nodes expected, on a roster of sites and their public keys."""
        ...


@dataclass(frozen=True)
class Service:
    """How one task is served.

    Parameters
    ----------
    run : Run
    report : callable
        (federation, outcome, seconds) -> Report; what baselines gave comes fourth, where a task
        has any.
    publish : callable or None
        (federation, outcome, report) -> Save. Hands the model to the sites; None where there is
        no model.
    """

    run: Run
    report: Callable[..., Report]
    publish: Callable[[Federation, Any, Report], Save] | None


def service_of(job: Job) -> Service:
    """Return what serves the kind of job; nothing else is imported.

    Raises
    ------
    JobError
        Nothing does.
    """
    name = job.service
    if name not in _SERVICES:
        raise JobError(f"task={name} is served by nothing; choose one of {', '.join(_SERVICES)}")
    return _SERVICES[name]()


def _early_warning() -> Service:
    from server.publication import hand_over
    from server.report.horizontal import build_report
    from server.strategies.horizontal import run

    return Service(run, build_report, hand_over)


def _private_early_warning() -> Service:
    from server.publication import hand_over
    from server.report.horizontal import build_private_report
    from server.strategies.horizontal_dp import run

    return Service(run, build_private_report, hand_over)


def _vertical_early_warning() -> Service:
    from server.report.vertical import build_report
    from server.strategies.vertical import run

    return Service(run, build_report, None)  # each party keeps a part of the model of its own


def _vertical_cold_start() -> Service:
    from server.report.cold_start import build_report
    from server.strategies.vertical import run

    return Service(run, build_report, None)  # lists stay where the newcomers come to


def _transfer_early_warning() -> Service:
    from server.report.transfer import build_report
    from server.strategies.transfer import run

    return Service(run, build_report, None)  # the model that a target fits stays there


def _neural_early_warning() -> Service:
    from server.report.transfer_neural import build_report
    from server.strategies.transfer_neural import run

    return Service(run, build_report, None)  # encoders stay at their sites


def _certify() -> Service:
    from server.publication import hand_over
    from server.report.certify import build_report
    from server.strategies.certify import run

    return Service(run, build_report, hand_over)


def _recommend() -> Service:
    from server.recommend_publication import hand_over
    from server.report.recommend import build_report
    from server.strategies.recommend import run

    return Service(run, build_report, hand_over)


def _private_recommend() -> Service:
    from server.recommend_publication import hand_over_privately
    from server.report.recommend_dp import build_report
    from server.strategies.recommend_dp import run

    return Service(run, build_report, hand_over_privately)


def _quality_map() -> Service:
    from server.report.quality_map import build_map_report
    from server.strategies.quality_map import run

    return Service(run, build_map_report, None)


def _private_quality_map() -> Service:
    from server.report.quality_map_dp import build_map_report
    from server.strategies.quality_map_dp import run

    return Service(run, build_map_report, None)


def _portrait() -> Service:
    from server.portrait_publication import hand_over
    from server.report.portrait import build_report
    from server.strategies.portrait import run

    return Service(run, build_report, hand_over)


def _vertical_scoring() -> Service:
    from server.report.vertical import build_scoring_report
    from server.strategies.vertical_scoring import run

    return Service(run, build_scoring_report, None)


#: `Job.service` -> what imports and returns its service.
_SERVICES: dict[str, Callable[[], Service]] = {
    "early_warning": _early_warning,
    "private/early_warning": _private_early_warning,
    "vertical/early_warning": _vertical_early_warning,
    "vertical/cold_start": _vertical_cold_start,
    "transfer/early_warning": _transfer_early_warning,
    "neural/early_warning": _neural_early_warning,
    "vertical/scoring": _vertical_scoring,
    "certify": _certify,
    "recommend": _recommend,
    "private/recommend": _private_recommend,
    "quality_map": _quality_map,
    "private/quality_map": _private_quality_map,
    "portrait": _portrait,
}
