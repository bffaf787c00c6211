"""A badge verifies anywhere by the roster; altered, revoked, expired or another's it does not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from badge_examples import APPROVER, IDENTITY, KEYS, LEARNER, badges, row, rules, stated
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from openbadgeslib.ob3.verifier import OB3VerificationError, OB3Verifier

from clients.badges import Badges
from edufed.badges.did import did_key
from edufed.badges.identity_hash import identity_object, is_of
from edufed.badges.status_list import PLACES, entry, is_revoked, sign_list
from edufed.badges.token import BadgeError, moment, read, sign
from edufed.badges.verify import Verified, verify
from edufed.privacy.simulated import simulated_identity

URL = rules().issuer.status_list


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Badges, str, str]:
    """A site, the badge that it issued, and its status list."""
    site = badges(tmp_path_factory.mktemp("issued"))
    made = site.issue(row(), stated(), rules(), APPROVER, IDENTITY)
    return site, made.token, site.status_list(rules())


def checked(token: str, listed: str, identity: str | None = None) -> Verified:
    return verify(token, KEYS, lambda _: listed, identity)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    head, body, signature = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")
    )
    return json.loads(head), json.loads(body), signature


def resigned(token: str, key: Ed25519PrivateKey, **changes: Any) -> str:
    """The same claims but for some, under a signature of `key`."""
    claims = {**jwt.decode(token, options={"verify_signature": False}), **changes}
    return jwt.encode(claims, key, algorithm="EdDSA")


def test_it_verifies_at_any_site_and_says_all(issued: tuple[Badges, str, str]) -> None:
    _, token, listed = issued
    found = checked(token, listed, IDENTITY)
    assert found.site == "north"
    subject, (evidence,) = found.subject, found.credential["evidence"]
    assert subject["achievement"]["alignment"][0]["targetCode"] == "EQF-6"
    described = {each["id"]: each["name"] for each in subject["achievement"]["resultDescription"]}
    values = {described[each["resultDescription"]]: each["value"] for each in subject["result"]}
    assert values["Estimated probability of passing"] == "0.9800"
    assert values["Prediction set"] == "pass"
    said = evidence["statement"]
    assert said["learner"]["interval"] == [0.96, 0.99]
    assert said["decision"]["approver"] == APPROVER
    assert (said["nominal"], said["site"]["coverage"]) == (0.95, 0.951)
    for text in ("0.980", "95.1%", "Example Approver", "no examination", "0" * 64, "women"):
        assert text in evidence["narrative"]


def test_no_learner_id_is_in_it(issued: tuple[Badges, str, str]) -> None:
    site, token, listed = issued
    ledger = (site.folder / "ledger.jsonl").read_text()
    for text in (json.dumps(parts(token)[:2]), json.dumps(parts(listed)[:2]), ledger):
        assert LEARNER not in text
        assert IDENTITY not in text


def test_a_second_implementation_checks_the_signature(issued: tuple[Badges, str, str]) -> None:
    """By the primitive alone: no JWT library, and the roster's key."""
    _, token, listed = issued
    for text in (token, listed):
        signed, _, _ = text.rpartition(".")
        header, _, signature = parts(text)
        assert header["alg"] == "EdDSA"
        key = Ed25519PublicKey.from_public_bytes(KEYS["north"])
        key.verify(signature, signed.encode())
        with pytest.raises(InvalidSignature):
            key.verify(signature, signed.encode() + b"A")


def test_openbadgeslib_takes_it_until_it_is_revoked(tmp_path: Path) -> None:
    site = badges(tmp_path)
    made = site.issue(row(), stated(), rules(), APPROVER, IDENTITY)
    did = did_key(KEYS["north"])
    library = OB3Verifier.for_issuer_did(did)

    def look() -> None:
        listed = site.status_list(rules()).encode()
        library.verify(made.token, check_status=True, download=lambda _: listed)

    look()
    head, body, signature = made.token.split(".")
    other = "B" if body[40] != "B" else "C"
    with pytest.raises(OB3VerificationError):
        library.verify(f"{head}.{body[:40]}{other}{body[41:]}.{signature}")
    site.revoke(made.id, "an error", APPROVER)
    with pytest.raises(OB3VerificationError, match="revocation"):
        look()
    with pytest.raises(BadgeError, match="revoked by north"):
        checked(made.token, site.status_list(rules()))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_badge_with_any_other_letter_does_not_verify(
    issued: tuple[Badges, str, str], data: st.DataObject
) -> None:
    _, token, listed = issued
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCDabcd0123-_."))
    altered = token[:place] + letter + token[place + 1 :]
    if altered == token:
        return
    # The last letter of base64url holds bits that mean nothing: the same signature.
    if [*parts_or_none(altered)] == [*parts_or_none(token)] and altered[:-1] == token[:-1]:
        return
    with pytest.raises(BadgeError):
        checked(altered, listed)


def parts_or_none(token: str) -> tuple[Any, ...]:
    try:
        return parts(token)
    except ValueError:
        return ()


def test_claims_that_were_changed_and_signed_by_another(issued: tuple[Badges, str, str]) -> None:
    _, token, listed = issued
    stranger = Ed25519PrivateKey.generate()
    subject = {**parts(token)[1]["credentialSubject"], "creditsEarned": 300}
    for key in (stranger, simulated_identity("south")):
        with pytest.raises(BadgeError, match="altered"):
            checked(resigned(token, key, credentialSubject=subject), listed)
    did = did_key(stranger.public_key().public_bytes_raw())
    own = resigned(token, stranger, iss=did, issuer={"id": did, "name": "north"})
    with pytest.raises(BadgeError, match="nobody on the roster"):
        checked(own, listed)


def test_a_site_cannot_sign_in_anothers_name(issued: tuple[Badges, str, str]) -> None:
    _, token, listed = issued
    did = did_key(KEYS["south"])
    false = resigned(
        token, simulated_identity("south"), iss=did, issuer={"id": did, "name": "north"}
    )
    with pytest.raises(BadgeError, match="names another site"):
        checked(false, listed)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_the_token_does_not_choose_how_it_is_checked(
    issued: tuple[Badges, str, str], algorithm: str
) -> None:
    _, token, listed = issued
    claims = parts(token)[1]
    key = None if algorithm == "none" else KEYS["north"].hex()
    with pytest.raises(BadgeError, match="altered"):
        checked(jwt.encode(claims, key, algorithm=algorithm), listed)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"jti": "urn:uuid:0"}, "contradict"),
        ({"exp": 4102444800}, "contradict"),
        ({"validUntil": "2999-01-01T00:00:00Z"}, "contradict"),
        ({"credentialSubject": {"identifier": []}}, "lacks"),
        ({"type": ["VerifiableCredential"]}, "another kind"),
    ],
)
def test_claims_that_do_not_fit_each_other(
    issued: tuple[Badges, str, str], changes: dict[str, Any], line: str
) -> None:
    _, token, listed = issued
    with pytest.raises(BadgeError, match=line):
        checked(resigned(token, simulated_identity("north"), **changes), listed)


def test_one_that_has_expired_and_one_of_the_future(issued: tuple[Badges, str, str]) -> None:
    _, token, listed = issued
    claims = parts(token)[1]
    for name in ("iss", "jti", "nbf", "exp"):
        claims.pop(name)
    key, now = simulated_identity("north"), datetime.now(UTC)
    past = {"validFrom": moment(now - timedelta(9)), "validUntil": moment(now - timedelta(1))}
    with pytest.raises(BadgeError, match="has expired"):
        checked(sign({**claims, **past}, key), listed)
    with pytest.raises(BadgeError, match="not valid yet"):
        checked(sign({**claims, "validFrom": moment(now + timedelta(1))}, key), listed)


def test_whose_it_is(issued: tuple[Badges, str, str]) -> None:
    _, token, listed = issued
    with pytest.raises(BadgeError, match="not this learner's"):
        checked(token, listed, "eve@example.org")
    one, other = identity_object("ada"), identity_object("ada")
    assert one["identityHash"] != other["identityHash"]
    assert is_of(one, "ada")
    assert not is_of(one, "Ada")
    assert not is_of({}, "ada")


def test_a_list_that_is_another_sites_old_or_altered(issued: tuple[Badges, str, str]) -> None:
    _, token, listed = issued
    other = sign_list(set(), URL, "south", 9, simulated_identity("south"))
    elsewhere = sign_list(set(), "https://x.example", "north", 9, simulated_identity("north"))
    old = sign_list(set(), URL, "north", -1, simulated_identity("north"))
    for wrong, line in (
        (other, "status list was altered"),
        (elsewhere, "not the one that the badge names"),
        (old, "status list has expired"),
        (listed[:-20], "status list was altered"),
        (token, "cannot be read"),
        ("", "status list was altered"),
    ):
        with pytest.raises(BadgeError, match=line):
            checked(token, wrong)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, PLACES - 1), max_size=20), st.integers(0, PLACES - 1))
def test_exactly_the_revoked_places_are_revoked(revoked: set[int], place: int) -> None:
    key = simulated_identity("north")
    listed = read(sign_list(revoked, URL, "north", 1, key), KEYS["north"], "status list")
    for each in {place, *revoked}:
        assert is_revoked(listed, entry(URL, each)) == (each in revoked)
