"""Why a resource is in a learner's list, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.recommend.counts import BEGUN_DAYS, USED_DAYS, Counts, begun, recently
from edufed.recommend.features import FEATURES, MATTERS
from edufed.recommend.items import Items
from edufed.recommend.usage import Catalogue, Interactions
from edufed.records import RESOURCE_KINDS

FloatArray = npt.NDArray[np.float64]
#: A share is said of no fewer learners than this.
FEWEST = 5

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
        "follows": "learners who used {other} went on to this within 14 days: {share} %",
        "together": "learners who used {other} also used this: {share} %",
        "begun": "new to {share} % of your course in the last week",
        "used": "used by {share} % of your course in the last week",
        "used_14": "used by {share} % of your course in the last two weeks",
        "kind": "a {kind}, as was {share} % of what you used in the last two weeks",
        "few": "few in your course have used it yet",
    },
    "zh": {
        "follows": "用过{other}的学习者中，{share} % 在 14 天内接着用了它",
        "together": "用过{other}的学习者中，{share} % 也用了它",
        "begun": "上一周，您的课程中有 {share} % 的人首次使用它",
        "used": "上一周，您的课程中有 {share} % 的人使用了它",
        "used_14": "最近两周，您的课程中有 {share} % 的人使用了它",
        "kind": "属于{kind}，最近两周您所用资源的 {share} % 是这一类",
        "few": "您的课程中还很少有人用过它",
    },
}


@dataclass(frozen=True)
class Grounds:
    """What the reasons of one course are drawn from.

    Parameters
    ----------
    catalogue : Catalogue
    counts : Counts
    items : Items
    weights : float64 array, shape (len(FEATURES),)
    cutoff : float
    language : {"en", "zh"}
    """

    catalogue: Catalogue
    counts: Counts
    items: Items
    weights: FloatArray
    cutoff: float
    language: str

    def reason(self, seen: Interactions, learner: int, x: FloatArray, item: int) -> str:
        """Say why resource `item` is recommended.

        The matter is the one that lifts the resource most above the average candidate of the
        learner, among those of which there is something to say.

        Parameters
        ----------
        seen : Interactions
        learner : int
            Row of `seen`.
        x : float array, shape (resources, len(FEATURES))
            The learner's.
        item : int
        """
        candidates = ~seen.used[learner]
        lift = self.weights * (x[item] - x[candidates].mean(axis=0))
        by_matter = {
            matter: sum(lift[FEATURES.index(name)] for name in names)
            for matter, names in MATTERS.items()
        }
        for matter in sorted(by_matter, key=lambda name: -by_matter[name]):
            said = getattr(self, f"_{matter}")(seen, learner, item) if by_matter[matter] > 0 else ""
            if said:
                return str(said)
        return self._used(seen, learner, item) or WORDS[self.language]["few"]

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
            said = self._tied(
                "follows", used[learner], self.items.following, self.counts.follows, item
            )
            if said:
                return said
        return ""

    def _together(self, seen: Interactions, learner: int, item: int) -> str:
        return self._tied("together", seen.used[learner], self.items.ease, self.counts.gram, item)

    def _tied(
        self,
        key: str,
        used: npt.NDArray[np.bool_],
        ties: FloatArray,
        pairs: npt.NDArray[np.int64],
        item: int,
    ) -> str:
        """Name the used resource of the strongest tie to `item`."""
        ours = np.flatnonzero(used & (self.counts.users >= FEWEST) & (ties[:, item] > 0))
        if not len(ours):
            return ""
        other = int(ours[np.argmax(ties[ours, item])])
        share = float(pairs[other, item] / self.counts.users[other])
        return self._say(key, share, other=self.name(other))

    def _begun(self, _seen: Interactions, _learner: int, item: int) -> str:
        return self._course("begun", self.counts.begun[BEGUN_DAYS.index(7)], item)

    def _used(self, _seen: Interactions, _learner: int, item: int) -> str:
        return self._course("used", self.counts.used[USED_DAYS.index(7)], item) or self._course(
            "used_14", self.counts.used[USED_DAYS.index(14)], item
        )

    def _course(self, key: str, users: Sequence[int] | npt.NDArray[np.int64], item: int) -> str:
        return self._say(key, users[item] / max(self.counts.learners, 1))

    def _kind(self, seen: Interactions, learner: int, item: int) -> str:
        recent = recently(seen, self.cutoff, USED_DAYS[-1])[learner]
        if not recent.any():
            return ""
        alike = self.catalogue.kinds == self.catalogue.kinds[item]
        return self._say("kind", float((recent & alike).sum() / recent.sum()), kind=self.kind(item))
