"""`edufed concordance`: a site's scores in summary, and two summaries beside one another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.table import Table

from edufed.cli.arguments import keywords
from edufed.config import SettingsError, load_site
from edufed.private_files import write_private
from edufed.records import DataError
from edufed.transfer.concordance import (
    PLACES,
    RELATED,
    REPLICATES,
    Concordance,
    Stratum,
    relate,
    summarise,
)

Score = Annotated[float, Field(ge=0, le=1)]
Quantiles = Annotated[list[Score], Field(min_length=len(PLACES), max_length=len(PLACES))]


class _Stratum(BaseModel):
    """One prior level, as it travels."""

    model_config = ConfigDict(extra="forbid")

    level: int
    learners: Annotated[int, Field(ge=1)]
    quantiles: Quantiles
    replicates: Annotated[list[Quantiles], Field(min_length=REPLICATES, max_length=REPLICATES)]


class _Summary(BaseModel):
    """A site's scores, as they travel."""

    model_config = ConfigDict(extra="forbid")

    site: str
    cutoff: float
    strata: list[_Stratum]

    def numbers(self) -> list[Stratum]:
        """The same as arrays."""
        return [
            Stratum(s.level, s.learners, np.array(s.quantiles), np.array(s.replicates))
            for s in self.strata
        ]


def summary(arguments: Sequence[str]) -> None:
    """Summarise a site's scores so far by prior level; write quantiles to a file.

    Raises
    ------
    SettingsError
        An argument or the site's YAML is wrong.
    DataError
        No prior level has enough learners with a score.
    """
    # Reads records: only at a site.
    from clients.site import Site

    given = keywords(arguments, ("site", "cutoff", "out"))
    try:
        cutoff = float(given["cutoff"])
    except ValueError:
        raise SettingsError(f"cutoff: {given['cutoff']!r} is not a number of days") from None
    site = Site(load_site(Path(given["site"])))
    matrix = site.learners(cutoff).matrix
    score, level = (
        matrix.values[:, matrix.names.index(name)].astype(np.float64)
        for name in ("score_mean", "education_level")
    )
    strata = summarise(score, level, seed=0)
    if not strata:
        raise DataError(
            "concordance: no prior level has 50 learners with a score by then; take a later cutoff"
        )
    said = _Summary(
        site=site.name,
        cutoff=cutoff,
        strata=[
            _Stratum(
                level=s.level,
                learners=s.learners,
                quantiles=s.quantiles.round(4).tolist(),
                replicates=s.replicates.round(4).tolist(),
            )
            for s in strata
        ],
    )
    write_private(Path(given["out"]), said.model_dump_json().encode())
    levels = ", ".join(f"{s.level} ({s.learners} learners)" for s in strata)
    Console(stderr=True).print(f"prior levels {levels}: {given['out']}", highlight=False)


def relate_command(arguments: Sequence[str]) -> None:
    """Relate the scores of two sites' summaries; print the table, and write it on request.

    Raises
    ------
    SettingsError
        An argument or a file is wrong, or the sites share no prior level.
    """
    given = keywords(arguments, ("from", "to"), ("out",))
    first, second = (_read(Path(given[key])) for key in ("from", "to"))
    found = relate(first.numbers(), second.numbers())
    if found is None:
        raise SettingsError("concordance: the two sites share no prior level with 50 learners")
    Console().print(_table(first.site, second.site, found))
    if "out" in given:
        rows = _rows(found)
        said = {"from": first.site, "to": second.site, "levels": list(found.levels), "rows": rows}
        write_private(Path(given["out"]), json.dumps(said, indent=2).encode())


def _read(file: Path) -> _Summary:
    try:
        return _Summary.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except ValidationError:
        raise SettingsError(f"{file}: no summary; make it by edufed concordance summary") from None


def _rows(found: Concordance) -> list[dict[str, float]]:
    columns = (RELATED, found.score, found.related, found.low, found.high)
    names = ("place", "score", "related", "low", "high")
    return [
        {name: round(float(value), 4) for name, value in zip(names, row, strict=True)}
        for row in zip(*columns, strict=True)
    ]


def _table(first: str, second: str, found: Concordance) -> Table:
    levels = ", ".join(map(str, found.levels))
    table = Table(title=f"concordance, prior levels {levels}: no equating, no anchor is shared")
    for name in ("place", first, second, "low", "high"):
        table.add_column(name, justify="right")
    for row in _rows(found):
        table.add_row(*(f"{value:.2f}" for value in row.values()))
    return table
