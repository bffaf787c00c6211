"""What a section of the page is made of. Sections hand over data; the template draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup


@dataclass(frozen=True)
class Prose:
    """One paragraph."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True)
class Points:
    """A list of statements; `tone` is "plain" or "notice"."""

    kind: ClassVar[str] = "points"
    items: Sequence[str]
    tone: str = "plain"


@dataclass(frozen=True)
class Figure:
    """A plot with its title above, its legend in HTML, so that it wraps, and a note below.

    `legend` pairs a mark (a CSS class: `line-federated`, `dot-local`, ...) with its label.
    """

    title: str
    svg: Markup
    legend: Sequence[tuple[str, str]] = ()
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """Plots side by side where the screen is wide enough."""

    kind: ClassVar[str] = "figures"
    items: Sequence[Figure]


@dataclass(frozen=True)
class Table:
    """Rows of text; the first `texts` columns align left, the others are numbers.

    `marked` is the row to point out; a `folded` table opens on a click, and in print.
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    marked: int | None = None
    folded: bool = False

    @property
    def wide(self) -> bool:
        """Whether it is to fill the page; few columns stand closer together."""
        return len(self.head) > 4


Block = Prose | Points | Figures | Table


@dataclass(frozen=True)
class Section:
    """One section: `name` is its anchor and where its words are."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class KeyFigure:
    """One of the few numbers at the top of the page."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True)
class Summary:
    """The top of the page: what a reader with half a minute takes away.

    `lead` pairs a word or two with the sentences that they head.
    """

    title: str
    facts: str
    lead: Sequence[tuple[str, str]]
    figures: Sequence[KeyFigure]
    notices: Sequence[str]
