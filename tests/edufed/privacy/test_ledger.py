from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time

import pytest

from edufed.privacy.composition import Charge, epsilon, steps_of
from edufed.privacy.ledger import Budget, BudgetError, Ledger, LedgerError

ROUND = Charge(10.0, 1.0, 1)


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl", Budget(1.8, 1e-5))


def test_jobs_compose_over_a_population_and_not_over_others(ledger):
    a, b = Charge(5.0, 0.1, 100), Charge(8.0, 1.0, 3)
    ledger.spend("one", "2013", a)
    ledger.spend("two", "2013", b)
    ledger.spend("two", "2014", b)
    assert ledger.epsilon("2013") == pytest.approx(epsilon(steps_of([a, b]), 1e-5))
    assert ledger.epsilon("2014") == pytest.approx(epsilon(steps_of([b]), 1e-5))
    assert ledger.epsilon("2015") == 0
    again = Ledger(ledger._path, Budget(1.8, 1e-5))
    assert again.summary() == [
        {
            "population": "2013",
            "jobs": ["one", "two"],
            "epsilon": ledger.epsilon("2013"),
            "delta": 1e-5,
            "budget": 1.8,
        },
        {
            "population": "2014",
            "jobs": ["two"],
            "epsilon": ledger.epsilon("2014"),
            "delta": 1e-5,
            "budget": 1.8,
        },
    ]


def test_a_job_that_would_exceed_the_budget_is_refused_before_training(ledger):
    ledger.reserve("one", "2013", [Charge(10.0, 1.0, 12)])
    with pytest.raises(
        BudgetError, match=r"job two would bring population 2013 from ε = 1\.326 to 1\.9"
    ):
        ledger.reserve("two", "2013", [Charge(10.0, 1.0, 12)])
    assert [entry.job for entry in ledger.entries()] == ["one"]
    ledger.reserve("two", "2014", [Charge(10.0, 1.0, 12)])


def test_an_answer_beyond_the_budget_is_refused(ledger):
    with pytest.raises(BudgetError, match="use more noise or fewer rounds"):
        ledger.spend("one", "2013", Charge(0.5))
    assert ledger.entries() == []


def test_what_is_reserved_counts_until_the_job_is_closed(ledger):
    reserved = ledger.reserve("one", "2013", [Charge(10.0, 1.0, 12)])
    for _ in range(4):
        ledger.spend("one", "2013", ROUND)
        assert ledger.epsilon("2013") == pytest.approx(reserved)
    ledger.close("one")
    assert ledger.epsilon("2013") == pytest.approx(epsilon(steps_of([ROUND] * 4), 1e-5))
    ledger.close("one")
    for late in (
        lambda: ledger.spend("one", "2013", ROUND),
        lambda: ledger.reserve("one", "2013", [ROUND]),
    ):
        with pytest.raises(LedgerError, match="job one is closed"):
            late()


def test_a_job_that_spends_more_than_it_reserved_is_charged_for_it(ledger):
    before = ledger.reserve("one", "2013", [ROUND])
    for _ in range(3):
        ledger.spend("one", "2013", ROUND)
    assert ledger.epsilon("2013") == pytest.approx(epsilon(steps_of([ROUND] * 3), 1e-5))
    assert ledger.epsilon("2013") > before


def test_a_job_that_resumes_reserves_once(ledger):
    first = ledger.reserve("one", "2013", [Charge(10.0, 1.0, 12)])
    assert ledger.reserve("one", "2013", [Charge(10.0, 1.0, 12)]) == pytest.approx(first)
    assert len(ledger.entries()) == 1
    with pytest.raises(LedgerError, match="reserved something else"):
        ledger.reserve("one", "2013", [ROUND])


def test_only_the_owner_can_read_it(ledger):
    ledger.spend("one", "2013", ROUND)
    assert stat.S_IMODE(ledger._path.stat().st_mode) == 0o600


def test_every_change_of_a_written_line_is_found(ledger):
    for job in ("one", "two", "three"):
        ledger.spend(job, "2013", ROUND)
    lines = ledger._path.read_bytes().splitlines(keepends=True)
    more_noise = lines[1].replace(b"10.0", b"90.0")
    rehashed = json.loads(more_noise)
    rehashed["hash"] = "0" * 64
    for number, changed in (
        (2, [lines[0], more_noise, lines[2]]),
        (2, [lines[0], json.dumps(rehashed).encode() + b"\n", lines[2]]),
        (2, [lines[0], lines[2]]),
        (1, lines[1:]),
        (2, [lines[0], lines[0], *lines[1:]]),
        (1, [lines[1], lines[0], lines[2]]),
        (2, [lines[0], b"not an entry\n", *lines[1:]]),
        (2, [lines[0], b"[]\n", *lines[1:]]),
    ):
        ledger._path.write_bytes(b"".join(changed))
        with pytest.raises(LedgerError, match=rf"line {number}: the ledger was altered"):
            ledger.spend("four", "2013", ROUND)


def test_the_head_shows_a_cut_at_the_end(ledger):
    heads = [ledger.head]
    for job in ("one", "two"):
        ledger.spend(job, "2013", ROUND)
        heads.append(ledger.head)
    assert len(set(heads)) == 3
    lines = ledger._path.read_bytes().splitlines(keepends=True)
    ledger._path.write_bytes(lines[0])
    assert ledger.head == heads[1] != heads[2]


def test_a_line_cut_short_by_a_crash_is_dropped_and_all_before_it_kept(ledger):
    for job in ("one", "two"):
        ledger.spend(job, "2013", ROUND)
    content = ledger._path.read_bytes()
    first = content.index(b"\n") + 1
    for cut in range(first, len(content), 7):
        ledger._path.write_bytes(content[:cut])
        assert [entry.job for entry in ledger.entries()] == ["one"]
        ledger.spend("three", "2013", ROUND)
        assert [entry.job for entry in ledger.entries()] == ["one", "three"]


@pytest.mark.parametrize("wrong", [(0.0, 1e-5), (1.0, 0.0), (1.0, 1.0), (float("nan"), 0.1)])
def test_a_budget_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="a budget needs"):
        Budget(*wrong)


SITE = """
import os, sys
from pathlib import Path
from edufed.privacy.composition import Charge
from edufed.privacy.ledger import Budget, Ledger
ledger = Ledger(Path(sys.argv[1]), Budget(1000.0, 1e-5))
answers = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while True:
    ledger.spend("job", "2013", Charge(10.0))
    os.write(answers, b"x")
"""


def test_killing_a_site_between_spending_and_answering_never_under_counts(tmp_path):
    book, answers = tmp_path / "ledger.jsonl", tmp_path / "answers"
    ledger = Ledger(book, Budget(1000.0, 1e-5))
    ledger.reserve("job", "2013", [Charge(10.0, 1.0, 100_000)])
    chance = random.Random(7)
    kills = 0
    for _ in range(10):
        had = answers.stat().st_size if answers.exists() else 0
        site = subprocess.Popen([sys.executable, "-c", SITE, str(book), str(answers)])
        try:
            waited = time.monotonic() + 300
            while not answers.exists() or answers.stat().st_size <= had:
                assert site.poll() is None
                assert time.monotonic() < waited
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.02))
        finally:
            os.kill(site.pid, signal.SIGKILL)
            site.wait()
        kills += 1
        spent = sum(entry.kind == "spend" for entry in ledger.entries())
        answered = answers.stat().st_size
        assert answered <= spent <= answered + kills
    assert answered >= kills


def test_sites_that_spend_at_once_lose_no_entry(tmp_path):
    book = tmp_path / "ledger.jsonl"
    Ledger(book, Budget(1000.0, 1e-5)).reserve("job", "2013", [Charge(10.0, 1.0, 1000)])
    code = SITE.replace("while True", "for _ in range(20)")
    sites = [
        subprocess.Popen([sys.executable, "-c", code, str(book), str(tmp_path / f"a{at}")])
        for at in range(3)
    ]
    assert [site.wait(300) for site in sites] == [0, 0, 0]
    entries = Ledger(book, Budget(1000.0, 1e-5)).entries()
    assert sum(entry.kind == "spend" for entry in entries) == 60
