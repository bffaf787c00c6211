"""`edufed predict run=DIR`: score the label party's learners with a vertical model, together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edufed.cli.arguments import keywords
from edufed.cli.run import carry_out_here
from edufed.config import Job, SettingsError
from edufed.config.compose import check_job, named
from edufed.config.federation import DeploymentSettings
from edufed.config.scenario import VerticalSettings


def command(arguments: Sequence[str]) -> None:
    """Run a job that scores current learners; the list is written at the label party alone.

    Raises
    ------
    SettingsError
        An argument is wrong, or the folder is not of a vertical job.
    JobError
        The label party or all feature parties do not answer.
    """
    given = keywords(arguments, ("run", "out"), ("federation.settings",))
    job = scoring_job(Path(given["run"]), Path(given["out"]), given.get("federation.settings"))
    if isinstance(job.federation, DeploymentSettings):
        from edufed.cli.deploy import deploy

        deploy(job)
    else:
        carry_out_here(job)


def scoring_job(run: Path, out: Path, settings: str | None) -> Job:
    """Return the job that scores with the model of an earlier one.

    Parameters
    ----------
    run : pathlib.Path
        The earlier job's output folder, with its `report.json`.
    out : pathlib.Path
    settings : str, optional
        YAML of `edufed server`, where the job is to run on real sites.

    Raises
    ------
    SettingsError
        The folder is not of a vertical job, or the settings are missing.
    """
    try:
        report = json.loads((run / "report.json").read_text(encoding="utf-8"))
        said: dict[str, Any] = report["job"]["config"]
        earlier = check_job(said)
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"run: {run} has no report.json of a job; give its out folder"
        ) from None
    if earlier.task.name == "cold_start":
        raise SettingsError(
            f"run: the job in {run} left lists and no model; for later newcomers run it again"
        )
    if not isinstance(earlier.scenario, VerticalSettings) or earlier.scenario.model is not None:
        raise SettingsError(
            f"run: the job in {run} trained no vertical model; for others give site= and model="
        )
    federation = earlier.federation
    if isinstance(federation, DeploymentSettings):
        if settings is None:
            raise SettingsError("federation.settings: give the YAML of edufed server")
        place = {"settings": str(Path(settings).absolute())}
    else:
        if settings is not None:
            raise SettingsError("federation.settings: the job was simulated; leave it out")
        place = {"state": federation.state or str(Path(earlier.out) / "sites")}
    return named(
        check_job(
            {
                **said,
                "id": "",
                "research": False,
                "out": str(out.absolute()),
                "scenario": {**said["scenario"], "model": earlier.id},
                "federation": {**said["federation"], **place},
            }
        )
    )
