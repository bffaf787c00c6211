"""Where the sites run: conf/federation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from edufed.config.errors import Settings


class SimulationSettings(Settings):
    """All sites on this machine, by Flower's simulation."""

    name: Literal["simulation"]
    cpus_per_site: PositiveFloat  # 1 runs as many sites at once as there are cores
    state: str | None  # where the simulated sites keep state; default: OUT/sites


class DeploymentSettings(Settings):
    """Sites as processes of their own, reached through the coordinator on this machine."""

    name: Literal["deployment"]
    settings: str  # YAML of `edufed server`


FederationSettings = Annotated[SimulationSettings | DeploymentSettings, Field(discriminator="name")]
