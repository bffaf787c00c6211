from __future__ import annotations

import pytest

from edufed.cli.arguments import keywords, language_of
from edufed.config import SettingsError


def test_values_may_hold_equals_signs() -> None:
    assert keywords(["site=a=b", "out=c"], ("site",), ("out",)) == {"site": "a=b", "out": "c"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["site"], "'site' is not a setting"),
        (["site="], "is not a setting"),
        (["a.yaml"], "write KEY=VALUE; known here: site, out"),
        (["sit=a"], "did you mean 'site'?"),
        (["colour=a"], "known here: site, out"),
        (["site=a", "site=b"], "given twice"),
        (["out=a"], "setting 'site' is required; add site=VALUE"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(arguments: list[str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        keywords(arguments, ("site",), ("out",))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_languages() -> None:
    assert (language_of({}), language_of({"language": "zh"})) == ("en", "zh")
    with pytest.raises(SettingsError, match="choose en or zh"):
        language_of({"language": "fr"})
