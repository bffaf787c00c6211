from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.policy import (
    REMEMBERED_DAYS,
    PolicyRefusalError,
    check_hours,
    check_job,
    is_open,
    take_on,
)
from clients.store import Store, StoreError
from edufed.config import compose_job
from edufed.config.policy import DAYS, Policy

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
clocks = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
windows = st.tuples(clocks, clocks).filter(lambda pair: pair[0] != pair[1])
some_days = st.lists(st.sampled_from(DAYS), min_size=1, unique=True)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))


def policy(**settings: object) -> Policy:
    return Policy.model_validate(settings)


def openings(hours: tuple[str, str], days: list[str], around: datetime) -> list[tuple]:
    """Every opening that begins within two days of `around`, written out."""
    midnight = around.replace(hour=0, minute=0, second=0, microsecond=0)
    begin, end = (timedelta(hours=int(c[:2]), minutes=int(c[3:])) for c in hours)
    length = end - begin if begin < end else end - begin + timedelta(days=1)
    first_days = [midnight + timedelta(days=offset) for offset in (-2, -1, 0, 1, 2)]
    return [
        (day + begin, day + begin + length) for day in first_days if DAYS[day.weekday()] in days
    ]


@given(windows, some_days, moments)
def test_open_exactly_within_an_opening(
    hours: tuple[str, str], days: list[str], now: datetime
) -> None:
    within = any(begin <= now < end for begin, end in openings(hours, days, now))
    assert is_open(policy(hours="-".join(hours), days=days), now) == within


@given(windows, moments)
def test_hours_and_their_opposite_share_out_the_day(hours: tuple[str, str], now: datetime) -> None:
    one, other = policy(hours="-".join(hours)), policy(hours="-".join(reversed(hours)))
    assert is_open(one, now) != is_open(other, now)


@given(moments, st.integers(-11, 12))
def test_the_clock_is_that_of_the_sites_wall(now: datetime, offset: int) -> None:
    # POSIX signs: Etc/GMT-8 is eight hours ahead of UTC.
    zone = f"Etc/GMT{-offset:+d}"
    there = policy(hours="22:00-06:00", days=["fri"], time_zone=zone)
    here = policy(hours="22:00-06:00", days=["fri"])
    assert is_open(there, now) == is_open(here, now + timedelta(hours=offset))


def test_friday_night_ends_on_saturday_morning() -> None:
    nights = policy(hours="22:00-06:00", days=["fri"])
    friday = MONDAY + timedelta(days=4)
    times = {"21:59": False, "22:00": True, "29:59": True, "30:00": False, "46:00": False}
    for clock, expected in times.items():
        hours, minutes = map(int, clock.split(":"))
        assert is_open(nights, friday + timedelta(hours=hours, minutes=minutes)) == expected
    assert not is_open(nights, friday + timedelta(hours=3))  # Thursday's night


def test_summer_time_moves_the_hours_along() -> None:
    lisbon = policy(hours="08:00-09:00", time_zone="Europe/Lisbon")
    assert is_open(lisbon, datetime(2026, 1, 15, 8, 30, tzinfo=UTC))
    assert is_open(lisbon, datetime(2026, 7, 15, 7, 30, tzinfo=UTC))
    assert not is_open(lisbon, datetime(2026, 7, 15, 8, 30, tzinfo=UTC))


def test_days_without_hours_are_whole_days() -> None:
    weekend = policy(days=["sat", "sun"])
    assert is_open(weekend, MONDAY - timedelta(minutes=1))
    assert not is_open(weekend, MONDAY)
    with pytest.raises(PolicyRefusalError, match=r"^policy.hours are the whole day on sat, sun"):
        check_hours(weekend, MONDAY)


def test_a_refusal_says_the_hours_and_the_time_there() -> None:
    nights = policy(hours="22:00-06:00", time_zone="Asia/Shanghai")
    with pytest.raises(PolicyRefusalError) as caught:
        check_hours(nights, MONDAY)
    assert str(caught.value) == (
        "policy.hours are 22:00-06:00 on mon, tue, wed, thu, fri, sat, sun (Asia/Shanghai),"
        " and it is mon 08:00 there"
    )


def test_the_default_policy_takes_any_job() -> None:
    check_job(Policy(), compose_job(["out=x"]))


def test_a_job_with_secure_aggregation_satisfies_a_site_that_requires_it() -> None:
    strict = policy(privacy={"secagg": "required"}, tasks=["early_warning"])
    check_job(strict, compose_job(["out=x", "privacy=secagg"]))
    with pytest.raises(PolicyRefusalError, match=r"^privacy\.secagg is required$"):
        check_job(strict, compose_job(["out=x"]))
    with pytest.raises(PolicyRefusalError, match=r"^privacy\.secagg is required$"):
        check_job(strict, compose_job(["out=x", "privacy=he"]))


@pytest.mark.parametrize(
    ("allowed", "settings", "refusal"),
    [
        ({"strategies": ["exact"]}, ["strategy=splitnn"], "policy.strategies does not allow split"),
        ({"strategies": ["exact"]}, [], None),
        ({"privacy": {"products": "lattice"}}, ["strategy.products=dealt"], "strategy.products de"),
        ({"privacy": {"products": "lattice"}}, [], None),
        ({"max_rounds": 2}, ["scenario.rounds=3"], "scenario.rounds is 3 and policy.max_rounds 2"),
        ({"max_rounds": 2}, ["scenario.rounds=2"], None),
        ({}, ["strategy.products=dealt"], None),
    ],
)
def test_a_platform_may_refuse_ways_of_training_together(
    allowed: dict[str, object], settings: list[str], refusal: str | None
) -> None:
    vertical = ["scenario=vertical", "data=oulad_vertical", "data.path=somewhere", "out=x"]
    job = compose_job([*vertical, *settings])
    if refusal is None:
        check_job(policy(**allowed), job)
        return
    with pytest.raises(PolicyRefusalError, match=refusal):
        check_job(policy(**allowed), job)


def test_a_site_may_accept_encrypted_sums_too() -> None:
    either = policy(privacy={"secagg": "or_he"})
    for privacy in ("secagg", "he"):
        check_job(either, compose_job(["out=x", f"privacy={privacy}"]))
    with pytest.raises(PolicyRefusalError, match=r"^privacy\.secagg, or privacy=he, is required$"):
        check_job(either, compose_job(["out=x"]))


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), max_size=30), st.integers(1, 3))
def test_no_day_has_more_new_jobs_than_allowed(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, int]], most: int
) -> None:
    allowed = policy(max_jobs_per_day=most)
    folder = tmp_path_factory.mktemp("state")
    first_day: dict[str, int] = {}
    for job, day in sorted(asked, key=lambda pair: pair[1]):
        name = f"job-{job}"
        full = sum(begun == day for begun in first_day.values()) >= most
        now = MONDAY + timedelta(days=day, hours=12)
        if name not in first_day and full:
            with pytest.raises(PolicyRefusalError, match="max_jobs_per_day"):
                take_on(allowed, Store(folder), name, now)
        else:
            take_on(allowed, Store(folder), name, now)
            first_day.setdefault(name, day)


def test_the_day_ends_at_midnight_at_the_site(tmp_path: Path) -> None:
    shanghai = policy(max_jobs_per_day=1, time_zone="Asia/Shanghai")
    store = Store(tmp_path)
    take_on(shanghai, store, "first", MONDAY + timedelta(hours=15, minutes=59))
    with pytest.raises(PolicyRefusalError):
        take_on(shanghai, store, "second", MONDAY + timedelta(hours=15, minutes=59))
    take_on(shanghai, store, "second", MONDAY + timedelta(hours=16))


def test_jobs_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    one, store = policy(max_jobs_per_day=1), Store(tmp_path)
    for day in range(0, 3 * REMEMBERED_DAYS, REMEMBERED_DAYS):
        take_on(one, store, f"job-{day}", MONDAY + timedelta(days=day))
    kept = store.load("admitted")
    assert kept is not None
    assert kept["jobs"].tolist() == [f"job-{REMEMBERED_DAYS}", f"job-{2 * REMEMBERED_DAYS}"]


def test_a_damaged_list_of_jobs_is_named_and_admits_nothing(tmp_path: Path) -> None:
    one, store = policy(max_jobs_per_day=1), Store(tmp_path)
    store.save("admitted", {"jobs": np.array(["a"]), "days": np.array(["2026-03-02"])})
    (tmp_path / "admitted.npz").write_bytes(b"0" * 80)
    with pytest.raises(StoreError, match=r"admitted\.npz is damaged"):
        take_on(one, store, "b", MONDAY)
