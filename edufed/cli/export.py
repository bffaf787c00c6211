"""`edufed export`: a job's lists of learners, to a file or to a table of the platform."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from clients.delivery import said
from clients.predict import check_suffix, write_predictions
from clients.site import Site
from clients.transfer_scores import keeps
from clients.vertical_scoring import predictions_file
from edufed.acting.issue import Issue
from edufed.acting.table import write_lists
from edufed.cli.arguments import keywords, language_of
from edufed.cli.predict import kept_list, make_list
from edufed.config import Job, SettingsError, compose_job, load_site, simulated_sites
from edufed.config.compose import check_job
from edufed.config.federation import DeploymentSettings
from edufed.config.lists import url_of
from edufed.config.scenario import TransferSettings, VerticalSettings
from edufed.records import DataError


def command(arguments: Sequence[str]) -> None:
    """Make the lists of a job's model and write them, stamped with the job's id and the time.

    Raises
    ------
    SettingsError
        An argument is wrong, or the folder is not of a job whose lists this machine can make.
    DataError
        A site's tables cannot be used, or the file or database does not take the list.
    """
    given = keywords(arguments, ("run",), ("site", "out", "url", "table", "language"))
    if ("out" in given) == ("url" in given):
        raise SettingsError("name either out=FILE.csv, out=FILE.parquet or url=URL table=NAME")
    if ("url" in given) != ("table" in given):
        raise SettingsError("url= and table= go together; add the one that is missing")
    if "out" in given:
        check_suffix(Path(given["out"]))
    language, run, console = language_of(given), Path(given["run"]), Console(stderr=True)
    job = job_of(run)
    url = url_of(given["url"], "url", Path()) if "url" in given else None
    lists = [
        (Issue.now(job_id, site.name, kind), frame)
        for site in _sites(job, given.get("site"))
        for frame, job_id, kind in _lists(site, job, run, language, console)
    ]
    if not lists:
        raise SettingsError(f"run: no site of the job in {run} has a list here; give site=FILE")
    if url is None:
        path = Path(given["out"])
        write_predictions(pd.concat([issue.stamp(f) for issue, f in lists]), path)
        rows = sum(len(frame) for _, frame in lists)
        text = f"{rows} rows of {len(lists)} sites, job {lists[0][0].job_id}: {path}"
        console.print(text, highlight=False, soft_wrap=True)
        return
    written = write_lists(url, given["table"], lists)
    for (issue, frame), new in zip(lists, written, strict=True):
        text = said(given["table"], issue, len(frame), new)
        console.print(f"{issue.site}: {text}", highlight=False, soft_wrap=True)


def job_of(run: Path) -> Job:
    """Return the job whose output folder `run` is.

    Raises
    ------
    SettingsError
        There is no report of a job in it.
    """
    try:
        report: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
        return check_job(_whole(report["job"]["config"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"run: {run} has no report.json of a job; give its out folder"
        ) from None


def _whole(config: dict[str, Any]) -> dict[str, Any]:
    """Give settings back that a report leaves out because its task does not use them."""
    if "strategy" in config:
        return config
    named = [f"privacy={config['privacy']['name']}", f"out={config.get('out', '.')}"]
    usual = compose_job(named).model_dump(mode="json")
    return {"model": usual["model"], "strategy": usual["strategy"], **config}


def _sites(job: Job, file: str | None) -> list[Site]:
    if file is not None:
        return [Site(load_site(Path(file)))]
    if isinstance(job.federation, DeploymentSettings):
        raise SettingsError("site: the job ran on real sites; give the site's YAML with site=FILE")
    return [Site(settings) for settings in simulated_sites(job)]


def _lists(
    site: Site, job: Job, run: Path, language: str, console: Console
) -> list[tuple[pd.DataFrame, str, str]]:
    """A site's list with the id of the job whose model made it, and its kind; none or one."""
    if isinstance(job.scenario, VerticalSettings):
        if job.scenario.model is None:
            raise SettingsError("run: score with the vertical model first: edufed predict run=DIR")
        file = predictions_file(site, job.id)
        if not file.is_file():
            return []
        frame = pd.read_csv(file, dtype={"learner_id": str, "course_id": str})
        return [(frame, job.id, job.task.name)]
    if isinstance(job.scenario, TransferSettings):
        return [kept_list(site, job.id, language, console)] if keeps(site, job.id) else []
    if not (run / "model").is_dir():
        raise DataError(f"{run}: the job has left no model that makes lists")
    return [make_list(site, run / "model", language, console)]
