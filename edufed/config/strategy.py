"""How sites' work becomes one model: conf/strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from edufed.config.errors import Settings
from edufed.config.numbers import NotNegative


class Averaging(Settings):
    """Sites send models, and these are combined."""

    max_update_norm: PositiveFloat | None  # the farthest (L2) that one round may move its model


class LocalTraining(Averaging):
    """How a site trains within one round."""

    local_epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat  # in the first round; it falls to almost nothing in the last


class FedAvgSettings(LocalTraining):
    """FedAvg (McMahan et al. 2017)."""

    name: Literal["fedavg"]


class FedProxSettings(LocalTraining):
    """FedProx (Li et al. 2020): local models are held near the global one."""

    name: Literal["fedprox"]
    proximal_mu: NotNegative


class FedAdamSettings(LocalTraining):
    """FedAdam (Reddi et al. 2021): Adam at the server, on the averaged update."""

    name: Literal["fedadam"]
    server_learning_rate: PositiveFloat
    beta_1: Annotated[float, Field(ge=0, lt=1)]
    beta_2: Annotated[float, Field(ge=0, lt=1)]
    tau: PositiveFloat  # adaptivity: smaller adapts more


class FedPerSettings(LocalTraining):
    """FedPer (Arivazhagan et al. 2019): the last layers stay at the site."""

    name: Literal["fedper"]
    personal_layers: PositiveInt


class RobustSettings(LocalTraining, ABC):
    """A strategy that compares the sites' updates, and so withstands some poisoned ones."""

    @property
    @abstractmethod
    def least_sites(self) -> int:
        """Sites that a round needs, or one poisoned update may decide it."""


class FedMedianSettings(RobustSettings):
    """Median of each weight (Yin et al. 2018): withstands any fewer than half of the sites."""

    name: Literal["fedmedian"]

    @property
    def least_sites(self) -> int:
        """Sites that a round needs, or one poisoned update may decide it."""
        return 3


class FedTrimmedAvgSettings(RobustSettings):
    """Trimmed mean of each weight (Yin et al. 2018): withstands a share `beta` of the sites."""

    name: Literal["fedtrimmedavg"]
    beta: Annotated[float, Field(gt=0, lt=0.5)]  # share of the sites left out at either end

    @property
    def least_sites(self) -> int:
        """Sites that a round needs, or none is left out at either end."""
        whole = ceil(1 / self.beta)
        # As Flower rounds it: 49 * (1 / 49) falls short of 1.
        return whole if int(self.beta * whole) else whole + 1


class KrumSettings(RobustSettings):
    """Krum (Blanchard et al. 2017): takes the one update that has the closest neighbours."""

    name: Literal["krum"]
    malicious_sites: PositiveInt  # how many it is to withstand

    @property
    def least_sites(self) -> int:
        """Sites that a round needs: the paper's 2f + 3."""
        return 2 * self.malicious_sites + 3


class ExactSettings(Settings):
    """The label party's search along all parties' preconditioned directions: nothing to tune.

    For scenario=vertical; docs/vertical-regression.md.
    """

    name: Literal["exact"]
    # How residuals and features are multiplied: by encryption, which rests on nobody, or by numbers
    # that the coordinator deals, which rests on its not joining forces with a site.
    products: Literal["lattice", "dealt"] = "lattice"


class SplitNNSettings(Settings):
    """Split networks with sum aggregation (Ceballos et al. 2020), local steps after FedBCD.

    For scenario=vertical with model=mlp; docs/split-networks.md.
    """

    name: Literal["splitnn"]
    embedding: PositiveInt  # numbers that a party makes of each learner
    batch_size: PositiveInt  # training rows in an exchange
    local_steps: PositiveInt  # of each party on what one exchange brought (Liu et al. 2022: Q)
    learning_rate: PositiveFloat
    clip: PositiveFloat  # greatest length of a row's gradient that leaves the label party
    noise_multiplier: NotNegative  # standard deviation of its noise, over clip; 0: none


class DpFedAvgSettings(Averaging):
    """Sites train by DP-SGD (Abadi et al. 2016), and their models are averaged: privacy=dp."""

    name: Literal["dp_fedavg"]
    local_steps: PositiveInt  # in a round
    learning_rate: PositiveFloat


class DpSgdSettings(Settings):
    """Each round is one step on the noisy sum of all sites' gradients: privacy=secagg_dp."""

    name: Literal["dp_sgd"]
    learning_rate: PositiveFloat
    momentum: Annotated[float, Field(ge=0, lt=1)]


class NeuralTransfer(LocalTraining):
    """A neural strategy of scenario=transfer: every site has an encoder of its own features.

    Attributes
    ----------
    embedding : int
        Width of the space that the encoders share.
    target_labels : int or None
        Labels of the target to train on; None: all that it has.
    """

    embedding: PositiveInt
    target_labels: PositiveInt | None


class LGFedAvgSettings(NeuralTransfer):
    """LG-FedAvg (Liang et al. 2020): encoders stay at their sites, the head is averaged."""

    name: Literal["lgfedavg"]


class FedProtoSettings(NeuralTransfer):
    """FedProto (Tan et al. 2022): sites exchange the mean embedding of each class."""

    name: Literal["fedproto"]
    prototype_weight: NotNegative  # pull of embeddings towards their class's prototype


class FedMDSettings(NeuralTransfer):
    """FedMD (Li & Wang 2019): sites exchange predictions on generated canonical features."""

    name: Literal["fedmd"]
    generated: PositiveInt  # rows drawn from the federation's moments to distil on
    distillation_weight: NotNegative


class NewtonSettings(Settings):
    """Exact Newton steps on federation-wide sums of gradient and curvature: nothing to tune.

    For scenario=transfer; docs/transfer.md.
    """

    name: Literal["newton"]


StrategySettings = Annotated[
    FedAvgSettings
    | FedProxSettings
    | FedAdamSettings
    | FedPerSettings
    | FedMedianSettings
    | FedTrimmedAvgSettings
    | KrumSettings
    | ExactSettings
    | SplitNNSettings
    | DpFedAvgSettings
    | DpSgdSettings
    | NewtonSettings
    | LGFedAvgSettings
    | FedProtoSettings
    | FedMDSettings,
    Field(discriminator="name"),
]
