"""From a matplotlib figure to an SVG that belongs to the page.

Text stays text, so the browser picks the font (Chinese included); colours become the page's
CSS variables, so one drawing serves light, dark and print; ids are made unique to the figure.
Margins are given in pixels by the caller and never measured, because the machine that draws
may lack the fonts of the one that shows. The same data gives the same bytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Name -> light colour, after Okabe & Ito's palette for colour-blind readers. Each is drawn
#: as the CSS variable `--NAME`, whose dark value the style sheet gives.
COLOURS = {
    "federated": "#0072b2",
    "local": "#d55e00",
    "pooled": "#4a525c",
    "rule": "#009e73",
    "ink": "#1c2126",
    "soft": "#5b646e",
    "grid": "#dfe3e8",
    "paper": "#fefefd",
}
#: Width of a plot, in pixels at scale 1, and the size of its text.
WIDTH = 440
TEXT = 12.5

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edufed",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT,
    "axes.edgecolor": COLOURS["soft"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.labelcolor": COLOURS["soft"],
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-6, 9),
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOURS["soft"],
    "ytick.color": COLOURS["soft"],
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "ytick.major.pad": 6.0,
    "text.color": COLOURS["ink"],
    "figure.dpi": 72.0,  # one unit of the drawing is one CSS pixel
    "path.simplify": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the page's style, whatever the settings of the machine."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def axes(
    height: float, left: float = 46, right: float = 12, top: float = 24, bottom: float = 42
) -> tuple[Figure, Axes]:
    """One pair of axes with margins in pixels around it."""
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    figure.patch.set_alpha(0)
    inside = (
        left / WIDTH,
        bottom / height,
        (WIDTH - left - right) / WIDTH,
        (height - top - bottom) / height,
    )
    drawn = figure.add_axes(inside)
    drawn.patch.set_alpha(0)
    return figure, drawn


def make_room(drawn: Axes) -> None:
    """Move the left edge in, where the labels of the vertical ticks need more than they have."""
    low, high = sorted(drawn.get_ylim())
    ticks = [tick for tick in drawn.yaxis.get_majorticklocs() if low <= tick <= high]
    needed = max(map(width, drawn.yaxis.get_major_formatter().format_ticks(ticks)), default=0) + 10
    box = drawn.get_position()
    left = max(box.x0, needed / WIDTH)
    drawn.set_position((left, box.y0, box.x1 - left, box.height))


def label_y(drawn: Axes, text: str) -> None:
    """Name the vertical axis above it, where the text lies flat and has room."""
    drawn.figure.text(2 / WIDTH, 1, text, color=COLOURS["soft"], ha="left", va="top")


def width(text: str, size_px: float = TEXT) -> float:
    """Pixels that `text` may need in any font a browser is likely to pick."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return (wide * 1.02 + (len(text) - wide) * 0.6) * size_px


def shorten(text: str, pixels: float) -> str:
    """`text` on one line, cut with an ellipsis where it needs more than `pixels`."""
    text = "".join(
        letter if unicodedata.category(letter)[0] != "C" else " " for letter in str(text)
    )
    text = " ".join(text.split())
    if width(text) <= pixels:
        return text
    while text and width(text + "…") > pixels:
        text = text[:-1]
    return text.rstrip() + "…"


def svg(figure: Figure, name: str, alt: str) -> Markup:
    """The figure as inline SVG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Unique on the page; keeps this figure's ids apart from the others'.
    alt : str
        What the plot shows, for those who cannot see it.
    """
    out = io.BytesIO()
    figure.savefig(
        out,
        format="svg",
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    text = out.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<(metadata|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    # Inside tags only: what a tag encloses may be a site's name.
    text = re.sub(r"<[^>]*>", lambda tag: _adapt(tag[0], name), text)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None
    body = text[text.index(">") + 1 :].strip()
    return Markup(f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(alt)}">{body}')


def _adapt(tag: str, name: str) -> str:
    if tag.startswith("<!--"):
        return ""
    tag = re.sub(r"font-family: [^;\"]*", "font-family: inherit", tag)
    tag = tag.replace(' id="', f' id="{name}-').replace('xlink:href="#', f'href="#{name}-')
    tag = tag.replace("url(#", f"url(#{name}-")
    for variable, colour in COLOURS.items():
        tag = re.sub(rf'(: |"){colour}\b', rf"\1var(--{variable})", tag)
    return tag
