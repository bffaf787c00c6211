"""How good lists for new learners are, at so many interactions of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from edufed.cold_start.arrivals import Arrivals, Text
from edufed.cold_start.lists import Strength, personal, popular
from edufed.cold_start.popularity import popularity
from edufed.ranking import interval, judge, poisson_weights, top

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
#: Length of the lists that are judged.
K = 10
POPULAR, RECENT, ALONE, TOGETHER = "popularity", "popularity_14", "own_attributes", "together"
#: What the model of all platforms is compared with.
RIVALS = (POPULAR, RECENT, ALONE)


@dataclass
class Judged:
    """Lists of all test learners at one number of own uses.

    Attributes
    ----------
    ndcg, hit : dict of str to list of arrays
        By model; one array a course.
    chosen : dict of str to list of int64 arrays, shape (learners, K)
        By model; places among the resources, -1 where a list is shorter.
    rows : list of int64 arrays
        Places in `Arrivals`.
    learners : list of object arrays
        Whose rows they are.
    offered : list of int64 arrays
        Places of what the course offers.
    """

    ndcg: dict[str, list[FloatArray]] = field(default_factory=dict)
    hit: dict[str, list[FloatArray]] = field(default_factory=dict)
    chosen: dict[str, list[IntArray]] = field(default_factory=dict)
    rows: list[IntArray] = field(default_factory=list)
    learners: list[Text] = field(default_factory=list)
    offered: list[IntArray] = field(default_factory=list)


def first_uses(arrivals: Arrivals, seen: int) -> tuple[Mask, Mask]:
    """Divide uses after the cutoff into those known so far and those to be foretold.

    Uses of one day stand in the order of their resources' places.

    Returns
    -------
    known, later : bool arrays, shape (rows, resources)
        `known` has `seen` uses for each row that has more than that, and `later` the others; a row
        with no more has nothing in `later`.
    """
    after = arrivals.after
    order = np.lexsort((after.resource, after.day, after.row))
    row, resource = after.row[order], after.resource[order]
    begins = np.searchsorted(row, row)
    place = np.arange(len(row)) - begins
    enough = np.bincount(row, minlength=len(arrivals))[row] > seen
    shape = (len(arrivals), len(arrivals.resources))
    known, later = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    first = enough & (place < seen)
    known[row[first], resource[first]] = True
    rest = enough & (place >= seen)
    later[row[rest], resource[rest]] = True
    return known, later


def judge_at(
    arrivals: Arrivals,
    test: Mask,
    chances: Mapping[str, FloatArray],
    seen: int,
    cutoff: float,
    recent_days: float,
    strength: Strength,
) -> Judged:
    """Rank everything on offer for every test learner who goes on to use something.

    Parameters
    ----------
    arrivals : Arrivals
    test : bool array, shape (rows,)
    chances : mapping of str to float64 array, shape (rows, categories)
        By model, each learner's chance of each category.
    seen : int
        Own uses that are known.
    cutoff, recent_days : float
    strength : Strength
    """
    resources = arrivals.resources
    known, later = first_uses(arrivals, seen)
    found = Judged()
    for course in sorted(set(arrivals.course_id[test].tolist())):
        counts = popularity(arrivals, course, cutoff, recent_days)
        offered, names = counts.offered, resources.names[counts.offered]
        category = resources.category[offered]
        own = np.zeros((len(counts.rows), len(resources.categories)), dtype=np.int64)
        mine = known[np.ix_(counts.rows, offered)]
        np.add.at(own.T, category, mine.T)
        scores = {
            POPULAR: popular(counts.share, names),
            RECENT: popular(counts.recent, names),
            **{
                model: personal(counts, names, category, chance[counts.rows], own, strength)
                for model, chance in chances.items()
            },
        }
        relevant = later[np.ix_(counts.rows, offered)]
        judged = test[counts.rows] & relevant.any(axis=1)
        if not judged.any():
            continue
        found.rows.append(counts.rows[judged])
        found.learners.append(arrivals.learner_id[counts.rows[judged]])
        found.offered.append(offered)
        for model, score in scores.items():
            chosen = top(score[judged], ~mine[judged], K)
            result = judge(chosen, relevant[judged])
            found.ndcg.setdefault(model, []).append(result.ndcg)
            found.hit.setdefault(model, []).append(result.hit)
            places = np.where(chosen >= 0, offered[chosen], -1)
            found.chosen.setdefault(model, []).append(places)
    return found


def table(
    judged: Judged, counted: Mask, replicates: int, least: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the figures of some learners: a row a model, and how far apart models are.

    Parameters
    ----------
    judged : Judged
    counted : bool array, shape (rows of Arrivals,)
        The learners to count.
    replicates : int
        Of the bootstrap over learners, each drawn with all courses that they take; the same draws
        for all models.
    least : int
        Nothing is told of fewer learners.

    Returns
    -------
    dict
        `learners` (one in two courses counts twice), `models` and `differences`; the last two are
        empty below `least`.
    """
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *judged.rows])
    among = counted[rows]
    if among.sum() < least:
        return {"learners": None, "models": [], "differences": []}
    person, people = pd.factorize(np.concatenate(judged.learners)[among])
    weights = poisson_weights(len(people), replicates, rng)[person]
    ndcg = {model: np.concatenate(values)[among] for model, values in judged.ndcg.items()}

    def mean(values: FloatArray) -> dict[str, float]:
        found = interval((values @ weights)[None], weights.sum(axis=0)[None].astype(np.float64))
        return dict(zip(("mean", "low", "high"), found, strict=True))

    models = []
    for model, values in ndcg.items():
        figures = mean(values)
        models.append(
            {
                "model": model,
                "ndcg_at_10": figures["mean"],
                "low": figures["low"],
                "high": figures["high"],
                "hr_at_10": float(np.concatenate(judged.hit[model])[among].mean()),
                "coverage": _coverage(judged, model, counted),
            }
        )
    differences = []
    for rival in (name for name in RIVALS if name in ndcg):
        figures = mean(ndcg[TOGETHER] - ndcg[rival])
        apart = {"gain": figures["mean"], "low": figures["low"], "high": figures["high"]}
        differences.append({"model": TOGETHER, "over": rival, **apart})
    return {"learners": int(among.sum()), "models": models, "differences": differences}


def _coverage(judged: Judged, model: str, counted: Mask) -> float:
    """Share of what the learners' courses offer that is in at least one of their lists."""
    among = [counted[rows] for rows in judged.rows]
    lists = zip(judged.chosen[model], among, strict=True)
    shown = np.unique(np.concatenate([chosen[mask].ravel() for chosen, mask in lists]))
    reached = [places for places, mask in zip(judged.offered, among, strict=True) if mask.any()]
    return float((shown >= 0).sum() / len(np.unique(np.concatenate(reached))))


def categories_used(arrivals: Arrivals) -> FloatArray:
    """Whether each row used each category after the cutoff: 1 or 0, shape (rows, categories)."""
    found = np.zeros((len(arrivals), len(arrivals.resources.categories)))
    found[arrivals.after.row, arrivals.resources.category[arrivals.after.resource]] = 1.0
    return found


def category_shares(
    arrivals: Arrivals, cutoff: float, recent_days: float, courses: Sequence[str]
) -> FloatArray:
    """How popular each category was in the rows' courses: log of 0.01 and shares summed.

    The same for all learners of a course: a share without a learner's own uses tells of these.

    Returns
    -------
    float64 array, shape (rows, categories)
    """
    found = np.zeros((len(arrivals), len(arrivals.resources.categories)))
    for course in courses:
        counts = popularity(arrivals, course, cutoff, recent_days)
        sums = np.zeros((len(counts.rows), found.shape[1]))
        np.add.at(sums.T, arrivals.resources.category[counts.offered], counts.share.T)
        found[counts.rows] = sums.mean(axis=0)
    return np.log(found + 0.01)
