"""What the label party of a cold start makes of the scores: figures to tell, and lists to keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clients.newcomers import Newcomers
from clients.platform import TEST
from edufed.cold_start.evaluation import ALONE, TOGETHER, judge_at, table
from edufed.cold_start.lists import Strength, deviations, personal
from edufed.cold_start.popularity import popularity
from edufed.config.job import Job
from edufed.ranking import top

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
COLUMNS = ("learner_id", "course_id", "place", "resource_id", "kind", "score", "reason")
#: A category is a reason where a newcomer is this much more likely than others to use it.
_MORE = 1.1
_REASON = {
    "en": (
        "{times:.1f} times as likely as others of the course to use {category}",
        "{share:.0%} of the course's learners used it in the last {days:g} days",
        "few have used it yet",
    ),
    "zh": (
        "使用“{category}”的可能性是本课程其他学习者的 {times:.1f} 倍",
        "本课程 {share:.0%} 的学习者在最近 {days:g} 天用过",
        "目前使用的人还很少",
    ),
}
_SEPARATOR = {"en": "; ", "zh": "；"}


def strength(job: Job) -> Strength:
    """Return the weights of the parts of a score, as the job sets them."""
    return Strength(job.cold_start.trust, job.cold_start.history_weight)


def figures(
    own: Newcomers, job: Job, rows: IntArray, alone: FloatArray, together: FloatArray
) -> list[dict[str, Any]]:
    """Judge all models on the test learners: sums over learners alone, none of few.

    Parameters
    ----------
    own : Newcomers
    job : Job
    rows : int64 array, shape (shared rows,)
    alone, together : float64 arrays, shape (shared rows, labels)
        Scores of this party's own columns, and of all parties'.

    Returns
    -------
    list of dict
        For each number of own uses `seen`, and for each `group`, "new" to the platform or "all"
        test learners with their history set aside: as `edufed.cold_start.evaluation.table`.
    """
    task, tests = job.cold_start, own.part == TEST
    chances = {ALONE: own.chances(rows, alone), TOGETHER: own.chances(rows, together)}
    found = []
    for seen in task.seen:
        judged = judge_at(
            own.arrivals, tests, chances, seen, task.cutoff_day, task.recent_days, strength(job)
        )
        for group, among in (("new", own.arrivals.new), ("all", np.ones(len(tests), dtype=bool))):
            rng = np.random.default_rng([job.seed, seen])
            told = table(judged, among, task.replicates, task.min_cohort, rng)
            found.append({"seen": seen, "group": group, **told})
    return found


def welcome_lists(own: Newcomers, job: Job, rows: IntArray, scores: FloatArray) -> pd.DataFrame:
    """Rank what the platform offers for each newcomer, and say why.

    Newcomers are those who had used nothing of the platform by the cutoff, and are not of the
    training courses.

    Returns
    -------
    pandas.DataFrame
        A row for each newcomer and place in their list: learner_id, course_id, place (1 is the
        first), resource_id, kind, score, reason.
    """
    task, arrivals = job.cold_start, own.arrivals
    chances = own.chances(rows, scores)
    listed = arrivals.new & (own.part == TEST)
    frames = [pd.DataFrame(columns=list(COLUMNS))]
    for course in sorted(set(arrivals.course_id[listed].tolist())):
        counts = popularity(arrivals, course, task.cutoff_day, task.recent_days)
        resources, offered = arrivals.resources, counts.offered
        category, names = resources.category[offered], resources.names[offered]
        chance = chances[counts.rows]
        none = np.zeros(chance.shape, dtype=np.int64)
        score = personal(counts, names, category, chance, none, strength(job))
        times = np.exp(deviations(chance))
        mine = np.flatnonzero(listed[counts.rows])
        chosen = top(score[mine], np.ones((len(mine), len(offered)), dtype=bool), task.top)
        who, place = np.nonzero(chosen >= 0)
        item, learner = chosen[who, place], mine[who]
        frames.append(
            pd.DataFrame(
                {
                    "learner_id": arrivals.learner_id[counts.rows][learner],
                    "course_id": course,
                    "place": place + 1,
                    "resource_id": names[item],
                    "kind": resources.kinds[offered][item],
                    "score": score[learner, item],
                    "reason": [
                        _reason(
                            resources.categories[category[j]],
                            times[i, category[j]],
                            counts.recent[i, j],
                            job,
                        )
                        for i, j in zip(learner, item, strict=True)
                    ],
                }
            )
        )
    filled = [frame for frame in frames if len(frame)] or frames
    return pd.concat(filled, ignore_index=True)


def _reason(category: str, times: float, share: float, job: Job) -> str:
    likely, used, rare = _REASON[job.language]
    said = []
    if times >= _MORE:
        said.append(likely.format(times=times, category=category.partition(":")[2]))
    if share >= 0.005:
        said.append(used.format(share=share, days=job.cold_start.recent_days))
    return _SEPARATOR[job.language].join(said) or rare
