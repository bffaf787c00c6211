"""The model card (Mitchell et al. 2019): what a model may be used for, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

#: File in the model's folder -> template.
CARDS = {"card.md": "card.en.md", "card.zh.md": "card.zh.md"}


def write_cards(folder: Path, description: Mapping[str, Any]) -> None:
    """Write the card in English and in Chinese.

    Parameters
    ----------
    folder : pathlib.Path
        Exists.
    description : mapping
        The fields of `edufed.published.Description`.
    """
    scored = [site for site in description["sites"] if site["roc_auc"] is not None]
    worst = min(scored, key=lambda site: site["roc_auc"], default=None)
    for file, template in CARDS.items():
        text = _environment().get_template(template).render(**description, worst=worst)
        (folder / file).write_text(text, encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "cards"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["score"] = _score
    return environment


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
