"""Why a resource is in a learner's list, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.recommend.counts import BEGUN_DAYS, USED_DAYS, Counts, begun, recently
from edufed.recommend.features import FEATURES, MATTERS
from edufed.recommend.usage import Catalogue, Interactions
from edufed.records import RESOURCE_KINDS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
#: A share is said of no fewer learners than this.
FEWEST = 5
#: A tie is said where so many went on, and so many times more than of the whole course; a kind,
#: where so much of what the learner used is of it.
LEAST_TIE, LEAST_RATIO, LEAST_KIND = 0.1, 1.25, 0.3

KINDS = {
    "zh": dict(
        zip(
            RESOURCE_KINDS,
            [
                "主页",
                "内容",
                "页面",
                "链接",
                "视频",
                "直播课",
                "论坛",
                "维基",
                "测验",
                "练习",
                "术语表",
                "作业",
                "资源",
            ],
            strict=True,
        )
    )
}
WORDS = {
    "en": {
        "follows": "{share} % of learners who used {other} went on to this within 14 days",
        "together": "{share} % of learners who used {other} also used this",
        "begun": "new to {share} % of your course in the last week",
        "used": "used by {share} % of your course in the last week",
        "used_14": "used by {share} % of your course in the last two weeks",
        "kind": "{share} % of what you used in the last two weeks was of its kind ({kind})",
        "few": "few in your course have used it yet",
        "then": "; ",
    },
    "zh": {
        "follows": "用过{other} 的学习者中，{share} % 在 14 天内接着用了它",
        "together": "用过{other} 的学习者中，{share} % 也用了它",
        "begun": "上一周，您的课程中有 {share} % 的人首次使用它",
        "used": "上一周，您的课程中有 {share} % 的人使用了它",
        "used_14": "最近两周，您的课程中有 {share} % 的人使用了它",
        "kind": "最近两周您所用资源的 {share} % 与它同类（{kind}）",
        "few": "您的课程中还很少有人用过它",
        "then": "；",
    },
}


@dataclass(frozen=True)
class Grounds:
    """What the reasons of one course are drawn from.

    Parameters
    ----------
    catalogue : Catalogue
    counts : Counts
    weights : float64 array, shape (len(FEATURES),)
    cutoff : float
    language : {"en", "zh"}
    """

    catalogue: Catalogue
    counts: Counts
    weights: FloatArray
    cutoff: float
    language: str

    def reason(self, seen: Interactions, learner: int, x: FloatArray, item: int) -> str:
        """Say why resource `item` is recommended: by what the learner used, and by the course.

        Only what lifts the resource above the learner's average candidate is said. What the
        learner used comes first, the matter that lifts most.

        Parameters
        ----------
        seen : Interactions
        learner : int
            Row of `seen`.
        x : float array, shape (resources, len(FEATURES))
            The learner's.
        item : int
        """
        lift = self.weights * (x[item] - x[~seen.used[learner]].mean(axis=0))
        by_matter = {
            matter: sum(lift[FEATURES.index(name)] for name in names)
            for matter, names in MATTERS.items()
        }
        parts = []
        for matters in (("follows", "together", "kind"), ("begun", "used")):
            said = (
                getattr(self, f"_{matter}")(seen, learner, item)
                for matter in sorted(matters, key=lambda name: -by_matter[name])
                if by_matter[matter] > 0
            )
            parts.append(next((text for text in said if text), ""))
        parts[1] = parts[1] or self._used(seen, learner, item)
        words = WORDS[self.language]
        return words["then"].join(part for part in parts if part) or words["few"]

    def name(self, item: int) -> str:
        """Kind and id of a resource."""
        return f"{self.kind(item)} {self.catalogue.resources[item]}"

    def kind(self, item: int) -> str:
        """Kind of a resource in the reasons' language."""
        kind = RESOURCE_KINDS[self.catalogue.kinds[item]]
        return KINDS.get(self.language, {}).get(kind, kind)

    def _say(self, key: str, share: float, **values: str) -> str:
        whole = round(100 * share)
        return WORDS[self.language][key].format(share=whole, **values) if whole else ""

    def _follows(self, seen: Interactions, learner: int, item: int) -> str:
        days = BEGUN_DAYS[-1]
        for used in (begun(seen, self.cutoff, days), recently(seen, self.cutoff, days)):
            new = self.counts.begun[-1]
            said = self._tied("follows", used[learner], self.counts.follows, new, item)
            if said:
                return said
        return ""

    def _together(self, seen: Interactions, learner: int, item: int) -> str:
        users = self.counts.users
        return self._tied("together", seen.used[learner], self.counts.gram, users, item)

    def _tied(self, key: str, used: Mask, pairs: IntArray, of_course: IntArray, item: int) -> str:
        """Name the used resource most of whose users came to `item`, more than of the course."""
        users = self.counts.users
        ours = np.flatnonzero(used & (users >= FEWEST))
        if not len(ours):
            return ""
        shares = pairs[ours, item] / users[ours]
        best = int(np.argmax(shares))
        usual = of_course[item] / max(self.counts.learners, 1)
        if shares[best] < max(LEAST_TIE, LEAST_RATIO * usual):
            return ""
        return self._say(key, float(shares[best]), other=self.name(int(ours[best])))

    def _begun(self, _seen: Interactions, _learner: int, item: int) -> str:
        return self._course("begun", self.counts.begun[BEGUN_DAYS.index(7)], item)

    def _used(self, _seen: Interactions, _learner: int, item: int) -> str:
        return self._course("used", self.counts.used[USED_DAYS.index(7)], item) or self._course(
            "used_14", self.counts.used[USED_DAYS.index(14)], item
        )

    def _course(self, key: str, users: IntArray, item: int) -> str:
        return self._say(key, users[item] / max(self.counts.learners, 1))

    def _kind(self, seen: Interactions, learner: int, item: int) -> str:
        recent = recently(seen, self.cutoff, USED_DAYS[-1])[learner]
        if not recent.any():
            return ""
        alike = self.catalogue.kinds == self.catalogue.kinds[item]
        share = float((recent & alike).sum() / recent.sum())
        return self._say("kind", share, kind=self.kind(item)) if share >= LEAST_KIND else ""
