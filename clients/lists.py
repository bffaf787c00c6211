"""A site's lists: for each learner the resources to try next, with reasons. Nothing is sent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clients.predict import Predictions
from edufed.ranking import top
from edufed.recommend.agreed import Course
from edufed.recommend.counts import count
from edufed.recommend.features import features
from edufed.recommend.items import Items
from edufed.recommend.published import Recommender
from edufed.recommend.reasons import Grounds
from edufed.recommend.usage import Catalogue, Interactions, Usage, interactions
from edufed.records import RESOURCE_KINDS

#: Learners whose features are in memory at a time.
_PART = 256
COLUMNS = ("learner_id", "course_id", "place", "resource_id", "kind", "score", "reason")


def make_lists(model: Recommender, usage: Usage, language: str = "en") -> Predictions:
    """Rank each learner's unused resources and say why.

    A course that the federation did not count, such as one that is running now, is ranked by the
    counts of the site's own learners.

    Parameters
    ----------
    model : Recommender
    usage : Usage
        The site's learners on the model's cutoff day.
    language : str
        Of the reasons: "en" or "zh".

    Returns
    -------
    Predictions
        A row for each learner and place in their list: learner_id, course_id, place (1 is the
        first), resource_id, kind, score (the ranker's chance among the candidates), reason.
    """
    known = {course.catalogue.course: course for course in model.agreed}
    warnings = []
    frames = [pd.DataFrame(columns=list(COLUMNS))]
    for name in sorted(usage.catalogues):
        course = known.get(name)
        if course is None:
            course = _own(model, usage, name)
            warnings.append(
                f"{name}: not among the model's courses; ranked by what this site's own"
                f" {course.counts.learners} learners use"
            )
        seen = interactions(usage, course.catalogue)
        for begin in range(0, len(seen.rows), _PART):
            part = np.zeros(len(seen.rows), dtype=bool)
            part[begin : begin + _PART] = True
            frames.append(_course(model, course, usage, seen.part(part), language))
    filled = [frame for frame in frames if len(frame)] or frames
    return Predictions(pd.concat(filled, ignore_index=True), warnings)


def _own(model: Recommender, usage: Usage, name: str) -> Course:
    catalogue = Catalogue.of(name, usage.catalogues[name])
    counts = count(interactions(usage, catalogue), model.description.settings.cutoff_day)
    return Course(catalogue, trains=False, tests=False, counts=counts)


def _course(
    model: Recommender, course: Course, usage: Usage, seen: Interactions, language: str
) -> pd.DataFrame:
    settings = model.description.settings
    items = Items.of(course.counts, settings.ease_l2)
    weights, catalogue = model.trained.weights, course.catalogue
    x = features(seen, course.counts, items, catalogue.kinds, settings.cutoff_day).astype(float)
    candidates = ~seen.used
    logits = np.where(candidates, x @ weights, -np.inf)
    chosen = top(logits, candidates, settings.top)
    high = np.max(logits, axis=1, initial=-np.inf, keepdims=True)
    chances = np.exp(logits - np.where(np.isfinite(high), high, 0.0))
    chances /= np.maximum(chances.sum(axis=1, keepdims=True), 1e-300)
    grounds = Grounds(catalogue, course.counts, weights, settings.cutoff_day, language)
    rows = []
    for learner, row in enumerate(seen.rows):
        for place, item in enumerate(chosen[learner][chosen[learner] >= 0], start=1):
            rows.append(
                (
                    usage.learner_id[row],
                    catalogue.course,
                    place,
                    catalogue.resources[item],
                    RESOURCE_KINDS[catalogue.kinds[item]],
                    chances[learner, item],
                    grounds.reason(seen, learner, x[learner], int(item)),
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))
