"""`edufed ledger site=FILE`: what jobs spent of a site's privacy budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edufed.cli.arguments import keywords
from edufed.config import SettingsError, load_site
from edufed.privacy.composition import epsilon, steps_of
from edufed.privacy.ledger import Ledger


def command(arguments: Sequence[str]) -> None:
    """Run `edufed ledger site=FILE [close=JOB]`.

    Raises
    ------
    LedgerError
        The ledger was altered or is damaged.
    SettingsError
        The file is missing, or a setting is wrong; or the job to close has reserved nothing.
    """
    from clients.spending import ledger_of

    given = keywords(arguments, ["site"], ["close"])
    settings = load_site(Path(given["site"]))
    ledger = ledger_of(settings)
    if "close" in given:
        if given["close"] not in {entry.job for entry in ledger.entries()}:
            raise SettingsError(f"close: the ledger has no job {given['close']!r}")
        ledger.close(given["close"])
    allowed = settings.policy.privacy.budget
    print(f"budget: ε = {allowed.epsilon:g} at δ = {allowed.delta:g} for each learner, all jobs")
    for line in lines(ledger, allowed.delta):
        print(line)


def lines(ledger: Ledger, delta: float) -> list[str]:
    """Return one line for each job, then one for each population; none for an empty ledger."""
    entries, text = ledger.entries(), []
    for job in dict.fromkeys(entry.job for entry in entries):
        own = [entry for entry in entries if entry.job == job]
        kinds = {entry.kind for entry in own}
        cost = {
            kind: epsilon(steps_of(c for e in own if e.kind == kind for c in e.charges), delta)
            for kind in ("reserve", "spend")
        }
        state = "closed" if "close" in kinds else f"open, ε = {cost['reserve']:.3f} reserved"
        text.append(f"job {job}, {own[0].time}: ε = {cost['spend']:.3f} spent, {state}")
    for row in ledger.summary():
        left = row["budget"] - row["epsilon"]
        text.append(
            f"population {row['population']}: ε = {row['epsilon']:.3f} by {len(row['jobs'])} jobs"
            f" together, {left:.3f} left"
        )
    return text
