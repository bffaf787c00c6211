"""Does a site have a kind of learner that the task is not about? Read off the site's update."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edufed.privacy.attacks.advantage import Advantage, difference_of_rates

Float64Array = npt.NDArray[np.float64]

#: Trains at a site with or without the property, with a seed; returns the update as a vector.
Update = Callable[[bool, int], Float64Array]


def infer_property(update: Update, shadows: int, trials: int, seed: int) -> Advantage:
    """Learn from shadow sites what updates look like with the property, and judge others.

    Melis et al. 2019, "Exploiting unintended feature leakage in collaborative learning", with a
    linear discriminant whose covariance is shrunk (Ledoit & Wolf 2004), as updates have more
    values than there are shadow sites.

    Parameters
    ----------
    update : Update
    shadows : int
        Sites of the attacker's own, half of them with the property.
    trials : int
        Sites attacked, half of them with the property.
    seed : int
    """
    has = np.arange(shadows + trials) % 2 == 0
    seen = np.stack([update(bool(yes), seed + place) for place, yes in enumerate(has)])
    # The shadow sites span few directions, whatever the size of a model: the judge works in those.
    judge = make_pipeline(
        StandardScaler(), PCA(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    )
    judge.fit(seen[:shadows], has[:shadows])
    said, truth = judge.predict(seen[shadows:]), has[shadows:]
    return difference_of_rates(
        "property inference",
        int(said[truth].sum()),
        int(truth.sum()),
        int(said[~truth].sum()),
        int((~truth).sum()),
    )
