"""Compose `conf/` and overrides by Hydra into one checked job."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from pydantic import ValidationError

from edufed.config.errors import SettingsError, one_line, unknown_key
from edufed.config.federation import SimulationSettings
from edufed.config.job import Job

#: Beside the packages, in a checkout, an installed wheel and a Flower App Bundle alike.
FOLDER = Path(__file__).resolve().parents[2] / "conf"

#: A choice -> choices in other groups that it brings along, unless these are made as well.
IMPLIED = {
    "data=oulad_vertical": ("scenario=vertical",),
    "strategy=exact": ("scenario=vertical",),
    "strategy=splitnn": (
        "scenario=vertical",
        "scenario.rounds=60",
        "scenario.patience=20",
        "model=mlp",
        "model.dropout=0",
        "model.l2=0.001",
    ),
    "data=oulad_to_polytechnic": ("scenario=transfer",),
    "data=oulad_to_basic": ("scenario=transfer",),
    "strategy=newton": ("scenario=transfer",),
    "strategy=lgfedavg": ("scenario=transfer", "model=mlp"),
    "strategy=fedproto": ("scenario=transfer", "model=mlp"),
    "strategy=fedmd": ("scenario=transfer", "model=mlp"),
    "scenario=transfer": ("model=logistic", "strategy=newton", "privacy=secagg"),
    # Few rounds: with a label for each category, every round tells the label party more.
    "task=cold_start": ("scenario=vertical", "model.l2=0.03", "scenario.rounds=2"),
    "scenario=vertical": ("model=logistic", "strategy=exact", "privacy=secagg"),
    "strategy=dp_fedavg": ("privacy=dp",),
    "strategy=dp_sgd": ("privacy=secagg_dp",),
    "federation=deployment": ("privacy=secagg",),
}


def compose_job(overrides: Sequence[str]) -> Job:
    """Compose and check a job.

    Parameters
    ----------
    overrides : sequence of str
        Hydra overrides such as ``data=oulad`` or ``task.cutoff_day=30``.

    Raises
    ------
    SettingsError
        One line: the key, what is wrong, what to do.
    """
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            raise SettingsError(f"{override!r} is not a setting; write KEY=VALUE")
    for given, implied in IMPLIED.items():
        if given in overrides:
            overrides = [*overrides, *(o for o in implied if _is_open(o, implied, overrides))]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(FOLDER), version_base="1.3"):
            composed = compose("config", overrides=[_quoted(override) for override in overrides])
        raw = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(_explain(error)) from None
    job = _anchored(check_job(raw))
    return named(job)


def _is_open(setting: str, implied: Sequence[str], overrides: Sequence[str]) -> bool:
    """Whether nothing was said of a setting, nor a choice made to which it does not belong."""
    chosen = dict(override.partition("=")[::2] for override in overrides)
    key = setting.partition("=")[0]
    group = key.partition(".")[0]
    return key not in chosen and (group not in chosen or f"{group}={chosen[group]}" in implied)


def without_privacy(job: Job) -> Job:
    """Return a job on the same data with the same model, and otherwise the defaults of `conf/`."""
    plain = {
        group: OmegaConf.to_container(OmegaConf.load(FOLDER / group / f"{name}.yaml"))
        for group, name in (("scenario", job.scenario.name), ("strategy", "fedavg"))
    }
    return check_job({**job.model_dump(mode="json"), **plain, "privacy": {"name": "none"}})


def _anchored(job: Job) -> Job:
    """Make the paths absolute: a simulated site need not run in the folder they were typed in."""

    def anchor(path: str | None) -> str | None:
        return None if path is None else str(Path(path).expanduser().absolute())

    files = [str(Path(file).expanduser().absolute()) for file in job.data.files]
    shapes = job.data.map.model_copy(update={"geojson": anchor(job.data.map.geojson)})
    data = job.data.model_copy(
        update={"path": anchor(job.data.path), "files": files, "map": shapes}
    )
    own = job.federation
    here = (
        {"state": anchor(own.state)}
        if isinstance(own, SimulationSettings)
        else {"settings": anchor(own.settings)}
    )
    federation = own.model_copy(update=here)
    return job.model_copy(update={"out": anchor(job.out), "data": data, "federation": federation})


def named(job: Job) -> Job:
    """Name a job by when it was composed and what it says: readable, sorted by time, unique."""
    said = hashlib.sha256(job.model_dump_json().encode() + os.urandom(8)).hexdigest()[:8]
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{job.task.name.replace('_', '-')}-{said}"
    return job.model_copy(update={"id": name})


def check_job(raw: Any) -> Job:
    """Check a composed job against the typed schemas.

    Raises
    ------
    SettingsError
        As `compose_job`.
    """
    try:
        return Job.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(one_line(error, Job)) from None


def job_from_run_config(run_config: Mapping[str, Any]) -> Job:
    """Return the job that a Flower run carries: `job` as JSON, or else Hydra `overrides`.

    Raises
    ------
    SettingsError
        As `compose_job`.
    """
    text = str(run_config.get("job", ""))
    if text:
        try:
            return check_job(json.loads(text))
        except json.JSONDecodeError:
            raise SettingsError("run-config 'job' is not JSON") from None
    try:
        overrides = shlex.split(str(run_config.get("overrides", "")))
    except ValueError:
        raise SettingsError("run-config 'overrides': a quote is not closed") from None
    return compose_job(overrides)


def _quoted(override: str) -> str:
    """Quote a value that Hydra's grammar would choke on, such as a path with a space."""
    key, separator, value = override.partition("=")
    plain = re.fullmatch(r"[\w./:@+%,-]*", value)
    if not separator or plain or value[:1] in "[{'\"$":
        return override
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'"


def _explain(error: Exception) -> str:
    text = str(error).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    missing_option = re.search(r"Could not find '([^']+)'", text)
    if missing_option:
        group, _, option = missing_option.group(1).rpartition("/")
        known = sorted(file.stem for file in (FOLDER / group).glob("*.yaml"))
        return f"no {group}={option}; choose one of {', '.join(known)}"
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override!r}; put the value in quotes, or mend its brackets"
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown:
        return _unknown_key(unknown.group(1))
    if isinstance(error, MissingMandatoryValue):
        return f"setting {error.full_key!r} is required; add {error.full_key}=VALUE"
    return " ".join(lines)[:300]


def _unknown_key(path: str) -> str:
    *location, key = path.split(".")
    return unknown_key(Job, tuple(location), key)
