"""`edufed predict`: score a site's own learners, at the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from clients.calibration import Calibration, fit_calibration
from clients.predict import predict, scoring_design, write_predictions
from clients.publish import kept_with
from clients.site import Site
from clients.training import predict_logit
from edufed.cli.arguments import keywords, language_of
from edufed.config import load_site
from edufed.features import FeatureMatrix
from edufed.published import PublishedModel, load_published, restore_model
from edufed.wire import Arrays


def command(arguments: Sequence[str]) -> None:
    """Write each current learner's risk and reasons to a file of the site's own.

    Raises
    ------
    SettingsError
        An argument or the site's YAML is wrong.
    DataError
        The site's tables or the model's folder cannot be used.
    """
    given = keywords(arguments, ("site", "model", "out"), ("language",))
    language = language_of(given)
    console = Console(stderr=True)
    site = Site(load_site(Path(given["site"])))
    published = load_published(Path(given["model"]))
    matrix = site.learners(published.description.cutoff).matrix
    calibration, own = _fitted(site, published, matrix)
    rows = np.isnan(matrix.target)
    if not rows.any():
        # All courses are over: a look back, as in an evaluation.
        rows = np.ones(len(matrix), dtype=bool)
        console.print("every learner's result is known already; scoring all of them")
    result = predict(
        published, _rows(matrix, rows), calibration=calibration, personal=own, language=language
    )
    for warning in result.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False)
    out = Path(given["out"])
    write_predictions(result.frame, out)
    console.print(f"{len(result.frame)} learners scored: {out}", highlight=False, soft_wrap=True)


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
