from __future__ import annotations

import string

from small_site import RESOURCES, Site

from edufed.features import FEATURES, available
from edufed.features.catalogue import NAMES
from edufed.features.cohort import edges
from edufed.records import RESOURCE_KINDS, TABLES


def test_names_are_unique_and_needs_are_canonical() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(FEATURES)
    canonical = {f"{table}.{name}" for table in TABLES for name in TABLES[table].columns}
    for feature in FEATURES:
        assert feature.needs
        assert set(feature.needs) <= canonical
        assert len(edges(feature.grid)) > 1
    assert {f"kind_{kind}" for kind in RESOURCE_KINDS} <= set(NAMES)


def test_every_feature_has_its_own_words_in_both_languages() -> None:
    for language in ("en", "zh"):
        said = [feature.words(language) for feature in FEATURES]
        assert len({words.label for words in said}) == len(FEATURES)
        for words in said:
            assert words.label
            assert words.high != words.low
    for feature in FEATURES:
        for text in (feature.zh.label, feature.zh.high, feature.zh.low):
            assert not set(text) & set(string.ascii_letters)


def test_all_but_absent_kinds_are_available(site: Site) -> None:
    missing = set(NAMES) - set(available(site()))
    assert missing == {f"kind_{kind}" for kind in set(RESOURCE_KINDS) - set(RESOURCES["kind"])}
    assert list(available(site())) == [name for name in NAMES if name not in missing]
