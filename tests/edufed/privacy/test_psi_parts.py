from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.post import PostError, PostOffice, bundle, unbundle
from edufed.privacy.psi import (
    Alignment,
    Identifiers,
    KeyedHashMatcher,
    KeyedHashSite,
    PsiError,
    PsiPlan,
    normalise,
)
from edufed.privacy.psi.plan import Mode
from edufed.privacy.psi.table import TableError, build, look_up, table_size
from edufed.private_files import IdentityError

SECRET = bytes(range(32))


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("１２３４", "1234"),
        ("Ａｂ－１", "ab-1"),
        (" 12 34\t", "1234"),
        ("12\u200b34\ufeff", "1234"),  # zero-width space, byte order mark
        ("　１２\u00a034", "1234"),  # ideographic and no-break space
        ("Straße", "STRASSE"),
        ("e\u0301", "É"),
        ("ﬁ", "FI"),
        (1234, "1234"),
    ],
)
def test_spellings_of_one_identifier(written: object, same: str) -> None:
    assert normalise(written) == normalise(same)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_different_identifiers_stay_different() -> None:
    assert len({normalise(v) for v in ("1", "01", "1-0", "10", "l", "李", "1.0")}) == 7


def test_identifiers_are_counted() -> None:
    found = Identifiers.of(["b", None, "a", "B ", "", "a"])
    assert (found.values, found.rows.tolist()) == (("b", "a"), [0, 2])
    assert (found.duplicates, found.missing, len(found)) == (2, 2, 2)


# Tables


def keys(count: int) -> np.ndarray:
    return np.frombuffer(os.urandom(24 * count), "<u8").reshape(-1, 3)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 100, 1000, 20_000])
def test_a_table_gives_back_its_values_and_noise_elsewhere(count: int) -> None:
    inside, outside = keys(count), keys(500)
    values = np.frombuffer(os.urandom(8 * count), "<u8")

    table = build(inside, values)

    assert len(table) == table_size(count)
    assert np.array_equal(look_up(table, inside), values)
    bits = np.unpackbits(look_up(table, outside).view(np.uint8))
    assert abs(bits.mean() - 0.5) < 6 * 0.5 / np.sqrt(len(bits))


def test_a_table_looks_random() -> None:
    table = build(keys(20_000), np.frombuffer(os.urandom(160_000), "<u8"))
    counts = np.bincount(np.frombuffer(table, np.uint8), minlength=256)
    expected = len(table) / 256
    assert ((counts - expected) ** 2 / expected).sum() < 255 + 6 * np.sqrt(2 * 255)


def test_tables_that_cannot_be() -> None:
    with pytest.raises(TableError, match="twice"):
        build(np.zeros((2, 3), np.uint64), np.zeros(2, np.uint64))
    with pytest.raises(TableError, match="9 bytes"):
        look_up(bytes(9), keys(1))


# Keyed hash


def matched(given: list[list[str]], mode: Mode) -> tuple[list[Alignment], dict[str, bytes]]:
    roster = {f"site{at}": bytes([at]) * 32 for at in range(len(given))}
    plan = PsiPlan.of("job", roster, "site0", mode, "keyed_hash")
    sites = [KeyedHashSite(plan, n, SECRET, ids) for n, ids in zip(roster, given, strict=True)]
    matcher = KeyedHashMatcher(plan)
    sent = {name: site.tags() for name, site in zip(roster, sites, strict=True)}
    for name, tags in sent.items():
        matcher.add(name, tags)
    answers = matcher.answers()
    return [site.align(answers[n]) for n, site in zip(roster, sites, strict=True)], sent


lists = st.lists(st.lists(st.integers(0, 15).map(str), max_size=20), min_size=2, max_size=8)


@settings(deadline=None)
@given(lists)
def test_keyed_hash_finds_the_plain_intersection(given: list[list[str]]) -> None:
    alignments, _ = matched(given, "all")
    listed = [[ids[row] for row in a.rows] for ids, a in zip(given, alignments, strict=True)]
    assert all(names == listed[0] for names in listed)
    assert set(listed[0]) == set.intersection(*map(set, given))
    assert len(set(listed[0])) == len(listed[0])


@settings(deadline=None)
@given(lists)
def test_keyed_hash_finds_each_sites_learners_in_the_leaders_rows(given: list[list[str]]) -> None:
    alignments, _ = matched(given, "each")
    names = [given[0][row] for row in alignments[0].rows]
    assert sorted(names) == sorted(set(given[0]))
    for ids, alignment in zip(given, alignments, strict=True):
        assert [name in ids for name in names] == alignment.present.tolist()


def test_pseudonyms_are_of_one_job_and_secret_and_in_no_order_of_the_site() -> None:
    _, one = matched([["a", "b"], ["b", "a"]], "all")
    assert one["site0"] == one["site1"]
    roster = {"site0": bytes(32), "site1": bytes([1]) * 32}
    others = [
        KeyedHashSite(PsiPlan.of(job, roster, "site0"), "site0", secret, ["a", "b"]).tags()
        for job, secret in [("job", SECRET), ("job", SECRET[::-1]), ("other", SECRET)]
    ]
    tags = {tag for sent in [one["site0"], *others] for tag in (sent[:16], sent[16:])}
    assert len(tags) == 8


def test_keyed_hash_refuses_what_does_not_fit() -> None:
    roster = {"a": bytes(32), "b": bytes([1]) * 32}
    plan = PsiPlan.of("job", roster, "a", method="keyed_hash")
    with pytest.raises(PsiError, match="needs 32"):
        KeyedHashSite(plan, "a", b"short", [])
    matcher = KeyedHashMatcher(plan)
    with pytest.raises(PsiError, match="takes no part"):
        matcher.add("c", b"")
    with pytest.raises(PsiError, match="cut short"):
        matcher.add("a", b"x")
    with pytest.raises(PsiError, match="twice"):
        matcher.add("a", bytes(32))
    matcher.add("a", bytes(16))
    with pytest.raises(PsiError, match="no pseudonyms from b"):
        matcher.answers()
    site = KeyedHashSite(plan, "a", SECRET, ["x"])
    for answer in (np.array([1]), np.array([-1])):
        with pytest.raises(PsiError, match="rows that this site did not send"):
            site.align(answer.astype("<i8").tobytes())
    with pytest.raises(PsiError, match="cut short"):
        site.align(b"x")


# Alignments and letters


def test_an_alignment_is_kept_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "aligned.npz"
    Alignment(np.array([2, -1, 0]), 1, 3).save(file)
    kept = Alignment.read(file)
    assert kept.rows.tolist() == [2, -1, 0]
    assert kept.present.tolist() == [True, False, True]
    assert (kept.duplicates, kept.missing, len(kept)) == (1, 3, 3)
    file.chmod(0o644)
    with pytest.raises(IdentityError, match="chmod 600"):
        Alignment.read(file)


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=50))))
def test_bundles_come_apart_as_they_were(letters: list[tuple[str, bytes]]) -> None:
    content = bundle(letters)
    assert unbundle(content) == letters
    for cut in range(1, min(len(content), 9)):
        with pytest.raises(PostError, match="cut short"):
            unbundle(content[:-cut] if letters[-1][1] or cut else content)


def test_the_post_office_forwards_and_ends() -> None:
    office = PostOffice(["a", "b"])
    assert office.requests() == {"a": b"", "b": b""}
    office.add("a", bundle([("b", b"hello")]))
    with pytest.raises(PostError, match="no answer yet from b"):
        office.requests()
    with pytest.raises(PostError, match="without having been asked"):
        office.add("a", b"")
    office.add("b", b"")
    assert office.requests() == {"b": bundle([("a", b"hello")])}
    with pytest.raises(PostError, match="takes no part"):
        office.add("b", bundle([("c", b"")]))
    office.add("b", b"")
    assert office.done
    assert office.carried == [("a", "b", 5)]
