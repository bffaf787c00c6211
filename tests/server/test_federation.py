from __future__ import annotations

from typing import Any

import pytest
from memory_grid import Answer, MemoryGrid, Node, greets, says

from edufed.config import compose_job
from edufed.wire import pack, unpack
from server.federation import Federation, JobError, TooFewError
from server.progress import Step


def federation(nodes: dict[int, Node]) -> tuple[Federation, list[Step]]:
    job = compose_job(["out=x", "scenario.round_timeout_s=0.3"])
    steps: list[Step] = []
    return Federation(MemoryGrid(nodes), job, steps.append), steps


def test_sites_are_known_by_name_and_the_bad_one_is_excluded() -> None:
    some, steps = federation(
        {3: greets("north"), 1: greets("south"), 2: says("east", "failed", reason="no file")}
    )
    assert some.connect(3) == 3
    assert list(some.greet()) == ["north", "south"]
    assert some.exclusions == [{"round": None, "site": "east", "reason": "no file"}]
    assert "site east left out: no file" in [step.text for step in steps]
    assert some.totals.messages == 6


@pytest.mark.parametrize("named", [True, False])
def test_an_enrolled_site_that_is_away_is_named_once(named: bool) -> None:
    some, _ = federation({1: greets("north"), 2: greets("south"), 3: says("east", "failed")})
    some.enrolled = ["east", "north", "south", "west"]
    assert isinstance(some.grid, MemoryGrid)
    some.grid.names = {1: "north", 2: "south", 3: "east"} if named else {}
    some.greet()
    some.greet()
    away = {"round": None, "site": "west", "reason": "not connected when the job began"}
    assert some.exclusions.count(away) == named
    assert {entry["site"] for entry in some.exclusions} == {"east", *(["west"] if named else [])}


def test_a_second_site_of_one_name_is_left_out() -> None:
    some, _ = federation({1: greets("a"), 2: greets("a"), 3: greets("a"), 4: greets("b")})
    assert set(some.greet()) == {"a", "b"}
    assert [entry["site"] for entry in some.exclusions] == ["a", "a"]


@pytest.mark.parametrize(
    ("second", "ends"),
    [("no file", "a: no file (the same at 1 more)"), ("other", "a: no file (and 1 more)")],
)
def test_one_reason_is_said_once(second: str, ends: str) -> None:
    bad = {1: says("a", "failed", reason="no file"), 2: says("b", "failed", reason=second)}
    some, _ = federation(bad)
    with pytest.raises(JobError, match="0 of 2 sites answered") as caught:
        some.greet()
    assert str(caught.value).endswith(ends)
    assert not isinstance(caught.value, TooFewError)


def test_silence_may_pass_so_it_may_be_tried_again() -> None:
    some, _ = federation({1: greets("a"), 2: lambda *_: None})
    with pytest.raises(TooFewError, match="1 of 2 sites answered"):
        some.greet()


def test_a_refusal_is_told_once_until_it_is_taken_back() -> None:
    closed = says("b", "refused", reason="policy.hours are 08:00-18:00, and it is Fri 18:00 there")
    nodes = {1: greets("a"), 2: greets("b"), 3: greets("c")}
    some, steps = federation(nodes)
    some.greet()

    def ask(number: int) -> None:
        some.ask("train.horizontal", {}, lambda _: {}, number)

    for number, open_now in enumerate([True, False, False, True, False], start=1):
        nodes[2] = greets("b") if open_now else closed
        ask(number)
    assert [(entry["round"], entry["site"]) for entry in some.refusals] == [(2, "b"), (5, "b")]
    assert some.exclusions == []
    told = [step.text for step in steps if step.phase in ("refusal", "return")]
    assert [text[:20] for text in told] == [
        "site b refused: poli",
        "site b takes part ag",
        "site b refused: poli",
    ]


def test_a_site_that_stays_away_between_rounds_is_named_once_until_it_is_back() -> None:
    nodes = {1: greets("a"), 2: greets("b"), 3: greets("c")}
    some, _ = federation(nodes)
    some.greet()
    damaged = says("b", "failed", reason="a file is damaged")
    for answer in (damaged, damaged, greets("b"), damaged):
        nodes[2] = answer
        some.ask("query.statistics", {}, lambda _: {})
    assert [entry["site"] for entry in some.exclusions] == ["b", "b"]


def test_a_site_is_left_out_of_a_round_once_though_it_was_asked_twice() -> None:
    nodes = {1: greets("a"), 2: greets("b"), 3: greets("c")}
    some, _ = federation(nodes)
    some.greet()
    nodes[3] = says("c", "failed", reason="disk full")
    for kind in ("train.horizontal", "query.unmask"):
        some.ask(kind, {}, lambda _: {}, 1)
    assert some.exclusions == [{"round": 1, "site": "c", "reason": "disk full"}]


def test_what_a_site_says_of_another_is_not_taken() -> None:
    quality = {"site": "b", "rows": 0, "rejected": 0, "reasons": {}}

    def lies(kind: str, meta: dict[str, Any]) -> Answer:
        said, _ = unpack(greets("c")(kind, meta))
        return pack({**said, "quality": quality})

    some, _ = federation({1: greets("a"), 2: greets("b"), 3: lies})
    assert list(some.greet()) == ["a", "b"]
    (left_out,) = some.exclusions
    assert left_out["site"] == "c"
    assert "quality is another site's" in left_out["reason"]
