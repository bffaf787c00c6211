"""`edufed keys ...`: make and enrol the identities of a federation, and say what was made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edufed.certificates import issue_server_certificate
from edufed.cli.arguments import keywords
from edufed.config.errors import SettingsError
from edufed.identity import (
    SiteCard,
    enrol,
    expel,
    init_federation,
    load_card,
    load_roster,
    new_site,
)
from edufed.private_files import IdentityError, private_folder, read_file, write_private

#: Action: the settings that it needs, and those that it may be given.
_ACTIONS: dict[str, tuple[list[str], list[str]]] = {
    "init": (["federation", "hosts"], ["sites"]),
    "request": (["site"], []),
    "add": (["site"], ["card"]),
    "remove": (["site"], []),
    "renew": (["hosts"], []),
}


def command(action: str, arguments: Sequence[str]) -> None:
    """Run `edufed keys ACTION KEY=VALUE ...`.

    ``init federation=NAME hosts=A,B [sites=C,D]``, ``request site=NAME``,
    ``add site=NAME [card=FILE]``, ``remove site=NAME``, ``renew hosts=A,B``; each with
    ``[folder=DIR]``, by default ``keys``.

    Raises
    ------
    SettingsError
        The action or a setting is unknown, or a setting is missing.
    """
    if action not in _ACTIONS:
        raise SettingsError(f"unknown action {action!r}; known here: {', '.join(_ACTIONS)}")
    required, optional = _ACTIONS[action]
    given = keywords(arguments, required, ["folder", *optional])
    folder = Path(given.get("folder", "keys"))
    hosts = given.get("hosts", "").split(",")
    if action == "init":
        sites = given["sites"].split(",") if "sites" in given else []
        text = init(folder, given["federation"], hosts, sites)
    elif action == "request":
        text = request(folder, given["site"])
    elif action == "add":
        text = add(folder, given["site"], Path(given["card"]) if "card" in given else None)
    elif action == "remove":
        text = remove(folder, given["site"])
    else:
        text = renew(folder, hosts)
    print(text)


def init(folder: Path, federation: str, hosts: Sequence[str], sites: Sequence[str] = ()) -> str:
    """Make a federation's CA and server certificate, and keys for `sites` on the same machine.

    Making the sites' keys here is for development and small federations of one owner;
    otherwise each site runs `request` and sends its card, and its private keys stay with it.

    Raises
    ------
    IdentityError
        There is a CA already, or a name cannot be used.
    """
    os.umask(0o077)
    init_federation(folder, federation, hosts)
    for site in sites:
        add(folder, site)
    lines = [f"federation {federation}: CA, server certificate and operator token in {folder}"]
    lines += [f"site {site}: give it the folder {folder / 'sites' / site}" for site in sites]
    return "\n".join(lines)


def request(folder: Path, site: str) -> str:
    """At the site: make its keys, and a card to send to the coordinator.

    Raises
    ------
    IdentityError
        The folder holds keys already, or the name cannot be used.
    """
    os.umask(0o077)
    new_site(folder, site)
    return (
        f"site {site}: keys in {folder}; send {folder / 'card.yaml'} (nothing secret) to the"
        f" coordinator, and put the ca.pem it sends back into {folder}"
    )


def add(folder: Path, site: str, card: Path | None = None) -> str:
    """Enrol a site: by the card it sent, or else with keys made here for it.

    Raises
    ------
    IdentityError
        The card is broken, its name is not `site`, or the name or a key is taken.
    """
    os.umask(0o077)
    if card is not None:
        enrol(folder, _named(load_card(card), site, card))
        return f"site {site} is enrolled; send it {folder / 'ca.pem'} and {folder / 'roster.yaml'}"
    load_roster(folder / "roster.yaml")
    private_folder(folder / "sites")
    own = folder / "sites" / site
    enrol(folder, new_site(own, site))
    write_private(own / "ca.pem", read_file(folder / "ca.pem"))
    return f"site {site} is enrolled; give it the folder {own} and {folder / 'roster.yaml'}"


def remove(folder: Path, site: str) -> str:
    """Take a site out of the federation.

    Raises
    ------
    IdentityError
        The site is not enrolled.
    """
    expel(folder, site)
    return f"site {site} is no longer enrolled; edufed server reads the roster again on SIGHUP"


def renew(folder: Path, hosts: Sequence[str]) -> str:
    """Make a new server certificate under the same CA.

    Raises
    ------
    IdentityError
        There is no CA, or a host cannot be used.
    """
    os.umask(0o077)
    issue_server_certificate(folder, hosts)
    return f"{folder / 'server.pem'} is new; restart edufed server"


def _named(card: SiteCard, site: str, file: Path) -> SiteCard:
    if card.name != site:
        raise IdentityError(f"{file} is the card of {card.name!r}, not of {site!r}")
    return card
