"""Numbers as people read them, in the page's language. A value that is not known is a dash."""

from __future__ import annotations

from server.report.words import Words

DASH = "–"
MINUS = "\u2212"


def score(value: float | None, digits: int = 3) -> str:
    """A metric in 0..1 with fixed digits, so that columns line up: 0.811."""
    return DASH if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """A difference, with its sign unless it rounds to nothing: +0.021."""
    if value is None:
        return DASH
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def count(value: float | None) -> str:
    """A whole number with separators: 32,593."""
    return DASH if value is None else f"{value:,.0f}"


def percent(value: float | None, digits: int = 0) -> str:
    """A share in 0..1 as per cent; one too small for the digits does not read as none."""
    if value is None:
        return DASH
    if value == 0:
        return "0%"
    if 0 < value * 100 < 10**-digits / 2:
        return f"<{10**-digits:.{digits}f}%"
    return f"{value * 100:.{digits}f}%"


def size(value: float | None) -> str:
    """Bytes in decimal units: 1.4 MB."""
    if value is None:
        return DASH
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5:
            break
        value, unit = value / 1000, "TB"
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"


def duration(value: float | None, words: Words) -> str:
    """Seconds, or minutes and hours once that is easier to read: 4 min 10 s."""
    if value is None:
        return DASH
    if value < 1:
        return words("time.s", s=f"{value:.2f}")
    if value < 99.95:
        return words("time.s", s=f"{value:.1f}")
    whole = round(value)
    if whole < 3600:
        return words("time.min", min=whole // 60, s=whole % 60)
    whole = round(value / 60)
    return words("time.h", h=whole // 60, min=whole % 60)


def in_hundred(value: float | None) -> str:
    """A share as a count out of 100, for sentences."""
    return DASH if value is None else f"{value * 100:.0f}"
