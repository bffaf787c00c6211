"""`edufed badge`: issue badges from a site's evidence, check, revoke and convert them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from edufed.badges.rules import Rules, load_rules, objections
from edufed.badges.token import MOST_BYTES, BadgeError
from edufed.badges.verify import Verified
from edufed.badges.verify import verify as verify_badge
from edufed.cli.arguments import keywords
from edufed.config import Job, SettingsError, load_site, simulated_sites
from edufed.config.federation import SimulationSettings
from edufed.deployment import load_site_node
from edufed.identity import load_roster
from edufed.privacy.simulated import simulated_roster
from edufed.private_files import write_private

if TYPE_CHECKING:
    # With pandas and duckdb: checking a badge needs neither.
    from clients.badges import Badges
    from clients.site import Site

_TIMEOUT_S = 20.0


def issue(arguments: Sequence[str]) -> None:
    """Issue badges to learners of a site's evidence list; without them, say how many could be.

    Raises
    ------
    BadgeError
        The rules do not allow it.
    SettingsError
        An argument, a file or the approver is wrong.
    """
    given = keywords(
        arguments,
        ("site", "rules"),
        ("run", "job", "approver", "learner", "course", "identity", "out"),
    )
    rules = load_rules(Path(given["rules"]))
    badges, console = _badges(given), Console(stderr=True)
    frame, stated = _evidence(badges.site, given)
    if "approver" not in given:
        tally: dict[str, int] = {}
        history = badges.histories()
        for row in frame.to_dict("records"):
            found = objections(rules, row, stated, history(str(row["learner_id"])))
            for reason in found or ["may be issued"]:
                tally[reason] = tally.get(reason, 0) + 1
        for reason, rows in sorted(tally.items(), key=lambda each: -each[1]):
            console.print(f"{rows:>6} of {len(frame)}: {reason}", highlight=False, soft_wrap=True)
        console.print("nothing was issued: add approver=NAME learner=ID out=FOLDER")
        return
    missing = next((name for name in ("learner", "out") if name not in given), None)
    if missing is not None:
        raise SettingsError(f"setting {missing!r} is required; add {missing}=VALUE")
    rows = frame[frame["learner_id"] == given["learner"]]
    if "course" in given:
        rows = rows[rows["course_id"] == given["course"]]
    if len(rows) != 1:
        raise SettingsError(
            f"learner: {len(rows)} rows of the evidence list; give learner= and course= of one"
        )
    made = badges.issue(
        rows.iloc[0].to_dict(), stated, rules, given["approver"], given.get("identity")
    )
    out = Path(given["out"])
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{made.id.removeprefix('urn:uuid:')}.jwt"
    write_private(file, f"{made.token}\n".encode())
    _publish(badges, rules, out)
    console.print(f"badge:  {file}", highlight=False, soft_wrap=True)
    console.print(f"status: {out / 'status.jwt'}", highlight=False, soft_wrap=True)


def verify(file: str, arguments: Sequence[str]) -> None:
    """Check a badge by the roster's keys and the issuing site's status list.

    Raises
    ------
    BadgeError
        It does not hold.
    """
    given = keywords(arguments, (), ("site", "roster", "run", "status", "identity", "show"))
    found = _verified(file, given)
    achievement = found.subject["achievement"]
    lines = [
        f"valid: {achievement['name']}, issued by {found.site}, approved by"
        f" {found.credential['evidence'][0]['statement']['decision']['approver']}",
        f"from {found.credential['validFrom']} until {found.credential['validUntil']},"
        f" {found.credits:g} credits, not revoked",
    ]
    if "identity" in given:
        lines.append("it is this learner's")
    print("\n".join(lines))
    if given.get("show") == "json":
        print(json.dumps(found.credential, indent=2, ensure_ascii=False))
    elif "show" in given:
        print(found.credential["evidence"][0]["narrative"])


def revoke(file: str, arguments: Sequence[str]) -> None:
    """Revoke a badge that the site issued, and write its new status list.

    Raises
    ------
    BadgeError
        This site did not issue it, or it is revoked already.
    """
    given = keywords(arguments, ("site", "rules", "approver", "reason", "out"), ("run",))
    rules = load_rules(Path(given["rules"]))
    rules.check_approver(given["approver"])
    badges = _badges(given)
    # The name of the file is the badge's id: a badge can be revoked that is no longer at hand.
    badges.revoke(f"urn:uuid:{Path(file).stem}", given["reason"], given["approver"])
    _publish(badges, rules, Path(given["out"]))
    print(f"revoked; publish {Path(given['out']) / 'status.jwt'} at {rules.issuer.status_list}")


def convert(file: str, arguments: Sequence[str]) -> None:
    """Convert another site's badge into credits at this site, after rules and once.

    Raises
    ------
    BadgeError
        It does not hold, is another learner's, or was converted already.
    """
    given = keywords(
        arguments,
        ("site", "rules", "approver", "learner", "identity"),
        ("run", "roster", "status"),
    )
    badges, rules = _badges(given), load_rules(Path(given["rules"]))
    credits = badges.convert(_verified(file, given), given["learner"], rules, given["approver"])
    print(f"converted: {credits:g} credits")


def publish(arguments: Sequence[str]) -> None:
    """Write the site's status list anew, before its last edition expires."""
    given = keywords(arguments, ("site", "rules", "out"), ("run",))
    rules, out = load_rules(Path(given["rules"])), Path(given["out"])
    out.mkdir(parents=True, exist_ok=True)
    _publish(_badges(given), rules, out)
    print(f"publish {out / 'status.jwt'} at {rules.issuer.status_list}")


def _publish(badges: Badges, rules: Rules, out: Path) -> None:
    write_private(out / "status.jwt", f"{badges.status_list(rules)}\n".encode())
    (out / "status.jwt").chmod(0o644)  # it is for everybody


def _verified(file: str, given: dict[str, str]) -> Verified:
    return verify_badge(_text(Path(file)), _keys(given), _status(given), given.get("identity"))


def _status(given: dict[str, str]) -> Callable[[str], str]:
    """Return what brings the status list: the file that was given, or the badge's own address."""
    if "status" in given:
        listed = _text(Path(given["status"]))
        return lambda _: listed
    return _fetched


def _fetched(url: str) -> str:
    import httpx

    try:
        if not url.startswith("https://"):
            raise BadgeError("the badge's status list has no https address; give status=FILE")
        with httpx.stream("GET", url, timeout=_TIMEOUT_S) as answer:
            answer.raise_for_status()
            content = b""
            for part in answer.iter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise BadgeError("the status list is too long to be one")
        return content.decode("ascii")
    except (httpx.HTTPError, UnicodeDecodeError):
        raise BadgeError(
            "whether it was revoked is not known: its status list cannot be fetched;"
            " give status=FILE"
        ) from None


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES).decode("ascii")
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadgeError(f"{file} is no badge: not a signed token") from None


def _keys(given: dict[str, str]) -> dict[str, bytes]:
    """Return the roster's keys: of a file, of a site's YAML, or of a simulation."""
    if "roster" in given:
        return load_roster(Path(given["roster"])).signing_keys()
    if "run" in given:
        return simulated_roster(site.name for site in simulated_sites(_job(given["run"])))
    if "site" not in given:
        raise SettingsError("whom to trust? add roster=FILE, site=FILE, or run=DIR of a simulation")
    roster = load_site_node(Path(given["site"])).node.roster
    if roster is None:
        raise SettingsError(f"site file {given['site']} pins no node.roster")
    return roster.signing_keys()


def _badges(given: dict[str, str]) -> Badges:
    """Return the badges of the site in a YAML file, or of a simulated one in a run's folder."""
    from clients.badges import Badges
    from clients.site import Site

    if "run" in given and not Path(given["site"]).is_file():
        for settings in simulated_sites(_job(given["run"])):
            if settings.name == given["site"]:
                return Badges(Site(settings))
        raise SettingsError(f"site: {given['run']} has no site {given['site']!r}")
    return Badges(Site(load_site(Path(given["site"]))))


def _evidence(site: Site, given: dict[str, str]) -> Any:
    from clients.evidence import read_evidence

    if ("run" in given) == ("job" in given):
        raise SettingsError("give one of run=DIR and job=ID")
    job = given["job"] if "job" in given else _job(given["run"], simulated=False).id
    try:
        return read_evidence(site.store.folder, job)
    except FileNotFoundError:
        raise SettingsError(f"site {site.name} has no evidence of job {job}") from None


def _job(run: str, simulated: bool = True) -> Job:
    """Return the job whose report is in a folder."""
    file = Path(run) / "report.json"
    try:
        said = json.loads(file.read_bytes())["job"]
        job = Job.model_validate({**said["config"], "out": run})
    except OSError as error:
        raise SettingsError(f"run: {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"run: {file} is no report of a job of this EduFed") from None
    if simulated and not isinstance(job.federation, SimulationSettings):
        raise SettingsError("run: its sites are real; give site=FILE of one")
    return job
