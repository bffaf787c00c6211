"""The kinds of plot on the page, each from plain numbers to an SVG.

A colour is a name from `canvas.COLOURS`. Words arrive in the page's language. A value that is
not known is None and leaves a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from matplotlib.transforms import Bbox

from server.report import canvas
from server.report.canvas import COLOURS, TEXT, WIDTH

Values = Sequence[float | None]
_STEPS = [1, 2, 5, 10]  # of the ticks, times a power of ten
_ROW = 25.0  # height of one row of a plot with names, in pixels


@dataclass(frozen=True)
class Line:
    """One line of a plot; `colour` is a name from `canvas.COLOURS`."""

    colour: str
    x: Values
    y: Values
    dashed: bool = False
    dots: bool = False
    #: Area of each dot in square pixels, instead of one size for all.
    areas: Sequence[float] | None = None


@dataclass(frozen=True)
class Frame:
    """What surrounds the data of a plot of lines or points."""

    x_label: str
    y_label: str
    x_percent: bool = False
    y_percent: bool = False
    x_whole: bool = False
    x_log: bool = False
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    height: float = 290
    #: Positions on the x axis that get a thin line and a label.
    marks: Sequence[tuple[float, str]] = field(default=())


def lines(
    name: str, alt: str, drawn: Sequence[Line], frame: Frame, diagonal: bool = False
) -> Markup:
    """Lines over a common x; with `diagonal`, also the line on which y equals x."""
    with canvas.style():
        figure, axes = canvas.axes(frame.height, top=44 if frame.marks else 28)
        if diagonal:
            axes.plot([0, 1], [0, 1], color=COLOURS["soft"], lw=1, ls=(0, (2, 3)), zorder=1.5)
        for line in drawn:
            x, y = _known(line.x), _known(line.y)
            colour = COLOURS[line.colour]
            dash = (0, (4, 2.4)) if line.dashed else "solid"
            axes.plot(x, y, color=colour, lw=2, ls=dash, clip_on=False, solid_capstyle="round")
            if line.areas is not None:
                axes.scatter(x, y, s=line.areas, color=colour, lw=0, zorder=3, clip_on=False)
            elif line.dots or len(x) == 1:
                axes.scatter(
                    x, y, s=64 if len(x) == 1 else 24, color=colour, lw=0, zorder=3, clip_on=False
                )
        _finish(axes, frame)
        return canvas.svg(figure, name, alt)


def points(
    name: str, alt: str, x: Values, y: Values, labels: Sequence[str], colour: str, frame: Frame
) -> Markup:
    """One dot for each pair, a line at y = 0; `labels` that are not empty stand beside it."""
    with canvas.style():
        figure, axes = canvas.axes(frame.height, top=28)
        axes.axhline(0, color=COLOURS["soft"], lw=1)
        axes.scatter(_known(x), _known(y), s=52, color=COLOURS[colour], alpha=0.85, lw=0, zorder=3)
        _finish(axes, frame)
        _say_points(axes, x, y, labels)
        return canvas.svg(figure, name, alt)


def _say_points(axes: Axes, x: Values, y: Values, labels: Sequence[str]) -> None:
    """Write labels beside their dots where they cover neither a dot nor another label."""
    inside = axes.get_window_extent()
    known = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    if not known:
        return
    dots = axes.transData.transform(known)
    taken = [Bbox.from_bounds(a - 4, b - 4, 8, 8) for a, b in dots]
    for across, up, text in zip(x, y, labels, strict=True):
        if not text or across is None or up is None:
            continue
        place, height = axes.transData.transform((across, up))
        size = canvas.width(text)
        for side, rise in (("left", 4), ("right", 4), ("left", -13), ("right", -13)):
            left = place + 7 if side == "left" else place - 7 - size
            box = Bbox.from_bounds(left, height + rise - 2, size, TEXT)
            clear = not any(box.overlaps(other) for other in taken)
            if clear and inside.x0 <= box.x0 and box.x1 <= inside.x1 + 8:
                taken.append(box)
                axes.annotate(
                    text,
                    (across, up),
                    xytext=(7 if side == "left" else -7, rise),
                    textcoords="offset pixels",
                    ha=side,
                    fontsize=TEXT - 0.5,
                )
                break


@dataclass(frozen=True)
class Row:
    """One row of `dots`: a name and up to three values."""

    name: str
    federated: float | None
    local: float | None = None
    pooled: float | None = None
    marked: str = ""


def dots(
    name: str, alt: str, rows: Sequence[Row], x_label: str, overall: tuple[float, str] | None
) -> Markup:
    """A row of dots for each name, joined by a line; a marked row says why it is marked.

    `overall` is a value and its label, drawn as a thin line through all rows.
    """
    left = _gutter([row.name for row in rows], 0.4)
    height = 30 + _ROW * len(rows) + 44
    with canvas.style():
        figure, axes = canvas.axes(height, left=left, top=30, bottom=44)
        places = range(len(rows))
        if overall:
            axes.axvline(overall[0], color=COLOURS["federated"], lw=1, ls=(0, (2, 2)), zorder=1)
        for place, row in zip(places, rows, strict=True):
            values = [v for v in (row.federated, row.local, row.pooled) if v is not None]
            if len(values) > 1:
                axes.plot([min(values), max(values)], [place] * 2, color=COLOURS["grid"], lw=3)
        kinds = (("local", "D", 34), ("federated", "o", 62), ("pooled", "|", 190))
        for kind, marker, area in kinds:
            found = [(getattr(row, kind), place) for place, row in zip(places, rows, strict=True)]
            known = [(value, place) for value, place in found if value is not None]
            axes.scatter(
                [value for value, _ in known],
                [place for _, place in known],
                s=area,
                marker=marker,
                color=COLOURS[kind],
                linewidths=2.2 if marker == "|" else 0,
                zorder=3,
            )
        axes.margins(x=0.08)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(list(places), [canvas.shorten(row.name, left - 16) for row in rows])
        for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color(COLOURS["ink"])
            tick.set_fontweight("bold" if row.marked else "normal")
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
        axes.set_xlabel(x_label)
        if overall:
            _mark(axes, *overall)
        _say_marks(axes, rows)
        return canvas.svg(figure, name, alt)


def _say_marks(axes: Axes, rows: Sequence[Row]) -> None:
    """Write why a row is marked into the wider gap beside its dots."""
    low, high = axes.get_xlim()
    for place, row in enumerate(rows):
        values = [v for v in (row.federated, row.local, row.pooled) if v is not None]
        if not row.marked or not values:
            continue
        right = high - max(values) > min(values) - low
        axes.annotate(
            row.marked,
            (max(values) if right else min(values), place),
            xytext=(9 if right else -9, 0),
            textcoords="offset pixels",
            ha="left" if right else "right",
            va="center",
            fontsize=TEXT - 0.5,
            color=COLOURS["soft"],
        )


def bars(
    name: str, alt: str, names: Sequence[str], values: Values, labels: Sequence[str], colour: str
) -> Markup:
    """A horizontal bar for each name, its value written at its end, so that no axis is needed."""
    left = _gutter(names, 0.55)
    right = max((canvas.width(label) for label in labels), default=0) + 14
    with canvas.style():
        figure, axes = canvas.axes(12 + _ROW * len(names), left=left, right=right, top=4, bottom=8)
        amounts = [value or 0 for value in values]
        axes.barh(range(len(names)), amounts, height=0.62, color=COLOURS[colour])
        axes.set_xlim(0, max(amounts, default=0) or 1)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), [canvas.shorten(text, left - 16) for text in names])
        axes.tick_params(axis="y", colors=COLOURS["ink"])
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        for place, (amount, label) in enumerate(zip(amounts, labels, strict=True)):
            axes.annotate(
                label,
                (amount, place),
                xytext=(6, 0),
                textcoords="offset pixels",
                va="center",
                color=COLOURS["soft"],
                annotation_clip=False,
            )
        return canvas.svg(figure, name, alt)


def columns(
    name: str, alt: str, x: Sequence[int], stacks: Sequence[tuple[str, Values]], frame: Frame
) -> Markup:
    """A column for each x, `stacks` (colour, values) one upon the other."""
    with canvas.style():
        figure, axes = canvas.axes(frame.height, top=28)
        below = [0.0] * len(x)
        for colour, values in stacks:
            amounts = [value or 0.0 for value in values]
            axes.bar(x, amounts, bottom=below, width=0.72, color=COLOURS[colour])
            below = [a + b for a, b in zip(below, amounts, strict=True)]
        axes.set_xlim(min(x) - 0.6, max(x) + 0.6)
        axes.set_ylim(0, max(below) * 1.04 or 1)
        _finish(axes, frame)
        return canvas.svg(figure, name, alt)


def _finish(axes: Axes, frame: Frame) -> None:
    """Grid, ticks, labels, limits and marks."""
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(frame.x_label, labelpad=5)
    canvas.label_y(axes, frame.y_label)
    if frame.x_log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS, integer=frame.x_whole))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    if frame.x_whole:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if frame.x_percent:
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if frame.y_percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if frame.x_limits:
        axes.set_xlim(*frame.x_limits)
    if frame.y_limits:
        axes.set_ylim(*frame.y_limits)
    canvas.make_room(axes)
    for place, text in frame.marks:
        axes.axvline(place, color=COLOURS["soft"], lw=1, zorder=1.5)
        _mark(axes, place, text)


def _mark(axes: Axes, place: float, text: str) -> None:
    """Label a position on the x axis, above the plot, on the side where there is room."""
    low, high = axes.get_xlim()
    inside = axes.get_position().width * WIDTH
    share = (place - low) / ((high - low) or 1)
    half = canvas.width(text, TEXT - 0.5) / 2
    side = "left" if share * inside < half else "right" if (1 - share) * inside < half else "center"
    axes.annotate(
        text,
        (place, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 5),
        textcoords="offset pixels",
        ha=side,
        fontsize=TEXT - 0.5,
        annotation_clip=False,
    )


def _gutter(names: Sequence[str], most: float) -> float:
    """Room for names at the left of a plot: what they need, up to a share of the width."""
    return min(max((canvas.width(text) for text in names), default=0), most * WIDTH) + 18


def _known(values: Values) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]
