"""The model card (Mitchell et al. 2019): what a model may be used for, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

#: File in the model's folder -> language of the template.
CARDS = {"card.md": "en", "card.zh.md": "zh"}


def write_cards(folder: Path, description: Mapping[str, Any], template: str = "card") -> None:
    """Write the card in English and in Chinese.

    Parameters
    ----------
    folder : pathlib.Path
        Exists.
    description : mapping
        The fields of `edufed.published.Description`, or what else the template reads.
    template : str
        Which card: `cards/TEMPLATE.en.md` and its sibling.
    """
    score = "roc_auc" if template == "card" else "ndcg_at_10"
    scored = [site for site in description["sites"] if site.get(score) is not None]
    worst = min(scored, key=lambda site: site[score], default=None)
    for file, language in CARDS.items():
        chosen = _environment().get_template(f"{template}.{language}.md")
        text = chosen.render(**description, worst=worst)
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
    environment.filters["count"] = lambda value: "–" if value is None else value
    return environment


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
