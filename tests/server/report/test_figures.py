from __future__ import annotations

import pytest

from server.report.figures import count, duration, in_hundred, percent, score, signed, size
from server.report.words import Words


def test_scores_and_differences() -> None:
    assert score(0.81149) == "0.811"
    assert score(None) == "–"
    assert signed(0.0213) == "+0.021"
    assert signed(-0.0019) == "−0.002"
    assert signed(-0.0001) == "0.000"


def test_counts_and_shares() -> None:
    assert count(32593) == "32,593"
    assert percent(0.231, 1) == "23.1%"
    assert percent(0.00001, 2) == "<0.01%"
    assert percent(0.0) == "0%"
    assert in_hundred(0.816) == "82"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (31_400, "31.4 kB"), (999_600, "1.0 MB"), (4.2e12, "4.2 TB")],
)
def test_sizes(value: float, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0412, "0.04 s"),
        (78.44, "78.4 s"),
        (99.97, "1 min 40 s"),
        (250, "4 min 10 s"),
        (3599.6, "1 h 0 min"),
        (3900, "1 h 5 min"),
        (None, "–"),
    ],
)
def test_durations(value: float | None, text: str) -> None:
    assert duration(value, Words("en", "common")) == text
