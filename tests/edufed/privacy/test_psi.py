from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.keys import identity_public
from edufed.privacy.post import PostOffice, bundle, unbundle
from edufed.privacy.psi import Alignment, PsiError, PsiPlan, PsiSite
from edufed.privacy.psi import site as site_module
from edufed.privacy.psi.plan import Mode
from edufed.privacy.psi.table import look_up

KEYS = [Ed25519PrivateKey.generate() for _ in range(8)]
NAMES = [f"site{at}" for at in range(8)]
ROSTER = {name: identity_public(key) for name, key in zip(NAMES, KEYS, strict=True)}

identifiers = st.lists(st.integers(0, 15).map("s{}".format), max_size=20)
Answer = Callable[[str, PsiSite, bytes], bytes]


def plan_for(count: int, mode: Mode, job: str = "job") -> PsiPlan:
    return PsiPlan.of(job, {name: ROSTER[name] for name in NAMES[:count]}, NAMES[0], mode)


def made(plan: PsiPlan, given: Sequence[Sequence[object]]) -> dict[str, PsiSite]:
    return {
        name: PsiSite(plan, name, key, ids, threads=1)
        for name, key, ids in zip(NAMES, KEYS, given, strict=False)
    }


def carry(sites: dict[str, PsiSite], answer: Answer | None = None) -> PostOffice:
    office = PostOffice(sites)
    while not office.done:
        for name, request in office.requests().items():
            reply = answer(name, sites[name], request) if answer else sites[name].answer(request)
            office.add(name, reply)
    return office


def aligned(given: Sequence[Sequence[object]], mode: Mode) -> list[Alignment]:
    sites = made(plan_for(len(given), mode), given)
    carry(sites)
    found = [site.alignment for site in sites.values()]
    return [alignment for alignment in found if alignment is not None]


@settings(max_examples=40, deadline=None)
@given(st.lists(identifiers, min_size=2, max_size=8))
def test_rows_of_all_are_the_plain_intersection_in_one_order(given: list[list[str]]) -> None:
    alignments = aligned(given, "all")

    listed = [[ids[row] for row in a.rows] for ids, a in zip(given, alignments, strict=True)]

    assert all(names == listed[0] for names in listed)
    assert len(set(listed[0])) == len(listed[0])
    assert set(listed[0]) == set.intersection(*map(set, given))
    assert [a.duplicates for a in alignments] == [len(ids) - len(set(ids)) for ids in given]


@settings(max_examples=30, deadline=None)
@given(st.lists(identifiers, min_size=2, max_size=5))
def test_rows_of_each_are_the_leaders_and_every_site_finds_its_own(given: list[list[str]]) -> None:
    alignments = aligned(given, "each")

    rows = [given[0][row] for row in alignments[0].rows]

    assert sorted(rows) == sorted(set(given[0]))
    for ids, alignment in zip(given, alignments, strict=True):
        assert [name in ids for name in rows] == alignment.present.tolist()
        kept = alignment.rows[alignment.present]
        assert [ids[row] for row in kept] == [name for name in rows if name in ids]


@pytest.mark.parametrize("mode", ["all", "each"])
def test_two_large_sites_with_little_in_common(mode: Mode) -> None:
    given = [[f"a{i}" for i in range(3000)] + ["x"], ["x"] + [f"b{i}" for i in range(1500)]]

    leader, other = aligned(given, mode)

    assert other.rows[other.present].tolist() == [0]
    assert leader.rows[other.present].tolist() == [3000]


def test_spelling_missing_and_repeated_identifiers() -> None:
    given = [["Ａ１２３", "b 4", None, "c"], ["B4", "a123", float("nan"), "　a１２3", ""]]

    leader, other = aligned(given, "all")

    assert sorted(zip(leader.rows, other.rows, strict=True)) == [(0, 1), (1, 0)]
    assert (leader.duplicates, leader.missing) == (0, 1)
    assert (other.duplicates, other.missing) == (1, 2)


def test_the_order_is_not_the_leaders() -> None:
    ids = [str(i) for i in range(100)]
    leader, _ = aligned([ids, ids], "all")
    assert leader.rows.tolist() != sorted(leader.rows)


@pytest.mark.parametrize("mode", ["all", "each"])
def test_a_site_goes_on_from_its_stored_state(mode: Mode) -> None:
    given = [["a", "b", "c"], ["b", "c", "d"], ["c", "b"]]
    plan = plan_for(3, mode)
    sites = made(plan, given)

    def restarted(name: str, site: PsiSite, request: bytes) -> bytes:
        fresh = made(plan, given)[name]
        fresh.resume(site.dump())
        sites[name] = fresh
        return fresh.answer(request)

    carry(sites, restarted)

    for ids, site in zip(given, sites.values(), strict=True):
        assert site.alignment is not None
        assert {"b", "c"} == {ids[row] for row in site.alignment.rows if row >= 0} - {"a"}


def test_state_of_another_list_is_refused() -> None:
    plan = plan_for(2, "all")
    state = made(plan, [["a"], ["a"]])[NAMES[0]].dump()
    with pytest.raises(PsiError, match="another job, site or list"):
        made(plan, [["b"], ["a"]])[NAMES[0]].resume(state)


# What goes wrong


class Tampering(PsiSite):
    """A site that changes what it sends about one subject, and seals it properly."""

    subject = ""
    change: Callable[[bytes], bytes] = staticmethod(lambda content: content)

    def _to(self, names: object, subject: str, content: bytes) -> list[tuple[str, bytes]]:
        changed = type(self).change(content) if subject == self.subject else content
        return super()._to(names, subject, changed)  # type: ignore[arg-type]


NOT_A_POINT = (5).to_bytes(32, "big")  # 5^3 + 7 is no square: an x of the twist
TOO_LARGE = b"\xff" * 32  # beyond the field


@pytest.mark.parametrize("content", [NOT_A_POINT, bytes(32), TOO_LARGE], ids=["twist", "0", "max"])
@pytest.mark.parametrize(
    ("mode", "sender", "subject"),
    [
        ("all", 0, "points"),
        ("all", 1, "evaluated"),
        ("each", 1, "points"),
        ("each", 0, "evaluated"),
    ],
)
def test_malformed_points_are_rejected_and_the_sender_named(
    mode: Mode, sender: int, subject: str, content: bytes
) -> None:
    plan = plan_for(2, mode)
    sites = made(plan, [["a", "b"], ["b", "c"]])

    class Bad(Tampering):
        pass

    Bad.subject = subject
    Bad.change = staticmethod(lambda points: points[:32] + content)
    name = NAMES[sender]
    sites[name] = Bad(plan, name, KEYS[sender], ["a", "b"], threads=1)

    with pytest.raises(PsiError, match=f"{name} sent a malformed point: point 1 is not on"):
        carry(sites)


@pytest.mark.parametrize(
    ("mode", "sender", "subject", "change", "message"),
    [
        ("all", 0, "points", lambda c: c[:-1], "site0 sent a malformed point"),
        ("all", 1, "evaluated", lambda c: c[:-32], "site1 answered with another number"),
        ("all", 1, "table", lambda c: c[:-8], "site1 sent a malformed table"),
        ("all", 1, "table", lambda _: b"", "site1 sent a malformed table"),
        ("all", 0, "shared", lambda c: c + bytes(16), "site0 sent tags that are not of"),
        (
            "all",
            0,
            "shared",
            lambda c: c + b"1",
            "site0 sent what does not fit: a list of tags is cut",
        ),
        (
            "each",
            0,
            "rows",
            lambda c: c + b"1",
            "site0 sent what does not fit: a list of tags is cut",
        ),
    ],
)
def test_letters_that_do_not_fit(
    mode: Mode, sender: int, subject: str, change: Callable[[bytes], bytes], message: str
) -> None:
    plan = plan_for(2, mode)
    sites = made(plan, [["a", "b"], ["b", "c"]])

    class Bad(Tampering):
        pass

    Bad.subject = subject
    Bad.change = staticmethod(change)
    sites[NAMES[sender]] = Bad(plan, NAMES[sender], KEYS[sender], ["a", "b"], threads=1)

    with pytest.raises(PsiError, match=message):
        carry(sites)


def test_more_identifiers_than_agreed_are_refused() -> None:
    plan = PsiPlan("job", plan_for(2, "all").sites, NAMES[0], most=2)
    with pytest.raises(PsiError, match="site0 announces more identifiers than the 2"):
        PsiSite(plan, NAMES[0], KEYS[0], ["a", "b", "c"])


@pytest.mark.parametrize("subject", ["points", "table"])
def test_a_site_that_announces_more_than_agreed_is_refused(subject: str) -> None:
    plan = PsiPlan("job", plan_for(2, "all").sites, NAMES[0], most=2)
    sites = made(plan, [["a", "b"], ["b", "c"]])

    class Bad(Tampering):
        pass

    Bad.subject = subject
    Bad.change = staticmethod(lambda content: content * 4)
    sender = 0 if subject == "points" else 1
    sites[NAMES[sender]] = Bad(plan, NAMES[sender], KEYS[sender], ["a", "b"], threads=1)
    with pytest.raises(PsiError, match=f"site{sender} announces more identifiers than the 2"):
        carry(sites)


def test_a_letter_altered_on_its_way_is_refused() -> None:
    sites = made(plan_for(2, "all"), [["a"], ["a"]])

    def altered(name: str, site: PsiSite, request: bytes) -> bytes:
        letters = unbundle(request)
        if letters and len(letters[0][1]) != 96:  # an advert has 96 bytes
            sender, letter = letters[0]
            letters[0] = (sender, letter[:-1] + bytes([letter[-1] ^ 1]))
        return site.answer(bundle(letters))

    with pytest.raises(PsiError, match=r"letter of site\d does not open"):
        carry(sites, altered)


def test_a_coordinator_cannot_put_its_own_keys_in_between() -> None:
    sites = made(plan_for(2, "all"), [["a"], ["a"]])
    forged = Ed25519PrivateKey.generate().sign(b"x")

    def swapped(name: str, site: PsiSite, request: bytes) -> bytes:
        letters = [(sender, letter[:32] + forged) for sender, letter in unbundle(request)]
        return site.answer(bundle(letters))

    with pytest.raises(PsiError, match="not signed by the roster's key"):
        carry(sites, swapped)


def test_sites_with_other_settings_do_not_understand_each_other() -> None:
    first = made(plan_for(2, "all", "one"), [["a"], ["a"]])
    second = made(plan_for(2, "all", "two"), [["a"], ["a"]])
    with pytest.raises(PsiError, match="not signed by the roster's key"):
        carry({NAMES[0]: first[NAMES[0]], NAMES[1]: second[NAMES[1]]})


def test_plans_that_make_no_sense() -> None:
    with pytest.raises(PsiError, match="2 to 8 sites, not 1"):
        plan_for(1, "all")
    with pytest.raises(PsiError, match="takes no part"):
        PsiPlan.of("job", ROSTER, "nobody")
    with pytest.raises(PsiError, match="another identity key"):
        PsiSite(plan_for(2, "all"), NAMES[0], KEYS[1], [])


def test_progress_is_told_in_batches() -> None:
    told: list[tuple[str, int, int]] = []
    plan = plan_for(2, "all")
    sites = made(plan, [[], ["b"]])
    ids = [str(i) for i in range(5000)]
    sites[NAMES[0]] = PsiSite(
        plan, NAMES[0], KEYS[0], ids, progress=lambda *event: told.append(event)
    )
    carry(sites)
    assert told[:3] == [("blinding identifiers", n, 5000) for n in (2048, 4096, 5000)]
    assert told[-1] == ("unblinding points of site1", 5000, 5000)


# What the others see


def seen_by_coordinator(given: Sequence[Sequence[str]], mode: Mode) -> tuple[object, bytes]:
    letters: list[bytes] = []

    def watched(name: str, site: PsiSite, request: bytes) -> bytes:
        letters.extend(letter for _, letter in unbundle(request) if len(letter) != 96)
        return site.answer(request)

    office = carry(made(plan_for(len(given), mode), given), watched)
    return office.carried, b"".join(letters)


@pytest.mark.parametrize("mode", ["all", "each"])
def test_the_coordinator_sees_sizes_and_noise(mode: Mode) -> None:
    one = [[f"a{i}" for i in range(300)], [f"a{i}" for i in range(200, 400)]]
    other = [[f"b{9 * i}" for i in range(300)], [f"b{9 * i}" for i in range(100, 300)]]
    other[1][:100] = [f"c{i}" for i in range(100)]

    sizes, content = seen_by_coordinator(one, mode)
    other_sizes, _ = seen_by_coordinator(other, mode)

    assert sizes == other_sizes
    counts = np.bincount(np.frombuffer(content, np.uint8), minlength=256)
    expected = len(content) / 256
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 255 + 6 * np.sqrt(2 * 255)


def test_what_a_leader_reads_is_random_where_anybody_lacks_a_learner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # site1 has the leader's "a" and "b", site2 "a" alone: "b" and "c" must look alike.
    reads: list[np.ndarray] = []

    def watched(table: bytes, keys: np.ndarray) -> np.ndarray:
        reads.append(look_up(table, keys))
        return reads[-1]

    monkeypatch.setattr(site_module, "look_up", watched)
    monkeypatch.setattr(site_module, "PAD", slice(0, 0))
    monkeypatch.setattr(site_module, "words", _unpadded)
    carry(made(plan_for(3, "all"), [["a", "b", "c"], ["a", "b"], ["a"]]))

    first, second = reads
    assert (first ^ second).astype(bool).tolist() == [False, True, True]
    assert np.all(first != 0)
    assert np.all(second != 0)


def _unpadded(columns: np.ndarray) -> np.ndarray:
    if columns.shape[1] == 0:
        return np.zeros((len(columns), 1), np.uint64)
    return np.ascontiguousarray(columns).view("<u8")
