"""The steps of a vertical job, whatever it is for: align, begin, train round by round.

What one party tells another is sealed between the two (`clients/parties.py`): the coordinator hands
letters on. `clients/vertical_label.py` and `clients/vertical_feature.py` say what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from clients.alignment import Mail, align_step, later_step, part_of
from clients.answer import Answer
from clients.parties import Parties, Parts
from clients.platform import TRAIN
from clients.site import Site
from clients.vertical_feature import FeatureSide
from clients.vertical_label import LabelSide
from clients.vertical_products import DEALER, is_dealt
from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.job import Job
from edufed.privacy.psi import Alignment

if TYPE_CHECKING:
    from clients.splitnn_feature import SplitFeatureSide
    from clients.splitnn_label import SplitLabelSide

Array = npt.NDArray[np.float64]
#: A party's side by whatever strategy: the same letters to and fro, and what is in them differs.
AnyLabelSide: TypeAlias = "LabelSide | SplitLabelSide"
AnyFeatureSide: TypeAlias = "FeatureSide | SplitFeatureSide"

#: Names of parts of letters.
BEGIN, ANSWER, ROUND, END = "begin", "answer", "round", "end"
#: Prefix of what a party's side keeps between messages.
SIDE = "side/"


class Purpose(Protocol):
    """What a vertical job is for: its rows, and what the label party says of them."""

    def label(self, parties: Parties, rows: npt.NDArray[np.int64], state: Arrays) -> AnyLabelSide:
        """Return the label party as it stands, its rows in the order that all share."""
        ...

    def feature(
        self,
        parties: Parties,
        rows: npt.NDArray[np.int64],
        part: npt.NDArray[np.uint8],
        state: Arrays,
    ) -> AnyFeatureSide:
        """Return a feature party as it stands; `part` says which rows train."""
        ...

    def alone(self, label: AnyLabelSide) -> Array:
        """Return what is kept of the label party's own scores, to compare the model with."""
        ...

    def say(
        self, parties: Parties, label: AnyLabelSide, state: Arrays, said: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what the label party says besides of a round, of which `said` tells."""
        ...


def alignment_step(
    site: Site,
    job: Job,
    meta: Mapping[str, Any],
    arrays: Arrays,
    identifiers: Sequence[str],
    purpose: Purpose,
) -> Answer:
    """Take one step of the alignment, and at its end exchange what the first round needs."""

    def finish(
        parties: Parties, alignment: Alignment, mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        rows: Arrays = {"rows": alignment.rows}
        if parties.leads:
            label = purpose.label(parties, alignment.rows, {})
            columns = {name: int(meta["parties"][name]) for name in parties.others}
            letters = {name: {BEGIN: letter} for name, letter in label.begin(columns).items()}
            rows["alone"] = purpose.alone(label)
            said = {"rows": len(alignment), "left_out": len(identifiers) - len(alignment)}
            if is_dealt(job):  # the coordinator has to know how many numbers to deal
                said["training_rows"] = int((label.part == TRAIN).sum())
            return rows | prefixed(SIDE, label.state), said, letters
        begin = part_of(mail, parties.leader, BEGIN)
        part = FeatureSide.part_of(parties, begin, len(alignment))
        feature = purpose.feature(parties, alignment.rows, part, {})
        if isinstance(feature, FeatureSide):
            feature.deal(mail.get(DEALER))
        letters = {parties.leader: {ANSWER: feature.begin(begin)}}
        said = {"present": int(alignment.present.sum())}
        return rows | prefixed(SIDE, feature.state), said, letters

    return align_step(site, job, meta, arrays, identifiers, finish)


def training_step(
    site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays, purpose: Purpose
) -> Answer:
    """Take a party's step of a round: letters in, letters out."""

    def then(
        parties: Parties, state: Arrays, mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        rows, inner = state["rows"], unprefixed(SIDE, state)
        rest = {name: array for name, array in state.items() if not name.startswith(SIDE)}
        if not parties.leads:
            feature = purpose.feature(parties, rows, inner["part"], inner)
            letter = part_of(mail, parties.leader, ROUND)
            answer = feature.round(int(meta["round"]), letter)
            return rest | prefixed(SIDE, feature.state), {}, {parties.leader: {ANSWER: answer}}
        label = purpose.label(parties, rows, inner)
        answers = {name: parts[ANSWER] for name, parts in mail.items() if ANSWER in parts}
        if DEALER in mail and isinstance(label, LabelSide):
            label.deal(mail[DEALER])
        said, letters = label.next(answers)
        said |= purpose.say(parties, label, state, said)
        ended = said["stopped_by"] is not None
        out = {name: {END if ended else ROUND: letter} for name, letter in letters.items()}
        return rest | prefixed(SIDE, label.state), said, out

    return later_step(site, job, meta, arrays, then)
