"""Attack a site's own run: what the published model and the site's messages give away.

Everything happens at the site, on its own records; nothing is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.exposure import DEFENCES, Defence, Exposure, Learners
from clients.predict import scoring_design
from clients.publish import kept_with
from clients.site import Site
from clients.split import split
from clients.training import predict_logit
from edufed.config.job import Job
from edufed.config.strategy import LocalTraining
from edufed.features import FeatureMatrix
from edufed.models import RiskModel, get_weights
from edufed.privacy.attacks.advantage import Advantage
from edufed.privacy.attacks.inversion import recognise
from edufed.privacy.attacks.membership import likelihood_ratio, loss_threshold, margins
from edufed.privacy.attacks.properties import infer_property
from edufed.published import PublishedModel, restore_model
from edufed.records import DataError

Float64Array = npt.NDArray[np.float64]

#: Attacks that are played out under every defence, in the order in which they run.
ATTACKS = ("loss", "shadows", "inversion", "property")
#: Fewest learners with a known result without whom the intervals would say nothing.
FEWEST = 80
#: More learners than this are not needed for intervals of a few hundredths.
_MOST = 1200
_MOST_OTHERS, _MOST_ROUNDS = 4, 5
SHADOWS = 8
_BATCH, _CROWD, _TRIALS, _INVERSION_STEPS = 4, 40, 60, 20
_SITE, _SHADOW_SITES, _ATTACKED_SITES = 200, 40, 40
#: Share of a site's learners who are of the kind that is looked for, where it is and is not common.
_COMMON, _RARE = 0.8, 0.2
#: Kinds of learners that a task is not about, best known first.
_KINDS = ("female", "support_need", "means", "education_level", "age", "credits", "attempts")

#: Told of each attack before it runs: how many are done, how many there are, attack, defence.
Tell = Callable[[int, int, str, str], None]


@dataclass(frozen=True)
class Cell:
    """One attack under one defence.

    Attributes
    ----------
    attack : str
        One of `ATTACKS`, or ``model``: on the published model itself.
    defence : str
        One of `DEFENCES`, or ``published``.
    advantage : Advantage or None
        None where time ran out.
    seconds : float
    """

    attack: str
    defence: str
    advantage: Advantage | None
    seconds: float


@dataclass(frozen=True)
class Audit:
    """What all attacks found.

    Attributes
    ----------
    site, job, privacy : str
        `privacy` is what the job trained with.
    learners : int
        With a known result, trained or validated on.
    kind : str
        The feature that property inference looked for.
    others, rounds : int
        Sites played out beside this one, and rounds.
    epsilon, delta : float
        Of the defences with noise.
    cells : tuple of Cell
    """

    site: str
    job: str
    privacy: str
    learners: int
    kind: str
    others: int
    rounds: int
    epsilon: float
    delta: float
    cells: tuple[Cell, ...]


def audit(
    site: Site,
    published: PublishedModel,
    job: Job,
    *,
    plain: LocalTraining,
    epsilon: float,
    delta: float,
    seconds: float,
    tell: Tell,
) -> Audit:
    """Run all attacks, as far as time allows.

    Parameters
    ----------
    site : Site
    published : PublishedModel
    job : Job
        The job that made the model.
    plain : LocalTraining
        How a site trains where no noise is added.
    epsilon, delta : float
        For the defences that add noise.
    seconds : float
        No attack is begun later than this.
    tell : callable

    Raises
    ------
    DataError
        The model or the site's records do not allow an attack.
    """
    description = published.description
    matrix = site.learners(description.cutoff).matrix
    parts = split(matrix, job)
    x, _, _ = scoring_design(published, matrix)
    rows = Learners(x, matrix.target.astype(np.float32), matrix.learner_id)
    learning = np.flatnonzero(parts.train | parts.valid)
    people = len(np.unique(matrix.learner_id[learning].astype(str)))
    if people < FEWEST or len(np.unique(rows.y[learning])) < 2:
        raise DataError(
            f"{people} learners with a known result to train on, of both kinds: attacks need"
            f" {FEWEST}, or their success could not be told from luck"
        )
    kept = kept_with(site, description.job)
    model = restore_model(published, kept[1] if kept else None)
    own, elsewhere = _halves(rows, learning, job.seed)
    kind, high = _kind(matrix, learning)
    exposure = Exposure(
        job,
        plain,
        x.shape[1],
        min(job.scenario.rounds, _MOST_ROUNDS),
        elsewhere,
        min(max(len(description.sites) - 1, 2), _MOST_OTHERS),
        epsilon,
        delta,
    )
    attacks: dict[str, Callable[[Defence], Advantage]] = {
        "loss": lambda defence: _loss(exposure, defence, own, job.seed),
        "shadows": lambda defence: _shadows(exposure, defence, own, job.seed),
        "inversion": lambda defence: _inversion(exposure, defence, model, own, job.seed),
        "property": lambda defence: _property(exposure, defence, rows.at(learning), high, job.seed),
    }
    todo: list[tuple[str, str, Callable[[], Advantage]]] = [
        ("model", "published", lambda: _published(model, rows, parts.train, parts.valid, job.seed))
    ]
    for name in ATTACKS:
        for defence in DEFENCES:
            todo.append((name, defence, lambda n=name, d=defence: attacks[n](d)))  # type: ignore[misc]
    cells, begun = [], time.monotonic()
    for done, (name, against, attack) in enumerate(todo):
        tell(done, len(todo), name, against)
        started = time.monotonic()
        found = attack() if started - begun < seconds else None
        cells.append(Cell(name, against, found, time.monotonic() - started))
    return Audit(
        site=site.name,
        job=description.job,
        privacy=job.privacy.name,
        learners=people,
        kind=kind,
        others=exposure.others,
        rounds=exposure.rounds,
        epsilon=epsilon,
        delta=delta,
        cells=tuple(cells),
    )


def _halves(rows: Learners, learning: npt.NDArray[np.intp], seed: int) -> tuple[Learners, Learners]:
    """Divide learners, all rows of each together, into those attacked and those elsewhere."""
    names = rows.whose[learning].astype(str)
    people = np.random.default_rng(seed).permutation(np.unique(names))[:_MOST]
    half = len(people) // 2
    return (
        rows.at(learning[np.isin(names, people[:half])]),
        rows.at(learning[np.isin(names, people[half:])]),
    )


def _kind(
    matrix: FeatureMatrix, learning: npt.NDArray[np.intp]
) -> tuple[str, npt.NDArray[np.bool_]]:
    """Choose a kind of learner that the site has both of, and say who of them is of that kind."""
    order = [*_KINDS, *(name for name in matrix.names if name not in _KINDS)]
    for name in order:
        if name not in matrix.names:
            continue
        values = matrix.values[learning, matrix.names.index(name)].astype(np.float64)
        known = values[~np.isnan(values)]
        if not len(known):
            continue
        high = values > min(float(np.median(known)), float(known.max()) - 1e-9)
        if min(high.sum(), (~high).sum()) >= FEWEST // 8:
            return name, high
    raise DataError("all learners are alike in every feature: there is no property to infer")


def _published(
    model: RiskModel,
    rows: Learners,
    train: npt.NDArray[np.bool_],
    valid: npt.NDArray[np.bool_],
    seed: int,
) -> Advantage:
    """Tell those trained on from those held back by the published model's loss."""
    at = train | valid
    margin = margins(predict_logit(model, rows.x[at]), rows.y[at], rows.whose[at])
    names = np.unique(rows.whose[at].astype(str))
    members = np.isin(names, np.unique(rows.whose[train].astype(str)))
    return loss_threshold(margin, members, seed)


def _fit(
    exposure: Exposure, defence: Defence, own: Learners
) -> tuple[Callable[[npt.NDArray[np.bool_], int], Float64Array], int]:
    """What `likelihood_ratio` calls, and how many learners there are."""
    names, whose = np.unique(own.whose.astype(str), return_inverse=True)

    def fit(members: npt.NDArray[np.bool_], seed: int) -> Float64Array:
        model = exposure.model(defence, own.at(members[whose]), seed, exposure.rounds)
        return margins(predict_logit(model, own.x), own.y, own.whose)

    return fit, len(names)


def _loss(exposure: Exposure, defence: Defence, own: Learners, seed: int) -> Advantage:
    fit, count = _fit(exposure, defence, own)
    members = np.random.default_rng(seed + 1).random(count) < 0.5
    return loss_threshold(fit(members, seed), members, seed)


def _shadows(exposure: Exposure, defence: Defence, own: Learners, seed: int) -> Advantage:
    fit, count = _fit(exposure, defence, own)
    return likelihood_ratio(fit, count, shadows=SHADOWS, targets=1, seed=seed)


def _inversion(
    exposure: Exposure, defence: Defence, model: RiskModel, own: Learners, seed: int
) -> Advantage:
    return recognise(
        model,
        exposure.observe(defence, model, seed),
        own.x,
        own.y,
        batch=_BATCH,
        crowd=min(_CROWD, len(own)),
        trials=_TRIALS,
        steps=_INVERSION_STEPS,
        seed=seed,
    )


def _property(
    exposure: Exposure,
    defence: Defence,
    learners: Learners,
    high: npt.NDArray[np.bool_],
    seed: int,
) -> Advantage:
    """Tell sites with many learners of a kind from sites with few, by one round's update."""
    groups = np.flatnonzero(high), np.flatnonzero(~high)
    size = min(_SITE, len(learners))

    def update(has: bool, number: int) -> Float64Array:
        rng = np.random.default_rng(number)
        of_the_kind = int(size * (_COMMON if has else _RARE))
        places = np.concatenate(
            [rng.choice(groups[0], of_the_kind), rng.choice(groups[1], size - of_the_kind)]
        )
        model = exposure.model(defence, learners.at(places), number, rounds=1)
        return np.concatenate(
            [weight.ravel() for weight in get_weights(model).values()], dtype=np.float64
        )

    return infer_property(update, _SHADOW_SITES, _ATTACKED_SITES, 1000 * seed)
