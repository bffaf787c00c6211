"""`edufed check-site`: what a site's data hold, what is wrong in them, what a job could use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from clients.policy import PolicyRefusalError, check_learners, check_quality
from data_adapters.base import open_adapter
from data_adapters.governance import QualityReport, clean, with_warnings
from edufed.cli.arguments import keywords, language_of
from edufed.cli.site_report import as_markdown, print_report, sections, write_files
from edufed.config import SiteSettings, load_site
from edufed.features.catalogue import FEATURES, available
from edufed.features.relations import whole_tables
from edufed.records import LearningRecords
from edufed.tasks.early_warning import TARGET_SQL, population_sql

#: The day for which early warning is tried out, the default of the task.
CUTOFF_DAY = 60


@dataclass(frozen=True)
class FeatureGroup:
    """One group of features, and what keeps some of them from this site.

    Attributes
    ----------
    group : str
    features, usable : int
        How many there are, and how many this site can supply.
    lacking : tuple of str
        "table.column" names that the others need, or "resources.kind=video" for a kind of
        resource that the site has not.
    """

    group: str
    features: int
    usable: int
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class EarlyWarning:
    """What early warning would find at the cutoff day.

    Attributes
    ----------
    day : int
    enrolments, learners : int
        Enrolments open on that day, and the learners who have them.
    at_risk, passed, unknown : int
        Those enrolments by final result.
    """

    day: int
    enrolments: int
    learners: int
    at_risk: int
    passed: int
    unknown: int


@dataclass(frozen=True)
class SiteCheck:
    """Everything that check-site finds."""

    site: str
    adapter: str
    quality: QualityReport
    features: tuple[FeatureGroup, ...]
    early_warning: EarlyWarning
    refusals: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for quality.json."""
        return {**asdict(self), "quality": self.quality.to_dict(examples=True)}


def command(arguments: Sequence[str]) -> None:
    """Check a site's data, print what was found, write quality.json and quality.md.

    Raises
    ------
    SettingsError
        An argument or the site's YAML is wrong.
    DataError
        The site's tables cannot be read.
    typer.Exit
        With code 1: the tables can be read, but the site's own policy would refuse every job.
    """
    given = keywords(arguments, ("site",), ("out", "language"))
    language = language_of(given)
    settings = load_site(Path(given["site"]))
    out = Path(given["out"]) if "out" in given else settings.state
    console = Console()
    with Console(stderr=True).status(f"reading the tables of {settings.name}"):
        check = check_site(settings)
    report = sections(check, language)
    files = {
        "quality.json": json.dumps(check.to_dict(), indent=2, ensure_ascii=False) + "\n",
        "quality.md": as_markdown(report),
    }
    write_files(out, files)
    print_report(console, report)
    console.print(f"report: {(out / 'quality.md').resolve()}", soft_wrap=True, highlight=False)
    if check.refusals:
        raise typer.Exit(1)


def check_site(settings: SiteSettings) -> SiteCheck:
    """Read and check all of a site's records; rejected rows go to its quarantine.

    Raises
    ------
    DataError
        The site's tables cannot be read.
    """
    read = open_adapter(settings.adapter, settings.folder).read()
    allowed = settings.policy.data.columns()
    records, quality = clean(read, settings.state / "quarantine", allowed)
    quality = with_warnings(records, quality)
    warning = _early_warning(records, CUTOFF_DAY)
    refusals = []
    try:
        check_quality(settings.policy, quality.rows, quality.rejected)
        check_learners(settings.policy, warning.enrolments)
    except PolicyRefusalError as refusal:
        refusals.append(str(refusal))
    return SiteCheck(
        site=settings.name,
        adapter=str(settings.adapter["name"]),
        quality=quality,
        features=_feature_groups(records),
        early_warning=warning,
        refusals=tuple(refusals),
    )


def _feature_groups(records: LearningRecords) -> tuple[FeatureGroup, ...]:
    """Say, by group in the catalogue's order, what is usable and what the rest lacks."""
    usable = set(available(records))
    have = {f"{table}.{column}" for table in records.present() for column in records.columns(table)}
    groups = []
    for group in dict.fromkeys(feature.group for feature in FEATURES):
        members = [feature for feature in FEATURES if feature.group == group]
        lacking: dict[str, None] = {}
        for feature in members:
            if feature.name in usable:
                continue
            absent = [need for need in feature.needs if need not in have]
            kind = f"resources.kind={feature.name.removeprefix('kind_')}"
            lacking.update(dict.fromkeys(absent or [kind]))
        count = sum(feature.name in usable for feature in members)
        groups.append(FeatureGroup(group, len(members), count, tuple(lacking)))
    return tuple(groups)


def _early_warning(records: LearningRecords, day: int) -> EarlyWarning:
    with whole_tables(records):
        ((enrolments, learners, at_risk, passed),) = records.connection.execute(f"""
            SELECT count(*), count(DISTINCT learner_id),
                count(*) FILTER (target = 1), count(*) FILTER (target = 0)
            FROM ({population_sql(day, "enrolments" in records.present())})
            LEFT JOIN ({TARGET_SQL}) USING (learner_id, course_id)
        """).fetchall()
    unknown = enrolments - at_risk - passed
    return EarlyWarning(day, enrolments, learners, at_risk, passed, unknown)
