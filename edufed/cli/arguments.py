"""Arguments of the form KEY=VALUE, as every command takes them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from edufed.config import SettingsError


def keywords(
    arguments: Sequence[str], required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, str]:
    """Read KEY=VALUE arguments.

    Raises
    ------
    SettingsError
        An argument has no ``=``, is unknown or given twice, or a required one is missing.
    """
    known = [*required, *optional]
    found: dict[str, str] = {}
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not separator or not value:
            raise SettingsError(
                f"{argument!r} is not a setting; write KEY=VALUE; known here: {', '.join(known)}"
            )
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
            raise SettingsError(f"unknown setting {key!r}; {hint}")
        if key in found:
            raise SettingsError(f"setting {key!r} is given twice")
        found[key] = value
    missing = [key for key in required if key not in found]
    if missing:
        raise SettingsError(f"setting {missing[0]!r} is required; add {missing[0]}=VALUE")
    return found


def language_of(given: dict[str, str]) -> str:
    """Return the language that was asked for, English where none was.

    Raises
    ------
    SettingsError
        It is neither ``en`` nor ``zh``.
    """
    language = given.get("language", "en")
    if language not in ("en", "zh"):
        raise SettingsError(f"language: no {language!r}; choose en or zh")
    return language
