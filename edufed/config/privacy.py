"""What leaves a site, and under what protection: conf/privacy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from edufed.config.errors import Settings


class NoPrivacy(Settings):
    """Updates travel as they are (under TLS when deployed)."""

    name: Literal["none"]


class SecureSums(Settings):
    """Secure aggregation: the coordinator learns sums over sites and nothing of one site."""

    threshold: PositiveInt | None  # sites that must answer; default: all but a third


class SecAggSettings(SecureSums):
    """Secure aggregation of exact sums."""

    name: Literal["secagg"]


class HeSettings(Settings):
    """Encrypted sums: the coordinator adds ciphertexts, and is told the sum over sites alone."""

    name: Literal["he"]
    threshold: PositiveInt | None  # sites that must answer; default: all but a third


class PrivateLearners(Settings):
    """Differential privacy of each learner, all their rows together, in everything that leaves."""

    epsilon: PositiveFloat  # of the whole job
    delta: Annotated[float, Field(gt=0, lt=1)]
    sampling_rate: Annotated[float, Field(gt=0, le=1)]  # chance of a learner to be in a step
    clip: PositiveFloat  # greatest length of a learner's gradient


class DpSettings(PrivateLearners):
    """Each site adds all of the noise to what it sends."""

    name: Literal["dp"]
    #: Share of learners whose gradients are to stay whole: the clip follows it from `clip` on.
    clip_quantile: Annotated[float, Field(gt=0, lt=1)] | None


class SecAggDpSettings(PrivateLearners, SecureSums):
    """Sites add shares of the noise, and secure aggregation shows the sum alone."""

    name: Literal["secagg_dp"]
    colluding_sites: Annotated[int, Field(ge=0)]  # that may tell the coordinator their noise


PrivacySettings = Annotated[
    NoPrivacy | SecAggSettings | HeSettings | DpSettings | SecAggDpSettings,
    Field(discriminator="name"),
]
