"""The ClientApp: every message that the coordinator can send, and what answers it; nothing else."""

from __future__ import annotations

from functools import partial

from flwr.clientapp import ClientApp

from clients.answer import Handler, answer
from clients.rooms import (
    ALIGN,
    CERTIFY,
    HELLO,
    MOMENTS,
    PORTRAIT,
    PUBLISH,
    QUALITY,
    QUALITY_COUNTS,
    RECOMMEND,
    RECOMMEND_TRAIN,
    SCORES,
    SCORING,
    TRAIN,
    TRANSFER,
    VERTICAL,
    by_task,
    in_room,
)

#: Message type -> what answers it at this site.
HANDLERS: dict[str, Handler] = {
    # Counts, course ids, and the quality of the records.
    "query.hello": by_task(HELLO, "hello"),
    # Keep the finished model at this site, with what only this site has.
    "query.publish": by_task(PUBLISH, "publish"),
    #
    # Sums that hide a site's share: sealed shares of this site's keys, or the sealed key; one
    # opened share for each site; an encrypted sum in whole numbers, or their digest.
    "query.keys": in_room("clients.summation", "deposit"),
    "query.unmask": in_room("clients.summation", "unmask"),
    "query.open": in_room("clients.encrypted_summation", "open_sum"),
    #
    # Horizontal: sums for scaling and cohort ranks; score the global model, then improve it on
    # this site's learners; score the chosen model and the baselines on its test learners.
    "query.statistics": by_task(TRAIN, "send_statistics"),
    "train.horizontal": by_task(TRAIN, "train"),
    "evaluate.horizontal": by_task(TRAIN, "evaluate"),
    #
    # Certify: calibration learners' scores, counted by result; how often prediction sets hold the
    # result of this site's test learners.
    "query.conformity": by_task(CERTIFY, "send_conformity"),
    "evaluate.certify": by_task(CERTIFY, "evaluate"),
    #
    # Vertical: one step of finding, with other platforms, which learners they share; one step of
    # training with them, by sealed letters; add up all platforms' masked scores, and write the
    # risks at this site.
    "query.align": by_task(ALIGN, "align"),
    "train.vertical": by_task(VERTICAL, "train"),
    "query.score": by_task(SCORING, "score"),
    #
    # Transfer: sums from which missing canonical features can be filled in; this site's share of
    # what sources and target learn together; how the sources' models place this source's test
    # learners; what the common knowledge is worth to this site, beside a model of its own.
    "query.moments": by_task(MOMENTS, "send_moments"),
    "train.transfer": by_task(TRANSFER, "train"),
    "query.scores": by_task(SCORES, "send_scores"),
    "evaluate.transfer": by_task(TRANSFER, "evaluate"),
    #
    # Recommend: what this site's learners used, counted by resource and by pair of resources; one
    # step's sums of the ranker and of the matrix factorisation; sums that judge every model's lists
    # for this site's test learners.
    "query.counts": by_task(RECOMMEND, "send_counts"),
    "train.recommend": by_task(RECOMMEND_TRAIN, "train"),
    "evaluate.recommend": by_task(RECOMMEND, "evaluate"),
    #
    # Portrait: histograms of the features whose ranks within courses portraits are made of; the
    # mean and covariance of training learners' ranks, as sums; one step's sums of all clusterings
    # under way; the tables by which clusterings are judged; how many learners have which tag, in
    # all and by cluster.
    "query.portrait_counts": by_task(PORTRAIT, "send_counts"),
    "query.portrait_moments": by_task(PORTRAIT, "send_moments"),
    "train.portrait": by_task(PORTRAIT, "train"),
    "evaluate.portrait": by_task(PORTRAIT, "evaluate"),
    "query.portrait_profiles": by_task(PORTRAIT, "send_profiles"),
    #
    # Quality map: names of units, terms and courses; the number of learners in every cell; the
    # measures' sums in those cells that may be told.
    "query.quality_hello": by_task(QUALITY, "hello"),
    "query.quality_counts": by_task(QUALITY_COUNTS, "send_counts"),
    "query.quality_sums": by_task(QUALITY, "send_sums"),
}

app = ClientApp()
_CATEGORIES = {"query": app.query, "train": app.train, "evaluate": app.evaluate}
for _kind, _handler in HANDLERS.items():
    _category, _action = _kind.split(".")
    _CATEGORIES[_category](_action)(partial(answer, handler=_handler))
