"""`edufed audit privacy`: attack a site's own run, at the site."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from clients.exposure import DEFENCES
from clients.privacy_audit import ATTACKS, SHADOWS, Audit, audit
from clients.site import Site
from edufed.cli.arguments import keywords, language_of
from edufed.cli.privacy_words import say
from edufed.cli.show import showing
from edufed.cli.site_report import Section, as_markdown, print_report, write_files
from edufed.config import Job, SettingsError, compose_job, load_site
from edufed.config.errors import one_line
from edufed.config.privacy import PrivateLearners
from edufed.config.strategy import LocalTraining
from edufed.features import FEATURES
from edufed.privacy.attacks.advantage import Advantage
from edufed.published import Description, load_published
from server.progress import Step

NAME = "privacy-audit"
_SECURE = ("secagg", "he")


def command(arguments: Sequence[str]) -> None:
    """Attack a published model and the training behind it with the site's own learners.

    Prints what each attack gains under each defence, and writes privacy-audit.json and
    privacy-audit.md for their owner alone.

    Raises
    ------
    SettingsError
        An argument, the site's YAML or the job's report is wrong.
    DataError
        The site's tables or the model's folder cannot be used, or there are too few learners.
    """
    optional = ("report", "out", "language", "minutes", "epsilon", "delta")
    given = keywords(arguments, ("site", "model"), optional)
    language = language_of(given)
    minutes = _positive(given, "minutes", 15.0)
    site = Site(load_site(Path(given["site"])))
    folder = Path(given["model"])
    published = load_published(folder)
    job, notes = _job(published.description, folder, given.get("report"), language)
    if (job.scenario.name, job.task.name) != ("horizontal", "early_warning"):
        raise SettingsError(
            f"{folder}: attacks are on models of scenario=horizontal, early warning"
        )
    if site.name not in {score.site for score in published.description.sites}:
        notes.append(say("stranger", language, site=site.name))
    private = job.privacy
    budget = (4.0, 1e-5)
    if isinstance(private, PrivateLearners):
        budget = (private.epsilon, private.delta)
    console = Console(stderr=True)
    with showing(console) as progress:

        def tell(done: int, total: int, attack: str, defence: str) -> None:
            progress(Step("attacks", f"{attack}: {defence}", done + 1, total))

        found = audit(
            site,
            published,
            job,
            plain=_plain(job),
            epsilon=_positive(given, "epsilon", budget[0]),
            delta=_positive(given, "delta", budget[1]),
            seconds=60.0 * minutes,
            tell=tell,
        )
    report = sections(found, notes, language)
    out = Path(given.get("out", site.settings.state))
    plain = {**asdict(found), "notes": notes, "command": ["edufed", "audit", "privacy", *arguments]}
    for cell, entry in zip(found.cells, plain["cells"], strict=True):
        entry["measurable"] = cell.advantage.measurable if cell.advantage else None
    write_files(
        out,
        {
            f"{NAME}.json": json.dumps(plain, indent=2, ensure_ascii=False) + "\n",
            f"{NAME}.md": as_markdown(report),
        },
    )
    print_report(Console(), report)
    console.print(str(out / f"{NAME}.md"), soft_wrap=True, highlight=False)


def _positive(given: dict[str, str], key: str, default: float) -> float:
    try:
        value = float(given.get(key, default))
    except ValueError:
        value = 0.0
    if not 0 < value < (1 if key == "delta" else 1e6):
        raise SettingsError(
            f"{key}: not a usable number: {given[key]!r}; such as {key}={default:g}"
        )
    return value


def _plain(job: Job) -> LocalTraining:
    """How a site of the job trains, or would train by default if no noise were added."""
    if isinstance(job.strategy, LocalTraining):
        return job.strategy
    return compose_job(["out=audit"]).local_training


def _job(
    description: Description, folder: Path, report: str | None, language: str
) -> tuple[Job, list[str]]:
    """Return the job that made the model, from its report, and what is to be said of that.

    Without one, the defaults of the model's task, data and strategy stand in.
    """
    file = Path(report) if report else folder.parent / "report.json"
    if report is None and not file.is_file():
        privacy = "secagg_dp" if description.strategy == "dp_sgd" else "none"
        privacy = "dp" if description.strategy == "dp_fedavg" else privacy
        parts = [f"data={description.data}", f"privacy={privacy}", "out=audit", "data.path=unread"]
        if privacy == "none":
            # Some strategies ask for many sites; here there is one.
            own = f"strategy={description.strategy}", f"model={description.model.name}"
            parts += [*own, "scenario.min_sites=100"]
        job = compose_job([*parts, f"seed={description.seed}"])
        settings = job.model_dump() | {"model": description.model.model_dump()}
        return Job.model_validate(settings), [say("defaults", language)]
    try:
        said = json.loads(file.read_text(encoding="utf-8"))["job"]
        name, job = said["id"], Job.model_validate(said["config"])
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}; name the job's report.json") from None
    except ValidationError as error:
        raise SettingsError(one_line(error, Job, str(file))) from None
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{file}: not the report of a job") from None
    if name != description.job:
        raise SettingsError(f"{file}: of job {name}; the model is of job {description.job}")
    return job, []


def sections(found: Audit, notes: list[str], language: str) -> list[Section]:
    """Say what was found in "en" or "zh"."""

    def words(key: str, **values: object) -> str:
        return say(key, language, **values)

    def value(advantage: Advantage | None) -> str:
        if advantage is None:
            return words("not_run")
        numbers = f"{advantage.value:.2f} [{advantage.low:.2f}, {advantage.high:.2f}]"
        return numbers.replace("-", "\u2212") + (" *" if advantage.measurable else "")

    by_place = {(cell.attack, cell.defence): cell.advantage for cell in found.cells}
    attacks = {
        name: words(name, shadows=SHADOWS, kind=_label(found.kind, language)) for name in ATTACKS
    }
    header = (words("attack"), *(words(name, epsilon=found.epsilon) for name in DEFENCES))
    rows = tuple(
        (label, *(value(by_place[name, defence]) for defence in DEFENCES))
        for name, label in attacks.items()
    )
    setting = words("setting", **asdict(found))
    return [
        Section(
            words("title", site=found.site, job=found.job),
            lines=(words("lead"), *notes),
        ),
        Section(
            words("published"), lines=(words("model", value=value(by_place["model", "published"])),)
        ),
        Section(words("seen"), header, rows),
        Section(words("how"), lines=(setting, words("given"))),
        Section(words("verdict"), lines=tuple(_verdict(found, attacks, language))),
    ]


def _verdict(found: Audit, attacks: dict[str, str], language: str) -> list[str]:
    """What was measurable under the job's own defence, and what was not tried."""
    own = "secagg" if found.privacy in _SECURE else found.privacy
    missing = sum(cell.advantage is None for cell in found.cells)
    measurable = [
        attacks[cell.attack]
        for cell in found.cells
        if cell.defence == own and cell.advantage is not None and cell.advantage.measurable
    ]
    lines = [say("job", language, privacy=found.privacy)]
    if measurable:
        joined = say("comma", language).join(measurable)
        lines.append(say("open", language, attacks=joined))
    elif not missing:
        lines.append(say("closed", language))
    if missing:
        lines.append(say("partly", language, missing=missing, all=len(found.cells)))
    return lines


def _label(kind: str, language: str) -> str:
    (feature,) = (feature for feature in FEATURES if feature.name == kind)
    return feature.words(language).label
