"""The ClientApp: every function that the coordinator can call, and nothing else."""

from __future__ import annotations

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from clients.answer import answer
from clients.rooms import (
    ALIGN,
    HELLO,
    PUBLISH,
    QUALITY,
    QUALITY_COUNTS,
    RECOMMEND,
    TRAIN,
    TRANSFER,
    VERTICAL,
    by_task,
)

app = ClientApp()


@app.query("hello")
def hello(message: Message, context: Context) -> Message:
    """Answer with counts, course ids, and the quality of the records."""
    return answer(message, context, by_task(HELLO, "hello"))


@app.query("statistics")
def statistics(message: Message, context: Context) -> Message:
    """Answer with sums for scaling and cohort ranks."""
    return answer(message, context, by_task(TRAIN, "send_statistics"))


@app.query("quality_hello")
def quality_hello(message: Message, context: Context) -> Message:
    """Answer with names of units, terms and courses for the quality map."""
    return answer(message, context, by_task(QUALITY, "hello"))


@app.query("quality_counts")
def quality_counts(message: Message, context: Context) -> Message:
    """Answer with the number of learners in every cell of the quality map."""
    return answer(message, context, by_task(QUALITY_COUNTS, "send_counts"))


@app.query("quality_sums")
def quality_sums(message: Message, context: Context) -> Message:
    """Answer with the measures' sums in those cells of the quality map that may be told."""
    return answer(message, context, by_task(QUALITY, "send_sums"))


@app.query("keys")
def keys(message: Message, context: Context) -> Message:
    """Answer with sealed shares of this site's keys, or the sealed key, for the job's sums."""
    from clients import summation

    return answer(
        message, context, lambda site, job, _, arrays: ({}, summation.deposit(site, job, arrays))
    )


@app.query("unmask")
def unmask(message: Message, context: Context) -> Message:
    """Answer with one opened share for each site of a secure sum."""
    from clients import summation

    return answer(
        message, context, lambda site, job, _, arrays: ({}, summation.unmask(site, job, arrays))
    )


@app.query("open")
def open_sum(message: Message, context: Context) -> Message:
    """Answer with an encrypted sum in whole numbers, or with their digest."""
    from clients import encrypted_summation

    return answer(
        message,
        context,
        lambda site, job, _, arrays: ({}, encrypted_summation.open_sum(site, job, arrays)),
    )


@app.train("horizontal")
def train_horizontal(message: Message, context: Context) -> Message:
    """Score the global model, then improve it on this site's learners."""
    return answer(message, context, by_task(TRAIN, "train"))


@app.evaluate("horizontal")
def evaluate_horizontal(message: Message, context: Context) -> Message:
    """Score the chosen model and the baselines on this site's test learners."""
    return answer(message, context, by_task(TRAIN, "evaluate"))


@app.query("conformity")
def conformity(message: Message, context: Context) -> Message:
    """Answer with calibration learners' scores, counted by result."""
    from clients import certify

    return answer(message, context, certify.send_conformity)


@app.evaluate("certify")
def evaluate_certify(message: Message, context: Context) -> Message:
    """Tell how often prediction sets hold the result of this site's test learners."""
    from clients import certify

    return answer(message, context, certify.evaluate)


@app.query("align")
def align(message: Message, context: Context) -> Message:
    """Take one step of finding, with other platforms, which learners they share."""
    return answer(message, context, by_task(ALIGN, "align"))


@app.query("score")
def score(message: Message, context: Context) -> Message:
    """Add up all platforms' masked scores, and write the risks at this site."""
    from clients import vertical_scoring

    return answer(message, context, vertical_scoring.score)


@app.train("vertical")
def train_vertical(message: Message, context: Context) -> Message:
    """Take one step of training with other platforms, by sealed letters."""
    return answer(message, context, by_task(VERTICAL, "train"))


@app.query("counts")
def counts(message: Message, context: Context) -> Message:
    """Answer with what this site's learners used, counted by resource and by pair of resources."""
    return answer(message, context, by_task(RECOMMEND, "send_counts"))


@app.train("recommend")
def train_recommend(message: Message, context: Context) -> Message:
    """Answer with one step's sums of the ranker and of the matrix factorisation."""
    from clients import recommend

    return answer(message, context, recommend.train)


@app.evaluate("recommend")
def evaluate_recommend(message: Message, context: Context) -> Message:
    """Judge every model's lists for this site's test learners; answer with sums."""
    return answer(message, context, by_task(RECOMMEND, "evaluate"))


@app.query("portrait_counts")
def portrait_counts(message: Message, context: Context) -> Message:
    """Answer with histograms of the features whose ranks within courses portraits are made of."""
    from clients import portrait

    return answer(message, context, portrait.send_counts)


@app.query("portrait_moments")
def portrait_moments(message: Message, context: Context) -> Message:
    """Answer with the mean and covariance of training learners' ranks, as sums."""
    from clients import portrait

    return answer(message, context, portrait.send_moments)


@app.train("portrait")
def train_portrait(message: Message, context: Context) -> Message:
    """Answer with one step's sums of all clusterings under way."""
    from clients import portrait

    return answer(message, context, portrait.train)


@app.evaluate("portrait")
def evaluate_portrait(message: Message, context: Context) -> Message:
    """Answer with the tables by which clusterings are judged."""
    from clients import portrait

    return answer(message, context, portrait.evaluate)


@app.query("portrait_profiles")
def portrait_profiles(message: Message, context: Context) -> Message:
    """Answer with how many learners have which tag, in all and by cluster."""
    from clients import portrait

    return answer(message, context, portrait.send_profiles)


@app.query("publish")
def publish(message: Message, context: Context) -> Message:
    """Keep the finished model at this site, with what only this site has."""
    return answer(message, context, by_task(PUBLISH, "publish"))


@app.query("moments")
def moments(message: Message, context: Context) -> Message:
    """Answer with sums from which missing canonical features can be filled in."""
    from clients import transfer

    return answer(message, context, transfer.send_moments)


@app.train("transfer")
def train_transfer(message: Message, context: Context) -> Message:
    """Answer with this site's share of what the sources and the target learn together."""
    return answer(message, context, by_task(TRANSFER, "train"))


@app.query("scores")
def scores(message: Message, context: Context) -> Message:
    """Answer with how the sources' models place this source's test learners."""
    from clients import transfer

    return answer(message, context, transfer.send_scores)


@app.evaluate("transfer")
def evaluate_transfer(message: Message, context: Context) -> Message:
    """Say what the common knowledge is worth to this site, beside a model of its own."""
    return answer(message, context, by_task(TRANSFER, "evaluate"))
