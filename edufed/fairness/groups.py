"""Which groups a learner belongs to, by the columns that the site's data and policy leave."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]

#: Attribute -> its groups. A learner is in one group of each attribute, or in none where the data
#: do not state it.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "gender": ("female", "not_female"),
    "age": ("older", "younger"),
    "need": ("need", "no_need"),
    "education": ("lower_secondary", "upper_secondary", "tertiary"),
    "means": ("poorest", "middle", "richest"),
}
#: All groups in one row: (attribute, group).
GROUPS: tuple[tuple[str, str], ...] = tuple(
    (attribute, group) for attribute, groups in ATTRIBUTES.items() for group in groups
)
#: Features (`edufed.features.background`) that say to which groups a learner belongs.
COLUMNS = ("female", "age", "support_need", "education_level", "means")
#: The older are those of age bands that begin at this age or above, as on the quality map.
OLDER_FROM = 35
#: ISCED 2011 levels of prior education at which the second and the third group begin.
UPPER_SECONDARY, TERTIARY = 3, 5
#: Ranks of means (0 the most deprived) at which the second and the third group begin.
MIDDLE, RICHEST = 0.2, 0.8


def slots(attribute: str) -> slice:
    """Return where an attribute's groups lie in `GROUPS`."""
    places = [place for place, (name, _) in enumerate(GROUPS) if name == attribute]
    return slice(places[0], places[-1] + 1)


def memberships(columns: Mapping[str, FloatArray]) -> IntArray:
    """Return each learner's group of each attribute.

    Parameters
    ----------
    columns : mapping of str to float array, shape (rows,)
        `COLUMNS`; NaN where the data do not state a value, a missing column counts as not stated.

    Returns
    -------
    int64 array, shape (rows, len(ATTRIBUTES))
        Place in `GROUPS`; -1 where it is not known.
    """
    rows = max((len(values) for values in columns.values()), default=0)
    unknown = np.full(rows, np.nan)
    female, age, need, level, means = (
        np.asarray(columns.get(name, unknown), dtype=np.float64) for name in COLUMNS
    )
    within = (
        np.where(female >= 0.5, 0, 1),
        np.where(age >= OLDER_FROM, 0, 1),
        np.where(need >= 0.5, 0, 1),
        np.searchsorted([UPPER_SECONDARY, TERTIARY], level, side="right"),
        np.searchsorted([MIDDLE, RICHEST], means, side="right"),
    )
    stated = (female, age, need, level, means)
    return np.stack(
        [
            np.where(np.isnan(values), -1, slots(attribute).start + place)
            for attribute, place, values in zip(ATTRIBUTES, within, stated, strict=True)
        ],
        axis=1,
    ).astype(np.int64)


def members(codes: IntArray, group: int) -> npt.NDArray[np.bool_]:
    """Return which rows of `memberships` are in a group, by its place in `GROUPS`."""
    attribute = list(ATTRIBUTES).index(GROUPS[group][0])
    found: npt.NDArray[np.bool_] = codes[:, attribute] == group
    return found
