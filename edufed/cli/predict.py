"""`edufed predict`: score a site's own learners, at the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from clients.calibration import Calibration, fit_calibration
from clients.lists import make_lists
from clients.predict import Predictions, predict, scoring_design, write_predictions
from clients.publish import kept_with
from clients.site import Site
from clients.tag_lists import make_tags
from clients.training import predict_logit
from clients.transfer_scores import score
from clients.usage import read as read_usage
from edufed.cli.arguments import keywords, language_of
from edufed.config import load_site
from edufed.features import FeatureMatrix
from edufed.model_folder import task_of
from edufed.portrait.published import load_portraits
from edufed.published import PublishedModel, load_published, restore_model
from edufed.recommend.published import load_recommender
from edufed.wire import Arrays


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
    console = Console(stderr=True)
    site = Site(load_site(Path(given["site"])))
    out = Path(given["out"])
    if kept:
        _write_risks(score(site, given["job"], language), out, console)
        return
    folder = Path(given["model"])
    if task_of(folder) == "recommend":
        _recommend(site, folder, out, language, console)
        return
    if task_of(folder) == "portrait":
        _portray(site, folder, out, language, console)
        return
    published = load_published(folder)
    matrix = site.learners(published.description.cutoff).matrix
    calibration, own = _fitted(site, published, matrix)
    rows = _current(matrix, console)
    result = predict(
        published, _rows(matrix, rows), calibration=calibration, personal=own, language=language
    )
    _write_risks(result, out, console)


def _write_risks(result: Predictions, out: Path, console: Console) -> None:
    _warn(result, console)
    write_predictions(result.frame, out)
    console.print(f"{len(result.frame)} learners scored: {out}", highlight=False, soft_wrap=True)


def _recommend(site: Site, folder: Path, out: Path, language: str, console: Console) -> None:
    model = load_recommender(folder)
    # The horizon is for judging what came true: a list is made of what is known by the cutoff.
    used = read_usage(site, model.description.settings.cutoff_day, 0.0)
    result = make_lists(model, used.usage, language)
    _warn(result, console)
    write_predictions(result.frame, out)
    learners = len(result.frame[["learner_id", "course_id"]].drop_duplicates())
    console.print(f"{learners} lists: {out}", highlight=False, soft_wrap=True)


def _portray(site: Site, folder: Path, out: Path, language: str, console: Console) -> None:
    model = load_portraits(folder)
    matrix = site.learners(model.description.settings.cutoff_day).matrix
    # All rows are placed: the current ones among all of their course.
    result = make_tags(model, site, matrix, language)
    _warn(result, console)
    frame = result.frame[_current(matrix, console)]
    write_predictions(frame, out)
    console.print(f"{len(frame)} learners tagged: {out}", highlight=False, soft_wrap=True)


def _current(matrix: FeatureMatrix, console: Console) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows without a known result, or all of them where all courses are over: a look back."""
    rows = np.isnan(matrix.target)
    if not rows.any():
        rows = np.ones(len(matrix), dtype=bool)
        console.print("every learner's result is known already; listing all of them")
    return rows


def _warn(result: Predictions, console: Console) -> None:
    for warning in result.warnings:
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
