from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from edufed.acting.log import ACTIONS, ALERTS, OUTCOMES, checked, join, read_file, templates
from edufed.cli.evaluate_alerts import command
from edufed.config import SettingsError
from edufed.records import DataError


def frames(alerts, actions, outcomes):
    made = (
        pd.DataFrame(alerts, columns=["learner_id", "course_id", "risk", "job_id", "issued_on"]),
        pd.DataFrame(actions, columns=["learner_id", "course_id", "action", "done_on", "job_id"]),
        pd.DataFrame(outcomes, columns=["learner_id", "course_id", "outcome"]),
    )
    return [
        checked(frame, columns, "log")
        for frame, columns in zip(made, (ALERTS, ACTIONS, OUTCOMES), strict=True)
    ]


def test_actions_count_after_the_alert_and_for_its_job_alone():
    joined = join(
        *frames(
            [
                ("a", "x", 0.9, "j", "2026-03-01"),
                ("a", "x", 0.4, "j", "2026-03-08"),  # again: the first counts
                ("b", "x", 0.8, "j", "2026-03-01"),
                ("c", "x", 0.7, "j", "2026-03-01"),
                ("d", "x", 0.6, "j", "2026-03-01"),
                ("e", "x", 0.5, "j", "2026-03-01"),
            ],
            [
                ("a", "x", "call", "2026-03-02", "j"),
                ("b", "x", "call", "2026-02-01", ""),  # before the alert
                ("c", "x", "call", "2026-03-02", "other"),
                ("d", "x", "none", "", ""),
                ("z", "x", "call", "2026-03-02", ""),
            ],
            [
                ("a", "x", "1"),
                ("b", "x", "no"),
                ("c", "x", "true"),
                ("d", "x", "0"),
                ("e", "x", ""),
            ],
        )
    )
    assert joined.risk.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert joined.contacted.tolist() == [True, False, False, False]
    assert joined.outcome.tolist() == [True, False, True, False]
    assert joined.counts == {
        "alerts": 5,
        "repeated_alerts": 1,
        "contacted": 1,
        "no_outcome": 1,
        "no_outcome_contacted": 0,
        "actions": 4,
        "actions_without_alert": 1,
    }


@pytest.mark.parametrize(
    ("alert", "action", "outcomes", "message"),
    [
        (("a", "x", 2, "", ""), ("a", "x", "call", "", ""), [("a", "x", "1")], "column risk"),
        (("a", "x", 0.5, "", "May"), ("a", "x", "call", "", ""), [("a", "x", "1")], "issued_on"),
        (("a", "x", 0.5, "", ""), ("a", "x", "call", "1.2.", ""), [("a", "x", "1")], "done_on"),
        (("a", "x", 0.5, "", ""), ("a", "x", "call", "", ""), [("a", "x", "fail")], "neither 0"),
        (
            ("a", "x", 0.5, "", ""),
            ("a", "x", "call", "", ""),
            [("a", "x", "1"), ("a", "x", "0")],
            "two different outcomes",
        ),
    ],
)
def test_what_makes_no_sense_is_one_line(alert, action, outcomes, message):
    with pytest.raises(DataError, match=message):
        join(*frames([alert], [action], outcomes))


def test_a_log_without_its_columns_is_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_text("learner_id,action\n1,call\n")
    with pytest.raises(DataError, match=r"a.csv: has no column course_id"):
        read_file(tmp_path / "a.csv", ACTIONS)
    (tmp_path / "b.csv").write_text("learner_id,course_id,action\n,x,call\n")
    with pytest.raises(DataError, match="column learner_id is empty in 1 rows"):
        read_file(tmp_path / "b.csv", ACTIONS)
    with pytest.raises(DataError, match=r"give a \.csv or \.parquet file"):
        read_file(tmp_path / "c.txt", ACTIONS)


def logs(folder: Path, n=900) -> dict[str, Path]:
    """A term of alerts, contacts and outcomes, where contact helps."""
    rng = np.random.default_rng(0)
    risk = rng.beta(2, 3, n)
    contacted = rng.random(n) < 0.1 + 0.7 * risk
    failed = rng.random(n) < np.clip(risk - 0.2 * contacted, 0, 1)
    learners = [f"s{i:04d}" for i in range(n)]
    alerts = pd.DataFrame({"learner_id": learners, "course_id": "x", "risk": risk})
    alerts["job_id"], alerts["issued_on"] = "j", "2026-03-01"
    alerts.to_csv(folder / "alerts.csv", index=False)
    made = templates(checked(alerts, ALERTS, "alerts"))
    made["actions"]["action"] = np.where(contacted, "call", "")
    made["actions"].to_csv(folder / "actions.csv", index=False)
    made["outcomes"]["outcome"] = failed.astype(int)
    made["outcomes"].to_parquet(folder / "outcomes.parquet")
    return {
        "alerts": folder / "alerts.csv",
        "actions": folder / "actions.csv",
        "outcomes": folder / "outcomes.parquet",
    }


@pytest.mark.parametrize(("language", "said"), [("en", "not a proof"), ("zh", "不是效果的证明")])
def test_the_command_compares_and_cautions(tmp_path: Path, language: str, said: str, capsys):
    files = logs(tmp_path)
    named = [f"{name}={file}" for name, file in files.items()]
    command([*named, f"out={tmp_path / 'out'}", f"language={language}"])
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["adjusted"]["high"] < 0 < found["unadjusted"]["gap"] - found["adjusted"]["gap"]
    assert found["counts"]["compared"] == 900
    page = (tmp_path / "out" / "evaluation.md").read_text(encoding="utf-8")
    assert said in page
    assert ("percentage points" if language == "en" else "个百分点") in page
    assert "s0001" not in page + json.dumps(found)
    assert (tmp_path / "out" / "evaluation.md").stat().st_mode & 0o077 == 0


def test_logs_may_be_tables_and_templates_are_written(tmp_path: Path):
    files = logs(tmp_path, 300)
    url = f"sqlite:///{tmp_path}/log.db"
    engine = sa.create_engine(url)
    for name, file in files.items():
        frame = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
        frame.to_sql(f"t_{name}", engine, index=False)
    tables = [f"{name}=t_{name}" for name in files]
    command([*tables, f"url={url}", f"out={tmp_path / 'out'}"])
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["counts"]["alerts"] == 300
    command([f"alerts={files['alerts']}", f"template={tmp_path / 'empty'}"])
    made = pd.read_csv(tmp_path / "empty" / "actions.csv", dtype=str)
    assert list(made.columns) == [*ACTIONS[0], *ACTIONS[1]]
    assert len(made) == 300
    assert made["action"].isna().all()
    with pytest.raises(SettingsError, match="or url=URL and a table's name"):
        command([*tables, f"out={tmp_path / 'out'}"])
    empty = f"actions={tmp_path / 'empty' / 'actions.csv'}"
    with pytest.raises(DataError, match="no alert with a known outcome was followed by one"):
        command([tables[0], empty, tables[2], f"url={url}", f"out={tmp_path / 'o'}"])
