"""The log of alerts, actions and outcomes of a platform; docs/acting.md has its columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from edufed.records import DataError

#: Columns of the two logs: required ones, then those that may be left out.
ACTIONS = (("learner_id", "course_id", "action"), ("done_on", "done_by", "job_id", "note"))
OUTCOMES = (("learner_id", "course_id", "outcome"), ("known_on",))
ALERTS = (("learner_id", "course_id", "risk"), ("job_id", "issued_on"))
#: What stands in `action` for a learner who was considered and not contacted.
NO_ACTION = ("", "none")
_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")


@dataclass(frozen=True)
class Joined:
    """Alerts whose outcome is known, one row each.

    Attributes
    ----------
    risk : float64 array, shape (alerts,)
    contacted, outcome : bool array, shape (alerts,)
    person : int64 array, shape (alerts,)
    counts : dict of str to int
        What was read, and what was left out.
    """

    risk: npt.NDArray[np.float64]
    contacted: npt.NDArray[np.bool_]
    outcome: npt.NDArray[np.bool_]
    person: npt.NDArray[np.int64]
    counts: dict[str, int]


def read_file(path: Path, columns: tuple[tuple[str, ...], tuple[str, ...]]) -> pd.DataFrame:
    """Read CSV or Parquet as text, and check its columns.

    Raises
    ------
    DataError
        The file is missing, of another kind, or lacks a column.
    """
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        elif path.suffix == ".csv":
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        else:
            raise DataError(f"{path}: give a .csv or .parquet file, or a database's URL")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__})") from None
    return checked(frame, columns, str(path))


def checked(
    frame: pd.DataFrame, columns: tuple[tuple[str, ...], tuple[str, ...]], name: str
) -> pd.DataFrame:
    """Return the known columns of a log as text, empty where a value or column is missing.

    Raises
    ------
    DataError
        A required column is missing, or empty in some row.
    """
    required, optional = columns
    if missing := [column for column in required if column not in frame.columns]:
        raise DataError(f"{name}: has no column {missing[0]}; it needs {', '.join(required)}")
    found = pd.DataFrame(index=range(len(frame)))
    for column in (*required, *optional):
        given = frame[column] if column in frame.columns else pd.Series("", index=frame.index)
        found[column] = given.astype(object).where(given.notna(), "").astype(str).to_numpy()
    for key in ("learner_id", "course_id"):
        if empty := int((found[key].str.strip() == "").sum()):
            raise DataError(f"{name}: column {key} is empty in {empty} rows; fill it in")
    return found


def join(alerts: pd.DataFrame, actions: pd.DataFrame, outcomes: pd.DataFrame) -> Joined:
    """Match alerts with what was done and what became of it, by learner and course.

    Of several alerts of one learner in one course the first issue counts. An action before the
    alert, where both days are given, is not its consequence and does not count; nor one of another
    job, where the log names jobs. An alert whose outcome is not known is left out.

    Parameters
    ----------
    alerts, actions, outcomes : pandas.DataFrame
        As `checked` returns them.

    Raises
    ------
    DataError
        A risk, outcome or day is none, or two outcomes contradict each other.
    """
    key = ["learner_id", "course_id"]
    alerts = alerts.assign(
        risk=_risks(alerts["risk"]), issued=_days(alerts["issued_on"], "alerts", "issued_on")
    )
    first = alerts.sort_values("issued", kind="stable").drop_duplicates(key)
    known = outcomes[outcomes["outcome"].str.strip() != ""]
    known = known.assign(outcome=_outcomes(known["outcome"])).drop_duplicates([*key, "outcome"])
    if twice := int(known.duplicated(key).sum()):
        raise DataError(f"outcomes: {twice} learners in courses have two different outcomes")
    done = actions[~actions["action"].str.strip().str.lower().isin(NO_ACTION)]
    done = done.assign(day=_days(done["done_on"], "actions", "done_on"))
    acted = first[[*key, "job_id", "issued"]].merge(done, on=key, suffixes=("", "_done"))
    other_job = (
        (acted["job_id_done"] != "")
        & (acted["job_id"] != "")
        & (acted["job_id_done"] != acted["job_id"])
    )
    acted = acted[~((acted["day"] < acted["issued"]) | other_job)]
    marked = first.merge(
        acted[key].drop_duplicates().assign(contacted=True), on=key, how="left"
    ).merge(known[[*key, "outcome"]], on=key, how="left")
    contacted = marked["contacted"].notna()
    followed = marked["outcome"].notna()
    kept = marked[followed]
    counts = {
        "alerts": len(first),
        "repeated_alerts": len(alerts) - len(first),
        "contacted": int(contacted.sum()),
        "no_outcome": int((~followed).sum()),
        "no_outcome_contacted": int((~followed & contacted).sum()),
        "actions": len(done),
        "actions_without_alert": len(done) - len(done.merge(first[key], on=key)),
    }
    return Joined(
        risk=kept["risk"].to_numpy(np.float64),
        contacted=contacted[followed].to_numpy(bool),
        outcome=kept["outcome"].astype(bool).to_numpy(),
        person=np.unique(kept["learner_id"].to_numpy(str), return_inverse=True)[1].astype(np.int64),
        counts=counts,
    )


def templates(alerts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return empty logs for a list of alerts: a row for each, to be filled in."""
    rows = alerts.drop_duplicates(["learner_id", "course_id"])
    made = {}
    for name, (required, optional) in (("actions", ACTIONS), ("outcomes", OUTCOMES)):
        columns = [*required, *optional]
        made[name] = pd.DataFrame({c: rows.get(c, "") for c in columns})
    return made


def _risks(values: pd.Series[Any]) -> pd.Series[Any]:
    numbers = pd.to_numeric(values, errors="coerce")
    if wrong := int((~numbers.between(0, 1)).sum()):
        raise DataError(f"alerts: column risk is no number in 0..1 in {wrong} rows")
    return numbers


def _outcomes(values: pd.Series[Any]) -> pd.Series[Any]:
    text = values.str.strip().str.lower()
    if wrong := int((~text.isin([*_YES, *_NO])).sum()):
        raise DataError(f"outcomes: column outcome is neither 0 nor 1 in {wrong} rows")
    return text.isin(_YES)


def _days(values: pd.Series[Any], name: str, column: str) -> pd.Series[Any]:
    text = values.str.strip().str.slice(0, 10)
    days = pd.to_datetime(text.where(text != "", None), format="%Y-%m-%d", errors="coerce")
    if wrong := int((days.isna() & (text != "")).sum()):
        raise DataError(f"{name}: column {column} is no day (YYYY-MM-DD) in {wrong} rows")
    return days
