"""`edufed predict`: score a site's own learners, at the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from clients.calibration import Calibration, fit_calibration
from clients.delivery import deliver
from clients.lists import make_lists
from clients.predict import (
    check_suffix,
    not_reached,
    predict,
    scoring_design,
    write_predictions,
)
from clients.publish import kept_with
from clients.site import Site
from clients.tag_lists import make_tags
from clients.training import predict_logit
from clients.transfer_scores import score
from clients.usage import read as read_usage
from edufed.acting.issue import Issue
from edufed.arrays import Arrays
from edufed.cli.arguments import keywords, language_of
from edufed.config import load_site
from edufed.features import FeatureMatrix
from edufed.model_folder import task_of
from edufed.portrait.published import load_portraits
from edufed.published import PublishedModel, load_published, restore_model
from edufed.recommend.published import load_recommender


def command(arguments: Sequence[str]) -> None:
    """Write what a model says of the site's own learners to a file of the site's own.

    By the model's task: risk and reasons, a list of resources and reasons, or tags.

    Raises
    ------
    SettingsError
        An argument or the site's YAML is wrong.
    DataError
        The site's tables or the model's folder cannot be used.
    """
    if any(argument.startswith("run=") for argument in arguments):
        from edufed.cli.predict_together import command as together

        together(arguments)
        return
    kept = any(argument.startswith("job=") for argument in arguments)
    source = "job" if kept else "model"
    given = keywords(arguments, ("site", source, "out"), ("language",))
    language = language_of(given)
    out = Path(given["out"])
    check_suffix(out)
    console = Console(stderr=True)
    site = Site(load_site(Path(given["site"])))
    if kept:
        frame, job_id, kind = kept_list(site, given["job"], language, console)
    else:
        frame, job_id, kind = make_list(site, Path(given["model"]), language, console)
    delivered = deliver(site.settings, Issue.now(job_id, site.name, kind), frame)
    write_predictions(frame, out)
    learners = len(frame[["learner_id", "course_id"]].drop_duplicates())
    text = f"{learners} {_MADE.get(kind, 'learners scored')}: {out}"
    console.print(text, highlight=False, soft_wrap=True)
    if delivered is not None:
        console.print(delivered, highlight=False, soft_wrap=True)


#: What a task's list holds of each learner.
_MADE = {"recommend": "lists", "portrait": "learners tagged"}
#: A list, the id of the job whose model made it, and its kind: the model's task.
Made = tuple[pd.DataFrame, str, str]


def kept_list(site: Site, job_id: str, language: str, console: Console) -> Made:
    """Make the list of the model that a transfer job left at the site."""
    result = score(site, job_id, language)
    _warn(result.warnings, console)
    return result.frame, job_id, "early_warning"


def make_list(site: Site, folder: Path, language: str, console: Console) -> Made:
    """Make the list that a model makes of a site's learners.

    Every list has ``learner_id`` and ``course_id``, and what the model's task says of them.
    """
    kind = task_of(folder)
    if kind == "recommend":
        return *_recommend(site, folder, language, console), kind
    if kind == "portrait":
        return *_portray(site, folder, language, console), kind
    return *_scored(site, folder, language, console), kind


def _scored(site: Site, folder: Path, language: str, console: Console) -> tuple[pd.DataFrame, str]:
    published = load_published(folder)
    matrix = site.learners(published.description.cutoff).matrix
    calibration, own = _fitted(site, published, matrix)
    rows = _current(matrix, console)
    result = predict(
        published, _rows(matrix, rows), calibration=calibration, personal=own, language=language
    )
    _warn(result.warnings, console)
    return result.frame, published.description.job


def _recommend(
    site: Site, folder: Path, language: str, console: Console
) -> tuple[pd.DataFrame, str]:
    model = load_recommender(folder)
    # The horizon is for judging what came true: a list is made of what is known by the cutoff.
    cutoff = model.description.settings.cutoff_day
    usage = read_usage(site, cutoff, 0.0).usage
    result = make_lists(model, usage, language)
    _warn([*not_reached(usage.course_id, usage.course_start, cutoff), *result.warnings], console)
    return result.frame, model.description.job


def _portray(site: Site, folder: Path, language: str, console: Console) -> tuple[pd.DataFrame, str]:
    model = load_portraits(folder)
    cutoff = model.description.settings.cutoff_day
    matrix = site.learners(cutoff).matrix
    # All rows are placed: the current ones among all of their course.
    result = make_tags(model, site, matrix, language)
    rows = _current(matrix, console)
    early = not_reached(matrix.course_id[rows], matrix.course_start[rows], cutoff)
    _warn([*early, *result.warnings], console)
    return result.frame[rows], model.description.job


def _current(matrix: FeatureMatrix, console: Console) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows without a known result, or all of them where all courses are over: a look back."""
    rows = np.isnan(matrix.target)
    if not rows.any():
        rows = np.ones(len(matrix), dtype=bool)
        console.print("every learner's result is known already; listing all of them")
    return rows


def _warn(warnings: Sequence[str], console: Console) -> None:
    for warning in warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False)


def _fitted(
    site: Site, published: PublishedModel, matrix: FeatureMatrix
) -> tuple[Calibration, Arrays]:
    """Return this site's calibration and own layers: kept by the job, or fitted to its results.

    A site that took no part in the job trained nothing on its rows, so all its learners with a
    known result may calibrate.
    """
    kept = kept_with(site, published.description.job)
    if kept is not None:
        return kept
    known = ~np.isnan(matrix.target)
    if not known.any():
        return Calibration(), {}
    labelled = _rows(matrix, known)
    model = restore_model(published)
    x, _, _ = scoring_design(published, labelled)
    return fit_calibration(labelled.target, predict_logit(model, x)), {}


def _rows(matrix: FeatureMatrix, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> FeatureMatrix:
    return replace(
        matrix,
        values=matrix.values[rows],
        learner_id=matrix.learner_id[rows],
        course_id=matrix.course_id[rows],
        course_start=matrix.course_start[rows],
        target=matrix.target[rows],
    )
