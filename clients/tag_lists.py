"""A site's tag list: each learner's tags, and the cluster if there is one. Nothing is sent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clients.portrait import portray
from clients.predict import Predictions, about_fresh
from clients.site import Site
from edufed.features.matrix import FeatureMatrix
from edufed.portrait.fits import assign
from edufed.portrait.published import Portraits
from edufed.portrait.traits import trait_counts

COLUMNS = ("learner_id", "course_id", "tags", "cluster")
#: Between two tags of one learner.
_BETWEEN = "; "


def make_tags(
    model: Portraits, site: Site, matrix: FeatureMatrix, language: str = "en"
) -> Predictions:
    """Tag each learner.

    A course that the federation did not count, such as one that is running now, is ranked among
    the site's own learners, where there are enough of them.

    Parameters
    ----------
    model : Portraits
    site : Site
    matrix : FeatureMatrix
        The site's learners at the model's cutoff day.
    language : str
        Of the tags: "en" or "zh".

    Returns
    -------
    Predictions
        A row for each learner in a course: learner_id, course_id, tags (in words, in the order of
        the settings, empty where none fits), cluster (its number in the report; empty where no
        clustering was accepted).
    """
    settings = model.description.settings
    courses, sizes = np.unique(matrix.course_id.astype(str), return_counts=True)
    fresh = [course for course in courses.tolist() if course not in set(model.cohorts)]
    own = trait_counts(matrix, fresh, settings.ranked)
    placed, tags = portray(
        site, settings, matrix, [*model.cohorts, *fresh], np.concatenate([model.counts, own])
    )
    words = [rule.zh if language == "zh" else rule.en for rule in settings.tags]
    said = [_BETWEEN.join(w for w, has in zip(words, row, strict=True) if has) for row in tags]
    family = model.family
    cluster = [""] * len(matrix)
    if family is not None:
        cluster = [str(number + 1) for number in assign(family, model.fit, placed)]
    frame = pd.DataFrame(
        {
            "learner_id": matrix.learner_id,
            "course_id": matrix.course_id,
            "tags": said,
            "cluster": cluster,
        },
        columns=list(COLUMNS),
    )
    by_course = dict(zip(courses.tolist(), sizes.tolist(), strict=True))
    return Predictions(frame, about_fresh(by_course, fresh, settings.min_cohort))
