"""A data set in OULAD's form that trains in a moment, to be damaged by tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

#: Region of the data set -> site name.
REGIONS = {"North Region": "north", "Wales": "wales"}
PRESENTATIONS = ("2013J", "2014J")
LEARNERS = 60


def write(folder: Path, regions: Mapping[str, str] = REGIONS) -> Path:
    """Write the seven tables: in each region some learners a presentation, the busier ones pass."""
    rng = np.random.default_rng(7)
    info, registration, marks, clicks = [], [], [], []
    student = 1000
    for region in regions:
        for presentation in PRESENTATIONS:
            course = {"code_module": "AAA", "code_presentation": presentation}
            for _ in range(LEARNERS):
                student += 1
                busy = float(rng.random())
                info.append(
                    {
                        **course,
                        "id_student": student,
                        "gender": "F" if student % 2 else "M",
                        "region": region,
                        "highest_education": "A Level or Equivalent",
                        "imd_band": "20-30%",
                        "age_band": "0-35",
                        "num_of_prev_attempts": 0,
                        "studied_credits": 60,
                        "disability": "N",
                        "final_result": "Pass" if busy + 0.3 * rng.random() > 0.6 else "Fail",
                    }
                )
                registration.append(
                    {**course, "id_student": student, "date_registration": -10}
                    | {"date_unregistration": "?"}
                )
                marks.append(
                    {"id_assessment": 1 + PRESENTATIONS.index(presentation), "id_student": student}
                    | {"date_submitted": 18, "is_banked": 0, "score": int(40 + 60 * busy)}
                )
                for day in rng.choice(60, size=1 + int(20 * busy), replace=False):
                    clicks.append(
                        {**course, "id_student": student, "id_site": 10, "date": int(day)}
                        | {"sum_click": int(rng.integers(1, 20))}
                    )
    tables = {
        "courses": [
            {"code_module": "AAA", "code_presentation": p, "module_presentation_length": 268}
            for p in PRESENTATIONS
        ],
        "assessments": [
            {"code_module": "AAA", "code_presentation": p, "id_assessment": number}
            | {"assessment_type": "TMA", "date": 19, "weight": 100}
            for number, p in enumerate(PRESENTATIONS, start=1)
        ],
        "vle": [
            {"code_module": "AAA", "code_presentation": p, "id_site": 10}
            | {"activity_type": "oucontent", "week_from": "?", "week_to": "?"}
            for p in PRESENTATIONS
        ],
        "studentInfo": info,
        "studentRegistration": registration,
        "studentAssessment": marks,
        "studentVle": clicks,
    }
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return folder


def change(folder: Path, table: str, **columns: object) -> None:
    """Set columns of a table to one value each; None takes the column away."""
    file = folder / f"{table}.csv"
    frame = pd.read_csv(file)
    for column, value in columns.items():
        if value is None:
            frame = frame.drop(columns=column)
        else:
            frame[column] = value
    frame.to_csv(file, index=False)


def sites(regions: Mapping[str, str] = REGIONS) -> str:
    """The setting that makes each region a site."""
    listed = ", ".join(
        f"{{name: {site}, adapter: {{region: {region}}}}}" for region, site in regions.items()
    )
    return f"data.sites=[{listed}]"
