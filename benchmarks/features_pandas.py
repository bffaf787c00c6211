"""The same features by plain pandas group-bys: the reference for values and for speed.

Rows after the cutoff are dropped first, learners and courses become one whole number before
anything is grouped, each table is grouped as seldom as its features allow, and nothing loops
over learners or rows. The data set is read in two ways: `plain` makes learning records as
the tables define them, identifiers being text, as an adapter without DuckDB would; `tuned`
keeps the data set's whole numbers, numbers the courses, and has the Parquet reader skip rows
and columns, which only this one data set allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from data_adapters.oulad.codebook import AGE, DISABILITY, EDUCATION, GENDER, KIND, MEANS
from edufed.features.catalogue import NAMES
from edufed.records import RESOURCE_KINDS

KEYS = ["learner_id", "course_id"]
WEEKS = 9
#: Added to an assessment's number, which may also be some other resource's.
ASSESSMENT = 10**9


def features(tables: Mapping[str, pd.DataFrame], cutoff: float) -> pd.DataFrame:
    """Build the features of learning records that have all five tables and whole-day times.

    Parameters
    ----------
    tables : mapping
        The canonical tables by name; optional columns may be absent.
    cutoff : float
        Days after the course's first day.

    Returns
    -------
    pandas.DataFrame
        Indexed by learner and course, one column for each feature.
    """
    enrolments = tables["enrolments"]
    start = enrolments["start"].astype(float)
    end = enrolments["end"].astype(float)
    people = enrolments[(start.isna() | (start <= cutoff)) & (end.isna() | (end > cutoff))]
    people = people.merge(tables["learners"], on="learner_id", how="left").set_index(KEYS)
    people = people.assign(row=np.arange(len(people)))
    rows = people["row"].reset_index()
    parts = [
        _background(people),
        *_activity(tables["events"], tables["resources"], rows, people, cutoff),
        *_assessment(tables["outcomes"], tables["resources"], rows, cutoff),
    ]
    out = pd.concat(parts, axis=1).reindex(columns=list(NAMES))
    kinds = set(tables["resources"]["kind"])
    for kind in RESOURCE_KINDS:
        name = f"kind_{kind}"
        out[name] = out[name].fillna(0) if kind in kinds else np.nan
    return out.set_index(people.index)


def _background(people: pd.DataFrame) -> pd.DataFrame:
    people = people.set_index("row")
    return pd.DataFrame(
        {
            "registration_lead": -people["start"].astype(float),
            "attempts": people["attempts"],
            "credits": people["credits"],
            "education_level": people["education_level"],
            "age": people["age_band"].str.extract(r"^(\d+)", expand=False).astype(float),
            "female": (people["gender"] == "female").where(people["gender"].notna()),
            "support_need": people["support_need"],
            "means": people["means"],
        }
    ).astype(float)


def _activity(
    events: pd.DataFrame,
    resources: pd.DataFrame,
    rows: pd.DataFrame,
    people: pd.DataFrame,
    cutoff: float,
) -> list[pd.DataFrame]:
    last = int(np.floor(cutoff))
    events = events[events["time"] <= cutoff].merge(rows, on=KEYS)
    events = events.merge(resources[["resource_id", "kind"]], on="resource_id", how="left")
    events["day"] = np.floor(events["time"]).astype(int)
    events["count"] = events["count"].fillna(1)
    since = events[events["day"] >= 0]

    out = pd.DataFrame(index=people["row"].to_numpy())
    by_row = since.groupby("row")
    out["clicks"] = by_row["count"].sum()
    out["events"] = by_row.size()
    out["clicks_before"] = events[events["day"] < 0].groupby("row")["count"].sum()
    out["resources"] = by_row["resource_id"].nunique()
    if "duration_s" in events:
        hours = by_row["duration_s"].sum(min_count=1) / 3600
        out["hours"] = hours.reindex(out.index).where(out["clicks"].notna(), 0.0)
    if "progress" in events:
        best = since.groupby(["row", "resource_id"])["progress"].max()
        out["progress"] = best.groupby("row").mean()
    if "score" in events:
        out["activity_score"] = events.groupby("row")["score"].mean()
    kinds = since.groupby(["row", "kind"], observed=True)["count"].sum().unstack("kind")
    kinds = kinds.add_prefix("kind_").reindex(out.index)

    days = events.groupby(["row", "day"], as_index=False)["count"].sum()
    seen = days.groupby("row")["day"]
    out["first_visit"] = seen.min()
    begun = people["start"].astype(float).fillna(0).to_numpy()
    out["recency_days"] = last - seen.max()
    out["recency_days"] = out["recency_days"].fillna(
        pd.Series(last - np.minimum(begun, last), index=out.index)
    )
    out["days_before"] = days[days["day"] < 0].groupby("row").size()
    days = days[days["day"] >= 0]
    out["active_days"] = days.groupby("row").size()
    out["sessions"] = out["active_days"]

    days = days.assign(gap=days.groupby("row")["day"].diff())
    gaps = days.groupby("row")["gap"]
    out["gap_mean"] = gaps.mean()
    out["gap_sd"] = gaps.std(ddof=0)
    ends = days.groupby("row")["day"].agg(["min", "max"]).reindex(out.index)
    opening = ends["min"].fillna(last) - np.clip(np.minimum(begun, last), 0, None)
    closing = last - ends["max"].fillna(last)
    out["gap_longest"] = pd.concat([opening, gaps.max(), closing], axis=1).max(axis=1)

    days = days.assign(back=(last - days["day"]) // 7, weekday=days["day"] % 7)
    weekly = days.groupby(["row", "back"])["count"].agg(["sum", "size"])
    known = range(min(WEEKS, last // 7 + 1))
    clicks, active = (
        weekly[which].unstack("back").reindex(index=out.index, columns=known).fillna(0.0)
        for which in ("sum", "size")
    )
    weekdays = days.groupby(["row", "weekday"])["count"].sum().unstack("weekday")
    weekdays = weekdays.reindex(index=out.index, columns=range(7)).fillna(0.0)
    for k in range(WEEKS):
        out[f"clicks_week_{k + 1}"] = clicks[k] if k in known else np.nan
    out["clicks_last_2"] = clicks.loc[:, :1].sum(axis=1)
    out["clicks_last_4"] = clicks.loc[:, :3].sum(axis=1)
    for k in (1, 2, 4):
        out[f"days_last_{k}"] = active.loc[:, : k - 1].sum(axis=1)
    out["weekday_entropy"] = _entropy(weekdays)
    out["week_entropy"] = _entropy(clicks)
    out["weekly_sd"] = active.std(axis=1, ddof=0)
    out["weeks_active"] = (active > 0).mean(axis=1)
    if len(known) >= 3:
        place = -(np.array(known) - np.mean(known))
        out["trend"] = active.to_numpy() @ place / (place**2).sum()
    if len(known) >= 4:
        out["change"] = np.log1p(out["clicks_last_2"]) - np.log1p(clicks[2] + clicks[3])
    zero = ["clicks", "events", "clicks_before", "resources", "active_days", "days_before"]
    out[[*zero, "sessions"]] = out[[*zero, "sessions"]].fillna(0)
    return [out, kinds]


def _entropy(table: pd.DataFrame) -> pd.Series:
    share = table.div(table.sum(axis=1), axis=0)
    bits = -(share * np.log(share.where(share > 0))).sum(axis=1, min_count=1)
    return bits.clip(lower=0) / np.log(table.shape[1])


def _assessment(
    outcomes: pd.DataFrame, resources: pd.DataFrame, rows: pd.DataFrame, cutoff: float
) -> list[pd.DataFrame]:
    marks = outcomes[(outcomes["kind"] == "assessment") & (outcomes["time"] <= cutoff)]
    dated = resources[["resource_id", "course_id", "due", "weight"]]
    marks = marks.merge(rows, on=KEYS)
    marks = marks.merge(dated.drop(columns="course_id"), on="resource_id", how="left")
    marks = marks.sort_values(["row", "time", "due", "resource_id", "score"])
    marks = marks.drop_duplicates(["row", "resource_id"], keep="last")
    marks["points"] = marks["score"] * marks["weight"]
    marks["of"] = marks["weight"].where(marks["points"].notna())
    marks["late"] = marks["time"] - marks["due"]
    marks["is_late"] = (marks["late"] > 0).where(marks["late"].notna()).astype(float)
    by_row = marks.groupby("row")
    scores = by_row["score"]
    out = pd.DataFrame(index=rows["row"])
    out["submitted"] = by_row.size()
    out["submitted"] = out["submitted"].fillna(0)
    out["score_mean"] = scores.mean()
    weighted = by_row[["points", "of"]].sum()
    out["score_weighted"] = weighted["points"] / weighted["of"].where(weighted["of"] > 0)
    out["score_last"] = scores.last()
    out["score_lowest"] = scores.min()
    out["score_change"] = (scores.last() - scores.first()).where(scores.count() > 1)
    out["lateness_days"] = by_row["late"].mean()
    out["late_share"] = by_row["is_late"].mean()
    out["lead_last"] = -by_row["late"].last()
    out["days_since_submission"] = cutoff - by_row["time"].max()

    due = rows.merge(dated[dated["due"] <= cutoff], on="course_id")
    due = due.merge(
        marks[["row", "resource_id", "time", "score"]], on=["row", "resource_id"], how="left"
    )
    due["met"] = due["time"].notna()
    due["grade"] = due["score"].where(due["met"], 0.0)
    due["points"] = due["grade"] * due["weight"]
    due["of"] = due["weight"].where(due["points"].notna())
    by_row = due.groupby("row")
    out["submitted_share"] = by_row["met"].mean()
    out["missed"] = by_row.size() - by_row["met"].sum()
    out["score_of_due"] = by_row["grade"].mean()
    weighted = by_row[["points", "of"]].sum()
    out["score_of_due_weighted"] = weighted["points"] / weighted["of"].where(weighted["of"] > 0)
    return [out]


def read_oulad(
    folder: Path, cutoff: float, region: str | None = None, tuned: bool = False
) -> dict[str, pd.DataFrame]:
    """Read the Open University data set's Parquet tables by pandas, as learning records.

    Parameters
    ----------
    folder : pathlib.Path
        Of the seven tables.
    cutoff : float
        Days after the course's first day; later clicks are left out.
    region : str, optional
        One site's; all if not given.
    tuned : bool
        See above.
    """

    def table(name: str) -> pd.DataFrame:
        return pd.read_parquet(folder / f"{name}.parquet")

    presentation = ["code_module", "code_presentation"]
    info = table("studentInfo")
    if region is not None:
        info = info[info["region"] == region]
    info = info.merge(table("studentRegistration"), on=[*presentation, "id_student"])
    latest = info.sort_values(["code_presentation", "code_module"])
    latest = latest.drop_duplicates("id_student", keep="last")
    vle = table("vle")
    assessments = table("assessments").merge(table("courses"), on=presentation)
    exam = (assessments["assessment_type"] == "Exam") & assessments["date"].isna()
    due = assessments["date"].astype(float)
    due[exam] = assessments["module_presentation_length"]
    marks = table("studentAssessment").merge(assessments, on="id_assessment")
    marks = marks[marks["id_student"].isin(info["id_student"])]
    if tuned:
        clicks = pd.read_parquet(
            folder / "studentVle.parquet",
            columns=["id_student", "id_site", "date", "sum_click"],
            filters=[("date", "<=", cutoff)],
        )
    else:
        clicks = table("studentVle")
        clicks = clicks[clicks["date"] <= cutoff]
    if region is not None:
        clicks = clicks[clicks["id_student"].isin(info["id_student"])]

    if tuned:
        courses = table("courses").sort_values(presentation, ignore_index=True)
        numbers = courses[presentation].assign(course_id=courses.index)

        def learner(frame: pd.DataFrame) -> pd.Series:
            return frame["id_student"]

        def course(frame: pd.DataFrame) -> pd.Series:
            if "code_module" not in frame:
                return frame["id_site"].map(vle.set_index("id_site").pipe(course))
            merged = frame[presentation].merge(numbers, on=presentation, how="left")
            return merged["course_id"].set_axis(frame.index)

        def site(frame: pd.DataFrame) -> pd.Series:
            return frame["id_site"]

        def assessment(frame: pd.DataFrame) -> pd.Series:
            return frame["id_assessment"] + ASSESSMENT

    else:

        def learner(frame: pd.DataFrame) -> pd.Series:
            return frame["id_student"].astype(str)

        def course(frame: pd.DataFrame) -> pd.Series:
            return frame["code_module"].astype(str) + "_" + frame["code_presentation"].astype(str)

        def site(frame: pd.DataFrame) -> pd.Series:
            return "vle-" + frame["id_site"].astype(str)

        def assessment(frame: pd.DataFrame) -> pd.Series:
            return "assessment-" + frame["id_assessment"].astype(str)

    return {
        "learners": pd.DataFrame(
            {
                "learner_id": learner(latest),
                "gender": latest["gender"].map(GENDER),
                "age_band": latest["age_band"].map(AGE),
                "education_level": latest["highest_education"].map(EDUCATION),
                "support_need": latest["disability"].map(DISABILITY),
                "means": latest["imd_band"].map(MEANS),
            }
        ),
        "resources": pd.concat(
            [
                pd.DataFrame(
                    {
                        "resource_id": site(vle),
                        "kind": vle["activity_type"].map(KIND),
                        "course_id": course(vle),
                    }
                ),
                pd.DataFrame(
                    {
                        "resource_id": assessment(assessments),
                        "kind": "assessment",
                        "course_id": course(assessments),
                        "due": due,
                        "weight": assessments["weight"] / 100,
                    }
                ),
            ]
        ),
        "enrolments": pd.DataFrame(
            {
                "learner_id": learner(info),
                "course_id": course(info),
                "start": info["date_registration"].astype(float),
                "end": info["date_unregistration"].astype(float),
                "attempts": info["num_of_prev_attempts"],
                "credits": info["studied_credits"],
            }
        ),
        "events": pd.DataFrame(
            {
                "learner_id": learner(clicks),
                "course_id": course(clicks),
                "resource_id": site(clicks),
                "time": clicks["date"],
                "count": clicks["sum_click"],
            }
        ),
        "outcomes": pd.DataFrame(
            {
                "learner_id": learner(marks),
                "course_id": course(marks),
                "kind": "assessment",
                "resource_id": assessment(marks),
                "time": marks["date_submitted"].astype(float),
                "score": marks["score"].astype(float) / 100,
            }
        ),
    }
