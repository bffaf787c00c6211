"""Every word of the page, by language: `en.json` and `zh.json`, the same keys in both.

A scenario's section brings its own: `NAME.en.json` and `NAME.zh.json` beside them are added
under `NAME`, and no existing file is touched.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_FOLDER = Path(__file__).parent


@cache
def load(language: Language) -> dict[str, dict[str, str]]:
    """All words of one language: section -> key -> text, with `{names}` to be filled in."""
    found: dict[str, dict[str, str]] = json.loads(
        (_FOLDER / f"{language}.json").read_text(encoding="utf-8")
    )
    for path in sorted(_FOLDER.glob(f"*.{language}.json")):
        found[path.name.split(".")[0]] = json.loads(path.read_text(encoding="utf-8"))
    return found


class Words:
    """The words of one section of the page in one language.

    Parameters
    ----------
    language : {"en", "zh"}
    section : str
        Where words are looked up first; `common` is looked up next.
    """

    def __init__(self, language: Language, section: str) -> None:
        self.language: Language = language
        self._lookup = {**load(language)["common"], **load(language).get(section, {})}

    def __call__(self, key: str, **values: object) -> str:
        """Text of `key`, filled in. A count `n` of 1 takes the text of `key`.one if any."""
        if values.get("n") == "1" and f"{key}.one" in self._lookup:
            key = f"{key}.one"
        return self._lookup[key].format(**values)

    def listed(self, names: Sequence[str]) -> str:
        """Names as a sentence lists them, with a word before the last."""
        before = self("comma").join(names[:-1])
        return self("and").join([*([before] if before else []), *names[-1:]])

    def name(self, kind: str, value: Any) -> str:
        """What people call a setting's value; the value itself where no word is known."""
        text = str(value)
        return load(self.language).get(kind, {}).get(text, text)
