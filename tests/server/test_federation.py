from __future__ import annotations

import pytest
from memory_grid import MemoryGrid, Node, greets, says

from edufed.config import compose_job
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
