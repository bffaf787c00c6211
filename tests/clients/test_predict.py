from __future__ import annotations

import stat
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from clients.calibration import Calibration
from clients.predict import not_reached, predict, scoring_design, write_predictions
from clients.training import predict_risk, train_locally
from edufed.config.model import LogisticSettings
from edufed.features import (
    FEATURE_VERSION,
    FEATURES,
    FeatureMatrix,
    Scaling,
    cohort_counts,
    cohort_ranks,
    design,
    design_names,
    moments,
    transformed,
)
from edufed.models import build_model, get_weights, set_weights
from edufed.published import Description, PublishedModel
from edufed.records import DataError

NAMES = tuple(feature.name for feature in FEATURES)
ACTIVE = NAMES.index("active_days")


def learners(rows, course="c1", seed=0):
    """Learners whose risk falls with their active days, and with nothing else."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 40, (rows, len(NAMES))).astype(np.float32)
    risk = 1.0 / (1.0 + np.exp(0.3 * (values[:, ACTIVE] - 20)))
    return FeatureMatrix(
        values=values,
        names=NAMES,
        learner_id=np.array([f"l{i:04}" for i in range(rows)], dtype=object),
        course_id=np.array([course] * rows, dtype=object),
        course_start=np.full(rows, "2014-02-01", dtype="datetime64[D]"),
        target=(rng.random(rows) < risk).astype(np.float32),
    )


@pytest.fixture(scope="module")
def published() -> PublishedModel:
    matrix = learners(500)
    counts = cohort_counts(matrix, ["c1"])
    sums = moments(transformed(matrix.values))
    x = design(matrix, cohort_ranks(matrix, ["c1"], counts), Scaling.from_moments(sums))
    settings = LogisticSettings(name="logistic", l2=1e-2)
    model = build_model(settings, x.shape[1], seed=0)
    train_locally(
        model,
        x,
        matrix.target,
        epochs=10,
        batch_size=50,
        learning_rate=0.01,
        l2=1e-2,
        proximal_mu=0.0,
        seed=0,
    )
    description = Description(
        edufed="0.1.0",
        job="j-1",
        created="2026-01-31",
        scenario="horizontal",
        task="early_warning",
        data="made",
        strategy="fedavg",
        model=settings,
        cutoff=60.0,
        relative=True,
        min_cohort=10,
        features=list(NAMES),
        features_version=FEATURE_VERSION,
        columns=list(design_names()),
        seed=0,
        rounds=10,
        metrics={},
        sites=[],
        privacy={},
    )
    return PublishedModel(
        description,
        get_weights(model),
        {"counts": counts, "moments": sums, "cohorts": np.array(["c1"])},
    )


def test_every_learner_once_from_highest_risk_to_lowest(published):
    matrix = learners(200, seed=1)
    frame = predict(published, matrix).frame
    assert list(frame) == [
        "learner_id",
        "course_id",
        "risk",
        "rank",
        "decile",
        "reason_1",
        "reason_2",
        "reason_3",
    ]
    assert sorted(frame["learner_id"]) == sorted(matrix.learner_id)
    assert frame["risk"].is_monotonic_decreasing
    assert frame["risk"].between(0.0, 1.0).all()
    assert frame["rank"].tolist() == list(range(1, 201))
    assert frame["decile"].value_counts().to_dict() == dict.fromkeys(range(1, 11), 20)
    assert frame["decile"].iloc[0] == 10


def test_the_cause_is_the_reason(published):
    frame = predict(published, learners(1000, seed=1)).frame
    top = frame.head(100)["reason_1"]
    assert (top == FEATURES[ACTIVE].en.low).mean() > 0.9
    chinese = predict(published, learners(1000, seed=1), language="zh").frame
    assert (chinese.head(100)["reason_1"] == FEATURES[ACTIVE].zh.low).mean() > 0.9


def test_scores_are_the_models(published):
    matrix = learners(500)
    x, _, warnings = scoring_design(published, matrix)
    model = build_model(SimpleNamespace(name="logistic"), x.shape[1], seed=0)
    set_weights(model, published.weights)
    frame = predict(published, matrix).frame.sort_values("learner_id")
    np.testing.assert_allclose(frame["risk"], predict_risk(model, x), rtol=1e-12)
    assert warnings == []


def test_calibration_moves_risks_and_keeps_the_order(published):
    matrix = learners(100, seed=2)
    plain, moved = (
        predict(published, matrix, calibration=c).frame
        for c in (Calibration(), Calibration(intercept=-1.0, slope=0.9))
    )
    assert plain["learner_id"].tolist() == moved["learner_id"].tolist()
    assert moved["risk"].mean() < plain["risk"].mean()


def test_a_course_unknown_to_the_model_is_ranked_at_home(published):
    known = learners(60, seed=3)
    fresh = replace(known, course_id=np.array(["new"] * 60, dtype=object))
    scored = predict(published, fresh)
    assert len(scored.warnings) == 1
    assert "new: not among the model's courses" in scored.warnings[0]
    assert "this site's own" in scored.warnings[0]
    _, ranks, _ = scoring_design(published, fresh)
    expected = cohort_ranks(fresh, ["new"], cohort_counts(fresh, ["new"]))
    np.testing.assert_array_equal(ranks, expected)


def test_too_few_learners_have_no_place_in_the_course(published):
    few = replace(learners(4), course_id=np.array(["tiny"] * 4, dtype=object))
    scored = predict(published, few)
    assert "fewer than 10 learners" in scored.warnings[0]
    assert len(scored.frame) == 4
    assert np.isnan(scoring_design(published, few)[1]).all()


def test_a_model_without_ranks_asks_for_none(published):
    bare = replace(
        published, description=published.description.model_copy(update={"relative": False})
    )
    x, ranks, warnings = scoring_design(bare, learners(30, course="new"))
    assert np.isnan(ranks).all()
    assert warnings == []
    assert (x[:, len(NAMES) : 2 * len(NAMES)] == 0.0).all()


def test_no_learners_no_rows(published):
    frame = predict(published, learners(0)).frame
    assert len(frame) == 0
    assert "reason_3" in frame


@pytest.mark.parametrize("update", [{"features_version": "0"}, {"columns": ["a"]}])
def test_other_features_are_refused(published, update):
    other = replace(published, description=published.description.model_copy(update=update))
    with pytest.raises(DataError, match="of job j-1 reads version"):
        predict(other, learners(5))


def test_missing_sums_are_named(published):
    without = replace(published, arrays={"counts": published.arrays["counts"]})
    with pytest.raises(DataError, match="lacks its 'moments'"):
        predict(without, learners(5))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_file_holds_the_frame_and_is_private(published, tmp_path, suffix, language):
    frame = predict(published, learners(30), language=language).frame
    path = tmp_path / "deep" / f"risk{suffix}"
    for _ in range(2):
        write_predictions(frame, path)
    read = pd.read_csv(path, keep_default_na=False) if suffix == ".csv" else pd.read_parquet(path)
    pd.testing.assert_frame_equal(read, frame, check_dtype=False, atol=1e-6)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        write_predictions(pd.DataFrame({"a": [1]}), tmp_path / "risk.xlsx")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_older_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "risk.csv"
    write_predictions(pd.DataFrame({"a": [1]}), path)

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(DataError, match="No space left"):
        write_predictions(pd.DataFrame({"a": [2]}), path)
    assert path.read_text() == "a\n1\n"
    assert [file.name for file in tmp_path.iterdir()] == ["risk.csv"]


def test_a_course_before_the_cutoff_day_is_named(published):
    course = np.array(["new", "old", "undated"], dtype=object)
    start = np.array(["2026-03-01", "2026-01-01", "NaT"], dtype="datetime64[D]")
    said = [
        not_reached(course, start, 60, np.datetime64(day)) for day in ("2026-04-29", "2026-04-30")
    ]
    assert [len(lines) for lines in said] == [1, 0]
    assert said[0][0].startswith("new: day 60 is still to come")
    matrix = replace(learners(12), course_start=np.full(12, "2999-01-01", dtype="datetime64[D]"))
    assert "still to come" in predict(published, matrix).warnings[0]
    assert not any("still to come" in line for line in predict(published, learners(12)).warnings)
