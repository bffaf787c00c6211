"""The one door: `edufed COMMAND KEY=VALUE ...`. It alone may import both sides."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal, NoReturn

import typer

app = typer.Typer(
    name="edufed",
    help="Learning platforms train models together while every record stays where it was made.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    suggest_commands=False,
)
Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE ...", show_default=False)]


@app.command("run")
def run_command(settings: Overrides = None) -> None:
    """Run a job: compose conf/ with the settings, train, evaluate, write the report.

    Groups: scenario, task, data, model, strategy, privacy, federation; a choice that there is not
    is answered by a list of those that there are, and README.md has them all. For example

        edufed run data=oulad data.path=DIR out=runs/first

    trains early warning across the 13 regions of OULAD and writes runs/first/report.html. What an
    earlier job wrote to the same folder is replaced. language=zh gives Chinese, seed=2 another
    draw. A deployed job that was cut off goes on with

        edufed run resume=JOB federation=deployment federation.settings=FILE out=DIR
    """
    from edufed.cli.run import run

    run(settings or [])


@app.command("check-site")
def check_site_command(settings: Overrides = None) -> None:
    """Check a site's data: edufed check-site site=FILE [out=DIR] [language=zh]."""
    from edufed.cli.check_site import command

    command(settings or [])


@app.command("predict")
def predict_command(settings: Overrides = None) -> None:
    """Score a site's own learners: edufed predict site=FILE model=DIR out=FILE [language=zh].

    Writes each learner's risk and the three features that raise it most to a CSV or Parquet
    file at the site, readable by its owner alone; by a model of task=recommend, resources with
    reasons; by one of task=portrait, tags.

    At the target of a transfer job, job=ID takes the place of model=DIR: the model that was fitted
    there, or another that served better, never left the site's state folder.

    With a vertical model all parties score together: edufed predict run=DIR out=DIR, where run
    is the out folder of the job that trained it. The label party alone gets the list.
    """
    from edufed.cli.predict import command

    command(settings or [])


@app.command("export")
def export_command(settings: Overrides = None) -> None:
    """Write a job's lists of learners: edufed export run=DIR out=FILE.csv|FILE.parquet.

    Or to a table: edufed export run=DIR url=URL table=NAME. Each row has the job's id and the time;
    a table takes the same list once a day. A site of a deployed job: site=FILE.
    """
    from edufed.cli.export import command

    command(settings or [])


@app.command("evaluate-alerts")
def evaluate_alerts_command(settings: Overrides = None) -> None:
    """Compare outcomes of learners who were and were not contacted.

    edufed evaluate-alerts alerts=FILE actions=FILE outcomes=FILE out=DIR [language=zh]

    writes evaluation.json and evaluation.md. In place of files: url=URL and names of tables. With
    template=DIR in place of the rest, it writes actions.csv and outcomes.csv to fill in.
    """
    from edufed.cli.evaluate_alerts import command

    command(settings or [])


@app.command("server")
def server_command(settings: Overrides = None) -> None:
    """Run the coordinator in the foreground: edufed server settings=FILE."""
    from edufed.cli.server import command

    command(settings or [])


@app.command("client")
def client_command(settings: Overrides = None) -> None:
    """Run a site in the foreground: edufed client site=FILE."""
    from edufed.cli.client import command

    command(settings or [])


@app.command("status")
def status_command(settings: Overrides = None) -> None:
    """Show which sites are connected and how the jobs stand: edufed status settings=FILE."""
    from edufed.cli.status import command

    command(settings or [])


@app.command("stop")
def stop_command(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as edufed run said it.")],
    settings: Overrides = None,
) -> None:
    """End a running job: edufed stop JOB settings=FILE. What it has written stays."""
    from edufed.cli.stop import command

    command(job, settings or [])


@app.command("keys")
def keys_command(
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="init, request, add, remove or renew.")
    ],
    settings: Overrides = None,
) -> None:
    """Make and enrol keys; docs/deployment.md has it step by step.

    At the coordinator: edufed keys init federation=NAME hosts=A,B [sites=C,D]

    At the site: edufed keys request site=NAME

    At the coordinator: edufed keys add site=NAME card=FILE; edufed keys remove site=NAME;
    edufed keys renew hosts=A,B

    Each takes [folder=DIR], by default keys.
    """
    from edufed.cli.keys import command

    command(action, settings or [])


@app.command("ledger")
def ledger_command(settings: Overrides = None) -> None:
    """Show what jobs spent of a site's privacy budget: edufed ledger site=FILE [close=JOB].

    With close=JOB, gives back what a job reserved and did not spend before it was cut off.
    """
    from edufed.cli.ledger import command

    command(settings or [])


@app.command("concordance")
def concordance_command(
    action: Annotated[Literal["summary", "relate"], typer.Argument(help="summary or relate.")],
    settings: Overrides = None,
) -> None:
    """Relate scores of two education types: concordance, never equating.

    At each site: edufed concordance summary site=FILE cutoff=DAY out=FILE. Then anywhere:
    edufed concordance relate from=FILE to=FILE [out=FILE].
    """
    from edufed.cli import concordance

    {"summary": concordance.summary, "relate": concordance.relate_command}[action](settings or [])


@app.command("badge")
def badge_command(
    action: Annotated[
        Literal["issue", "verify", "revoke", "convert", "publish"],
        typer.Argument(help="issue, verify, revoke, convert or publish."),
    ],
    settings: Overrides = None,
) -> None:
    """Open badges from the evidence of task=certify; docs/certification.md has it step by step.

    edufed badge issue site=FILE job=ID rules=FILE [approver=NAME learner=ID out=DIR]

    edufed badge verify BADGE site=FILE|roster=FILE [status=FILE] [identity=ID] [show=json|text]

    edufed badge revoke BADGE site=FILE rules=FILE approver=NAME reason=TEXT out=DIR

    edufed badge convert BADGE site=FILE rules=FILE approver=NAME learner=ID identity=ID

    edufed badge publish site=FILE rules=FILE out=DIR writes the list of revoked badges anew.

    For a simulation, run=DIR site=NAME stands in the place of site=FILE job=ID.
    """
    from edufed.cli import badge
    from edufed.config import SettingsError

    given = settings or []
    if action == "issue":
        badge.issue(given)
    elif action == "publish":
        badge.publish(given)
    elif not given or "=" in given[0]:
        raise SettingsError(f"which badge? write edufed badge {action} FILE ...")
    else:
        on_badge = {"verify": badge.verify, "revoke": badge.revoke, "convert": badge.convert}
        on_badge[action](given[0], given[1:])


@app.command("audit")
def audit_command(
    action: Annotated[
        Literal["verify", "privacy"],
        typer.Argument(help="verify: is the log whole? privacy: what would attackers gain?"),
    ],
    settings: Overrides = None,
) -> None:
    """Check a site's audit log, or attack its own run.

    edufed audit verify site=FILE [head=HASH]

    edufed audit privacy site=FILE model=DIR [report=FILE] [out=DIR] [minutes=15] [language=zh]

    attacks the model, and what the coordinator sees, with the site's own learners and at the site:
    membership inference, gradient inversion, property inference, without and with each defence.
    """
    if action == "verify":
        from edufed.cli.audit import command
    else:
        from edufed.cli.audit_privacy import command

    command(settings or [])


def main() -> None:
    """Run a command; an error is one line on standard error and an exit code.

    0: done. 1: the job could not go on. 2: a setting, a file or its data is wrong.
    130: interrupted.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of a change
    try:
        app()
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as end:
        if end.code == 130:  # what Typer makes of an interrupt
            _interrupted()
        raise
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _fail(str(error), code)


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that is meant for the user, or None for a defect."""
    from edufed.config import SettingsError
    from edufed.records import DataError

    if isinstance(error, SettingsError | DataError):
        return 2
    # Loaded only by commands that use them: compared by name, so that --help stays quick.
    expected = {
        "AuditError",
        "BadgeError",
        "CoordinatorError",
        "IdentityError",
        "JobError",
        "LedgerError",
        "PolicyRefusalError",
        "StoreError",
        "TrainingError",
    }
    return 1 if expected.intersection(kind.__name__ for kind in type(error).__mro__) else None


def _interrupted() -> NoReturn:
    """End now: a simulation leaves threads behind that wait for sites that are gone."""
    print("edufed: interrupted", file=sys.stderr, flush=True)
    os._exit(130)


def _fail(line: str, code: int) -> None:
    print(f"edufed: {line}", file=sys.stderr)
    raise SystemExit(code)
