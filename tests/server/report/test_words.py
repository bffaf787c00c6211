from __future__ import annotations

import string

import pytest

from server.report.sections import renderers
from server.report.words import Words, load


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys() -> None:
    english, chinese = load("en"), load("zh")
    assert set(english) == set(chinese)
    for section, words in english.items():
        assert set(words) == set(chinese[section]), section


def test_both_languages_fill_in_the_same_values() -> None:
    chinese = load("zh")
    for section, words in load("en").items():
        for key, text in words.items():
            if not key.endswith(".one"):
                assert _fields(text) == _fields(chinese[section][key]), (section, key)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_section_has_a_title(language: str) -> None:
    words = load(language)  # type: ignore[arg-type]
    assert all(words[name]["title"] for name in renderers())


def test_counts_of_one_and_unknown_names() -> None:
    words = Words("en", "rounds")
    assert words("ran", n="1") == "Training ran one round."
    assert words("ran", n="2") == "Training ran 2 rounds."
    assert words.name("task", "early_warning") == "Early warning"
    assert words.name("task", "a_task_of_theirs") == "a_task_of_theirs"
