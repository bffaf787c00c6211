"""What a coordinator sees of a site's learners in training, under each defence.

Training is played out at the site, with the site's own learners as those attacked, and others of
its learners as those of the other sites. The attacker is given everything but who took part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from clients.training import decayed, train_locally
from edufed.config.job import Job
from edufed.config.strategy import LocalTraining
from edufed.models import RiskModel, Weights, build_model, get_weights, set_weights
from edufed.privacy.attacks.inversion import FloatArray, Gradient, Observe, plain_gradient
from edufed.privacy.dp.accounting import calibrate
from edufed.privacy.dp.descent import Descent
from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.training import gradient_share, train_privately

#: secagg stands for encrypted sums too: the coordinator sees the same.
Defence = Literal["none", "secagg", "dp", "secagg_dp"]
DEFENCES: tuple[Defence, ...] = get_args(Defence)

#: Steps of private training in all rounds together, each over all learners, and its clip.
STEPS, CLIP = 20, 1.0
#: Step size of private training at one site, and of the descent on sums over sites.
SITE_RATE, SUM_RATE = 1.0, 0.5
_GRID = 2.0**-24


@dataclass(frozen=True)
class Learners:
    """Rows as a model reads them; `whose` names the learner of each."""

    x: FloatArray
    y: FloatArray
    whose: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.y)

    def at(self, rows: npt.NDArray[np.generic]) -> Learners:
        """Return some of the rows, by mask or by place."""
        return Learners(self.x[rows], self.y[rows], self.whose[rows])


@dataclass(frozen=True)
class Exposure:
    """How one job trains, and who is there beside the learners that are attacked.

    Attributes
    ----------
    job : Job
        Its model and seed decide how sites begin.
    training : LocalTraining
        How a site trains in a round without noise.
    columns : int
        Of the design.
    rounds : int
    elsewhere : Learners
        From whom the other sites' learners are drawn.
    others : int
        How many other sites.
    epsilon, delta : float
        Budget of the defences that add noise.
    """

    job: Job
    training: LocalTraining
    columns: int
    rounds: int
    elsewhere: Learners
    others: int
    epsilon: float
    delta: float

    def model(self, defence: Defence, own: Learners, seed: int, rounds: int) -> RiskModel:
        """Train on the site's learners as under `defence`; return the model that is seen.

        Without secure aggregation that is the site's own model, trained as long as the job's
        rounds take; with it, the mean over the sites, or what their summed noisy gradients make.
        """
        if defence == "none":
            return self._federated([own], seed, rounds)
        if defence == "secagg":
            return self._federated([own, *self._elsewhere(len(own), seed)], seed, rounds)
        steps = STEPS * rounds // self.rounds  # the budget is that of all the job's rounds
        if defence == "dp":
            return self._private(own, seed, steps)
        return self._private_sum([own, *self._elsewhere(len(own), seed)], seed, steps)

    def observe(self, defence: Defence, model: RiskModel, seed: int) -> Observe:
        """Return what the coordinator sees of one batch's gradient under `defence`."""
        source = RandomSource.repeatable(seed)
        rng = np.random.default_rng(seed)
        noise = calibrate(self.epsilon, self.delta, 1.0, STEPS)

        def around(x: FloatArray, y: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
            drawn = rng.integers(len(self.elsewhere), size=(self.others, len(x)))
            return [(x, y), *((self.elsewhere.x[rows], self.elsewhere.y[rows]) for rows in drawn)]

        def noisy(batches: list[tuple[FloatArray, FloatArray]], least: int) -> Gradient:
            shares = [
                gradient_share(
                    model,
                    x,
                    y,
                    np.arange(len(x)).astype(str).astype(object),
                    noise_multiplier=noise,
                    clip=CLIP,
                    sample_rate=1.0,
                    minimum_sites=least,
                    grid=_GRID,
                    source=source,
                )
                for x, y in batches
            ]
            rows = sum(len(x) for x, _ in batches)
            model.eval()
            return [
                torch.from_numpy(
                    (np.sum([share[name] for share in shares], axis=0) / rows).astype(np.float32)
                )
                for name in shares[0]
            ]

        def mean(batches: list[tuple[FloatArray, FloatArray]]) -> Gradient:
            x, y = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))
            return plain_gradient(model, torch.from_numpy(x), torch.from_numpy(y))

        seen: dict[Defence, Callable[[FloatArray, FloatArray], Gradient]] = {
            "none": lambda x, y: mean([(x, y)]),
            "secagg": lambda x, y: mean(around(x, y)),
            "dp": lambda x, y: noisy([(x, y)], 1),
            "secagg_dp": lambda x, y: noisy(around(x, y), self._least),
        }
        return seen[defence]

    @property
    def _least(self) -> int:
        sites = self.others + 1
        return sites - sites // 3

    def _fresh(self) -> RiskModel:
        return build_model(self.job.model, self.columns, self.job.seed)

    def _elsewhere(self, rows: int, seed: int) -> list[Learners]:
        """Draw the other sites' learners: the attacker does not know them."""
        rng = np.random.default_rng(seed)
        drawn = rng.integers(len(self.elsewhere), size=(self.others, rows))
        return [self.elsewhere.at(places) for places in drawn]

    def _federated(self, sites: list[Learners], seed: int, rounds: int) -> RiskModel:
        settings, model = self.training, self._fresh()
        for number in range(rounds):
            start, locals_ = get_weights(model), []
            for place, site in enumerate(sites):
                set_weights(model, start)
                train_locally(
                    model,
                    site.x,
                    site.y,
                    epochs=settings.local_epochs,
                    batch_size=settings.batch_size,
                    learning_rate=decayed(settings.learning_rate, number, rounds),
                    l2=self.job.model.l2,
                    proximal_mu=0.0,
                    seed=seed + 1000 * number + place,
                )
                locals_.append(get_weights(model))
            set_weights(model, _mean(locals_))
        return model

    def _private(self, own: Learners, seed: int, steps: int) -> RiskModel:
        model = self._fresh()
        train_privately(
            model,
            own.x,
            own.y,
            own.whose,
            noise_multiplier=calibrate(self.epsilon, self.delta, 1.0, STEPS),
            clip=CLIP,
            sample_rate=1.0,
            steps=steps,
            population=float(len(own)),
            learning_rate=SITE_RATE,
            source=RandomSource.repeatable(seed),
        )
        return model

    def _private_sum(self, sites: list[Learners], seed: int, steps: int) -> RiskModel:
        noise = calibrate(self.epsilon, self.delta, 1.0, STEPS)
        source, descent, model = RandomSource.repeatable(seed), Descent(SUM_RATE), self._fresh()
        rows = float(sum(map(len, sites)))
        for _ in range(steps):
            shares = [
                gradient_share(
                    model,
                    site.x,
                    site.y,
                    site.whose,
                    noise_multiplier=noise,
                    clip=CLIP,
                    sample_rate=1.0,
                    minimum_sites=self._least,
                    grid=_GRID,
                    source=source,
                )
                for site in sites
            ]
            total = {name: np.sum([share[name] for share in shares], axis=0) for name in shares[0]}
            set_weights(model, descent.step(get_weights(model), total, rows))
        return model


def _mean(models: list[Weights]) -> Weights:
    return {
        name: np.asarray(np.mean([weights[name] for weights in models], axis=0), np.float32)
        for name in models[0]
    }
