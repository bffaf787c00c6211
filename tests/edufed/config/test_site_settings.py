from __future__ import annotations

from pathlib import Path

import pytest

from edufed.config import SettingsError, load_site

GOOD = "name: north\nadapter: {name: oulad}\nstate: state/north\n"


def test_state_starts_at_the_files_folder(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(GOOD)
    site = load_site(file)
    assert site.state == tmp_path / "state/north"
    assert site.folder == tmp_path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [", "not valid YAML"),
        ("just text", "expected keys"),
        (GOOD + "polcy: {}\n", "unknown setting 'polcy'; did you mean 'policy'?"),
        (GOOD + "policy: {min_learner: 3}\n", "unknown setting 'policy.min_learner'"),
        ("name: north\nstate: x\n", "setting 'adapter' is required"),
        (GOOD.replace("north\n", "../etc\n", 1), "name"),
    ],
)
def test_a_wrong_site_file_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_site(file)
    assert says in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_site_file_says_where_examples_are(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="conf/site"):
        load_site(tmp_path / "none.yaml")
