"""What is true of a region: every enrolment's real risk, and the coefficients behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from data_adapters.province.activity import subject_chances
from data_adapters.province.courses import Catalogue, catalogue
from data_adapters.province.learners import Learners, chunks, draw_learners, link_ids
from data_adapters.province.results import Results, draw_results
from data_adapters.province.risk import (
    SIGNAL,
    TRAITS,
    WITHDRAWAL_DAYS,
    WITHDRAWS,
    coefficients,
    drift,
    intercepts,
    sigmoid,
)
from data_adapters.province.settings import (
    EDUCATION,
    PLATFORMS,
    SUBJECTS,
    Platform,
    ProvinceSettings,
)


@dataclass(frozen=True)
class Truth:
    """The truth of a region.

    Attributes
    ----------
    coefficients : frame
        Log-odds of not passing for each trait; rows are education types.
    intercepts : series
        Log-odds at mean traits, by course, in this region.
    enrolments : frame
        link_id, course_id, education, on_mooc (whether the course platform knows the
        learner), one column a trait, probability (of not passing), not_passed, withdrawn.
    """

    coefficients: pd.DataFrame
    intercepts: pd.Series
    enrolments: pd.DataFrame


def truth(settings: ProvinceSettings, region: int) -> Truth:
    """Return what is true of `region`, drawn again: no file is read.

    Parameters
    ----------
    settings : ProvinceSettings
    region : int
        From 0.
    """
    books = catalogue(settings)
    place = drift(settings, region)
    parts = []
    for chunk in range(chunks(settings, region)):
        learners = draw_learners(settings, books, place, region, chunk)
        results = draw_results(settings, books, place, region, chunk, learners)
        parts.append(truth_table(settings, books, region, learners, results))
    return Truth(
        coefficients=pd.DataFrame(
            coefficients(settings), index=list(EDUCATION), columns=list(TRAITS)
        ),
        intercepts=pd.Series(intercepts(books, place), index=books.course_id),
        enrolments=pa.concat_tables(parts).to_pandas(),
    )


def preferences(settings: ProvinceSettings, region: int, platform: Platform) -> pd.DataFrame:
    """Return how a learner's use of open resources on `platform` parts among subjects.

    Returns
    -------
    frame, shape (learners, subjects)
        Chances that sum to 1 for each link_id: of all learners of the region, whether the
        platform knows them yet or not.
    """
    books = catalogue(settings)
    place = drift(settings, region)
    parts = []
    for chunk in range(chunks(settings, region)):
        learners = draw_learners(settings, books, place, region, chunk)
        tastes = learners.tastes[PLATFORMS.index(platform)]
        links = link_ids(settings, region, learners.number).to_pylist()
        parts.append(pd.DataFrame(subject_chances(books, tastes), links, list(SUBJECTS)))
    return pd.concat(parts).rename_axis("link_id")


def truth_table(
    settings: ProvinceSettings,
    books: Catalogue,
    region: int,
    learners: Learners,
    results: Results,
) -> pa.Table:
    """Return the true risk of a chunk's enrolments."""
    who = pa.array(learners.who)
    return pa.table(
        {
            "link_id": link_ids(settings, region, learners.number).take(who),
            "course_id": pa.array(books.course_id).take(pa.array(learners.course)),
            "education": pa.array(EDUCATION).take(pa.array(learners.education[learners.who])),
            "on_mooc": pa.array(learners.known[0][learners.who]),
            **{name: pa.array(learners.trait(name)) for name in TRAITS},
            "probability": pa.array(sigmoid(results.logit)),
            "not_passed": pa.array(results.failed),
            "withdrawn": pa.array(results.end < float("inf")),
        }
    )


def truth_summary(settings: ProvinceSettings, region: int) -> dict[str, Any]:
    """Return the coefficients and constants of a region, ready for JSON."""
    books = catalogue(settings)
    place = drift(settings, region)
    return {
        "settings": settings.model_dump(mode="json"),
        "region": region,
        "learners": settings.region_learners(region),
        "traits": list(TRAITS),
        "coefficients": {
            name: row.tolist() for name, row in zip(EDUCATION, coefficients(settings), strict=True)
        },
        "intercepts": dict(zip(books.course_id, intercepts(books, place).tolist(), strict=True)),
        "signal": SIGNAL,
        "withdraws": WITHDRAWS,
        "withdrawal_days": list(WITHDRAWAL_DAYS),
        "subject_tastes": dict(zip(SUBJECTS, books.tastes.tolist(), strict=True)),
    }
