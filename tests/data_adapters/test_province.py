import hashlib
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from data_adapters.province import (
    ProvinceSettings,
    preferences,
    truth,
    write_province,
    write_region,
)
from data_adapters.province.learners import COLUMNS, KNOWN, pseudonyms
from data_adapters.province.risk import TRAITS, drift, trait_correlation, withdrawn_by
from data_adapters.province.settings import EDUCATION, PLATFORMS, TERMS, TEST_FROM

SMALL = ProvinceSettings(learners=3000, regions=2, events_per_learner=40)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("province")
    write_province(SMALL, folder)
    return folder


@pytest.fixture(scope="module")
def region(province: Path) -> Path:
    return province / SMALL.region_key(0)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*.parquet"))
    }


def sql(query: str) -> pd.DataFrame:
    return duckdb.sql(query).df()


def test_same_settings_give_the_same_bytes_and_another_seed_other_ones(
    region: Path, tmp_path: Path
) -> None:
    again = write_region(SMALL, tmp_path / "again", 0)
    other = write_region(SMALL.model_copy(update={"seed": 2}), tmp_path / "other", 0)
    assert digests(again) == digests(region)
    assert digests(again).keys() == digests(other).keys()
    assert not set(digests(again).values()) & set(digests(other).values())


def test_a_region_does_not_depend_on_how_many_others_there_are(
    province: Path, tmp_path: Path
) -> None:
    wide = SMALL.model_copy(update={"learners": 15_000, "regions": 10})
    alone = write_region(wide, tmp_path, 1)
    assert alone.name == SMALL.region_key(1)
    assert digests(alone) == digests(province / alone.name)


def test_learners_are_shared_out_and_chunks_do_not_lose_any(tmp_path: Path) -> None:
    settings = ProvinceSettings(learners=9001, regions=2, events_per_learner=1000)
    assert [settings.region_learners(r) for r in range(2)] == [4501, 4500]
    assert settings.chunk == 500
    assert truth(settings, 0).enrolments.link_id.nunique() == 4501


def test_platforms_share_link_ids_as_set_and_no_learner_ids(region: Path) -> None:
    learners = {
        platform: sql(f"SELECT DISTINCT * FROM '{region}/{platform}/learners.parquet'")
        for platform in PLATFORMS
    }
    size = SMALL.region_learners(0)
    links = {platform: set(frame.link_id) for platform, frame in learners.items()}
    assert len(set.union(*links.values())) == size
    for platform, frame in learners.items():
        assert frame.learner_id.is_unique
        assert frame.link_id.is_unique
        assert not set(frame.learner_id) & set(frame.link_id)
        assert len(frame) / size == pytest.approx(KNOWN[platform], abs=0.04)
    for one, two in combinations(PLATFORMS, 2):
        assert not set(learners[one].learner_id) & set(learners[two].learner_id)
        shared = len(links[one] & links[two]) / size
        assert shared == pytest.approx(KNOWN[one] * KNOWN[two], abs=0.04)


def test_pseudonyms_are_one_to_one_and_differ_by_key_and_region() -> None:
    numbers = np.arange(20_000)
    sets = [set(pseudonyms(r, numbers, key)) for r, key in ((0, 5), (1, 5), (0, 6 << 41))]
    assert all(len(s) == len(numbers) for s in sets)
    assert len(set.union(*sets)) == 3 * len(numbers)


def test_platforms_lack_the_columns_they_should(region: Path) -> None:
    for platform in PLATFORMS:
        have = set(sql(f"SELECT * FROM '{region}/{platform}/learners.parquet' LIMIT 0").columns)
        wanted = {"learner_id", "link_id", "education", *COLUMNS[platform]}
        lacking = wanted - have
        assert have <= wanted
        assert lacking <= ({"means", "support_need", "gender"} if platform == "mooc" else set())
    tables = {p: {f.stem for f in (region / p).glob("*.parquet")} for p in PLATFORMS}
    assert tables["mooc"] == {"learners", "resources", "enrolments", "events", "outcomes"}
    assert tables["live_class"] == tables["digital_library"] == {"learners", "resources", "events"}
    columns = {
        p: set(sql(f"SELECT * FROM '{region}/{p}/events.parquet' LIMIT 0")) for p in PLATFORMS
    }
    assert "score" in columns["mooc"] - columns["digital_library"] - columns["live_class"]
    assert "count" in columns["digital_library"] - columns["mooc"] - columns["live_class"]


def test_some_regions_lack_columns_that_others_have() -> None:
    lacks = [drift(ProvinceSettings(), region).lacks for region in range(40)]
    assert () in lacks
    assert {name for names in lacks for name in names} == {"means", "support_need", "gender"}


def test_truth_agrees_with_the_files(province: Path, region: Path) -> None:
    found = truth(SMALL, 0)
    kept = sql(f"SELECT * FROM '{region}/truth/enrolments.parquet'")
    pd.testing.assert_frame_equal(found.enrolments, kept, check_dtype=False)
    summary = json.loads((region / "truth" / "truth.json").read_text())
    assert summary["coefficients"]["higher"] == found.coefficients.loc["higher"].tolist()
    assert summary["intercepts"] == found.intercepts.to_dict()
    finals = sql(f"""
        SELECT DISTINCT link_id, course_id, passed FROM '{region}/mooc/outcomes.parquet'
        JOIN '{region}/mooc/learners.parquet' USING (learner_id)
        WHERE kind = 'final'
    """)
    joined = finals.merge(kept, on=["link_id", "course_id"])
    assert len(joined) == len(finals) == kept.on_mooc.sum()
    assert (joined.passed == ~joined.not_passed).all()


@pytest.fixture(scope="module")
def large() -> tuple[ProvinceSettings, pd.DataFrame]:
    settings = ProvinceSettings(learners=60_000, regions=1)
    return settings, truth(settings, 0).enrolments


def test_logistic_regression_recovers_the_coefficients(
    large: tuple[ProvinceSettings, pd.DataFrame],
) -> None:
    settings, table = large
    known = truth(settings.model_copy(update={"learners": 100}), 0)
    for education in EDUCATION:
        rows = table[table.education == education]
        courses = pd.get_dummies(rows.course_id, dtype=float)
        x = np.hstack([rows[list(TRAITS)].to_numpy(), courses.to_numpy()])
        model = LogisticRegression(C=1e6, fit_intercept=False, max_iter=2000)
        with threadpool_limits(1):
            weights = model.fit(x, rows.not_passed).coef_[0]
        # Three to four standard errors of the smallest type, community.
        error = weights[: len(TRAITS)] - known.coefficients.loc[education]
        assert np.abs(error).max() < 0.15
        assert np.abs(error).mean() < 0.05
        base = weights[len(TRAITS) :] - known.intercepts[courses.columns]
        assert np.abs(base).mean() < 0.1


def test_no_score_beats_the_truth_and_the_truth_is_calibrated(
    large: tuple[ProvinceSettings, pd.DataFrame],
) -> None:
    _, table = large
    assert 0.87 < roc_auc_score(table.not_passed, table.probability) < 0.91
    assert 0.3 < table.not_passed.mean() < 0.5
    tenths = table.groupby((table.probability * 10).astype(int))
    gap = tenths.not_passed.mean() - tenths.probability.mean()
    assert gap.abs().max() < 0.03


def test_the_shift_of_odds_for_those_still_enrolled_is_known(tmp_path: Path) -> None:
    settings = ProvinceSettings(learners=20_000, regions=1, events_per_learner=1, dirt=0.0)
    folder = write_region(settings, tmp_path, 0)
    table = sql(f"""
        SELECT probability, not_passed FROM '{folder}/truth/enrolments.parquet'
        JOIN '{folder}/mooc/learners.parquet' USING (link_id)
        JOIN '{folder}/mooc/enrolments.parquet' USING (learner_id, course_id)
        WHERE "end" IS NULL OR "end" > 60
    """)
    odds = (1 - withdrawn_by(60)) * table.probability / (1 - table.probability)
    expected = odds / (1 + odds)
    assert expected.mean() == pytest.approx(table.not_passed.mean(), abs=0.01)
    assert withdrawn_by(0) == 0
    assert withdrawn_by(1000) == pytest.approx(0.45)


@pytest.mark.parametrize("related", [1.0, 0.5, 0.0, -1.0])
def test_relatedness_is_the_correlation_of_risks_between_education_types(related: float) -> None:
    settings = ProvinceSettings(learners=100, regions=1, relatedness=related)
    weights = truth(settings, 0).coefficients
    cov = trait_correlation()
    for education in ("community", "vocational", "basic"):
        a, b = weights.loc["higher"].to_numpy(), weights.loc[education].to_numpy()
        assert a @ cov @ b / (a @ cov @ a) == pytest.approx(related, abs=1e-9)
        assert b @ cov @ b == pytest.approx(a @ cov @ a)


def test_drift_between_regions_and_terms_can_be_turned_off() -> None:
    still = ProvinceSettings(learners=500, regions=5, region_drift=0.0, term_drift=0.0)
    moving = ProvinceSettings(learners=500, regions=5, region_drift=0.5, term_drift=0.5)
    bases = [truth(still, region).intercepts for region in range(5)]
    assert all((base == bases[0]).all() for base in bases)
    shifts = [(truth(moving, region).intercepts - bases[0]) for region in range(5)]
    assert np.std([shift.iloc[0] for shift in shifts]) > 0.1
    by_term = shifts[0].groupby(shifts[0].index.str[-7:]).mean()
    assert np.ptp(by_term) > 0.1


def test_terms_lie_on_both_sides_of_the_split() -> None:
    assert sum(day < TEST_FROM for day in TERMS) >= 2
    assert sum(day >= TEST_FROM for day in TERMS) >= 1


def test_weeks_have_a_rhythm(region: Path) -> None:
    days = sql(f"""
        SELECT dayofweek(e.course_start + to_days(floor(v.time)::INTEGER)) AS weekday,
            floor(v.time / 7) AS week, count(*) AS n
        FROM '{region}/mooc/events.parquet' v
        JOIN '{region}/mooc/enrolments.parquet' e USING (learner_id, course_id)
        WHERE v.time > -7 GROUP BY ALL
    """)
    weekday = days.groupby("weekday").n.sum()
    assert weekday[1] > 2 * weekday[6]  # Monday, Saturday
    week = days.groupby("week").n.sum()
    assert week[8] < 0.7 * week[7]  # the break


def test_events_are_about_as_many_as_asked_and_none_follow_a_withdrawal(region: Path) -> None:
    files = ", ".join(f"'{region}/{platform}/events.parquet'" for platform in PLATFORMS)
    [[rows]] = duckdb.sql(
        f"SELECT count(*) FROM read_parquet([{files}], union_by_name=true)"
    ).fetchall()
    assert 0.7 < rows / SMALL.region_learners(0) / SMALL.events_per_learner < 1.4
    late = sql(f"""
        SELECT * FROM '{region}/mooc/events.parquet'
        JOIN '{region}/mooc/enrolments.parquet' e USING (learner_id, course_id)
        WHERE time >= e."end"
    """)
    assert late.empty


@pytest.mark.parametrize(("correlation", "low", "high"), [(0.9, 0.15, 1.0), (0.0, -0.03, 0.08)])
def test_tastes_carry_over_between_platforms_as_set(
    tmp_path: Path, correlation: float, low: float, high: float
) -> None:
    settings = ProvinceSettings(learners=2000, regions=1, preference_correlation=correlation)
    folder = write_region(settings, tmp_path, 0)
    shares = {
        platform: sql(f"""
            SELECT link_id, subject, count(*) AS n FROM '{folder}/{platform}/events.parquet'
            JOIN '{folder}/{platform}/resources.parquet' r USING (resource_id)
            JOIN '{folder}/{platform}/learners.parquet' USING (learner_id)
            WHERE r.course_id IS NULL GROUP BY ALL
        """)
        .pivot_table(index="link_id", columns="subject", values="n", fill_value=0)
        .pipe(lambda frame: frame.div(frame.sum(axis=1), axis=0))
        for platform in ("digital_library", "live_class")
    }
    library, live = shares.values()
    both = library.index.intersection(live.index)
    # What is left after the popularity of subjects.
    a = (library.loc[both] - library.mean()).to_numpy().ravel()
    b = (live.loc[both] - live.mean()).to_numpy().ravel()
    assert low < np.corrcoef(a, b)[0, 1] < high


def test_what_learners_open_follows_their_true_preferences(region: Path) -> None:
    chances = preferences(SMALL, 0, "digital_library")
    assert np.allclose(chances.sum(axis=1), 1)
    opened = sql(f"""
        SELECT link_id, subject, count(*) AS n FROM '{region}/digital_library/events.parquet'
        JOIN '{region}/digital_library/resources.parquet' r USING (resource_id)
        JOIN '{region}/digital_library/learners.parquet' USING (learner_id)
        WHERE r.course_id IS NULL GROUP BY ALL
    """).pivot_table(index="link_id", columns="subject", values="n", fill_value=0)
    expected = chances.loc[opened.index, opened.columns].mul(opened.sum(axis=1), axis=0)
    assert np.abs(opened.sum() / expected.sum() - 1).max() < 0.1
    # As far from the truth as counts drawn from it are: about one variance a cell.
    assert ((opened - expected) ** 2).sum().sum() / expected.sum().sum() < 1.1


@pytest.mark.parametrize("learners", [1, 7])
def test_the_smallest_regions_can_be_written(tmp_path: Path, learners: int) -> None:
    settings = ProvinceSettings(learners=learners, regions=1, events_per_learner=1)
    folder = write_region(settings, tmp_path, 0)
    assert len(truth(settings, 0).enrolments) >= learners
    assert len(list(folder.rglob("*.parquet"))) == 12


def test_progress_is_told_and_ends_with_everybody(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    settings = ProvinceSettings(learners=300, regions=3, events_per_learner=5)
    files = write_province(settings, tmp_path, lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (300, 300)
    assert len(files) == 9
    assert all(file.is_file() for file in files)


PEAK = """
import resource, sys
from pathlib import Path
from data_adapters.province import ProvinceSettings, write_region
settings = ProvinceSettings(learners=int(sys.argv[1]), regions=1, events_per_learner=5)
write_region(settings, Path(sys.argv[2]), 0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_province(tmp_path: Path, root: Path) -> None:
    def peak(learners: int) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(learners), str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            cwd=root,
        )
        return int(done.stdout)

    assert peak(120_000) < 1.25 * peak(12_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learner": 5},
        {"learners": 0},
        {"relatedness": 2},
        {"dirt": 0.9},
        {"learners": 2, "regions": 3},
    ],
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ProvinceSettings(**wrong)  # type: ignore[arg-type]
