"""What is trained: conf/model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from edufed.config.errors import Settings
from edufed.config.numbers import NotNegative


class LogisticSettings(Settings):
    """Logistic regression."""

    name: Literal["logistic"]
    l2: NotNegative


class MlpSettings(Settings):
    """A multi-layer perceptron with one risk at its end."""

    name: Literal["mlp"]
    hidden: list[PositiveInt]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    l2: NotNegative


ModelSettings = Annotated[LogisticSettings | MlpSettings, Field(discriminator="name")]
