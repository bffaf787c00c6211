"""Find the rows that the parties of a job share, step by step, whatever the job is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clients.parties import ALIGN_STEPS, Parties, Parts, read_letters, write_letters
from clients.site import Site
from clients.steps import POST, StepError, take_step
from edufed.arrays import Arrays, as_array, prefixed, unprefixed
from edufed.config.job import Job
from edufed.privacy.channels import ChannelError
from edufed.privacy.post import PostError, bundle
from edufed.privacy.products import ProductError
from edufed.privacy.psi import Alignment, PsiError
from edufed.vertical.sums import SumError

Mail = Mapping[str, Parts]
#: Parties, alignment and the letters that came with the last step -> what to keep, what to say in
#: clear, and what to write to whom.
Finish = Callable[[Parties, Alignment, Mail], tuple[Arrays, dict[str, Any], dict[str, Parts]]]
#: The same once learners are aligned: parties, what was kept, letters.
Then = Callable[[Parties, Arrays, Mail], tuple[Arrays, dict[str, Any], dict[str, Parts]]]


def align_step(
    site: Site,
    job: Job,
    meta: Mapping[str, Any],
    arrays: Arrays,
    identifiers: Sequence[str],
    finish: Finish,
) -> tuple[dict[str, Any], Arrays]:
    """Take one step of the alignment; once this site knows its rows, do what the job begins with.

    The alignment persists in the site's state folder (`read_alignment`).

    Raises
    ------
    StepError
        A message or a letter cannot be used.
    """

    def act(state: Arrays) -> tuple[Arrays, dict[str, Any], bytes]:
        parties = Parties(site, job, meta, unprefixed("parties/", state))
        mail = read_letters(arrays[POST].tobytes())
        dumped = state["psi"].tobytes() if "psi" in state else None
        dumped, letters, alignment = parties.align(list(identifiers), mail, dumped)
        kept: Arrays = {"psi": as_array(dumped)}
        said: dict[str, Any] = {}
        if alignment is not None:
            alignment.save(_file(site, job.id))
            kept, said, more = finish(parties, alignment, mail)
            for name, parts in more.items():
                letters[name] = letters.get(name, {}) | parts
        kept |= prefixed("parties/", parties.state)
        return kept, said, bundle(write_letters(letters))

    with one_line():
        return take_step(site, job, asked(meta), arrays, ALIGN_STEPS, act)


def later_step(
    site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays, then: Then
) -> tuple[dict[str, Any], Arrays]:
    """Take a step after the alignment.

    Raises
    ------
    StepError
        A message or a letter cannot be used.
    """

    def act(state: Arrays) -> tuple[Arrays, dict[str, Any], bytes]:
        parties = Parties(site, job, meta, unprefixed("parties/", state))
        mail = read_letters(arrays[POST].tobytes())
        kept, said, letters = then(parties, state, mail)
        return kept, said, bundle(write_letters(letters))

    with one_line():
        return take_step(site, job, asked(meta), arrays, 0, act)


def read_alignment(site: Site, job_id: str) -> Alignment:
    """Return which of this site's rows stand in the rows that the parties of a job share."""
    return Alignment.read(_file(site, job_id))


def part_of(mail: Mail, sender: str, name: str) -> bytes:
    """Return one part of one sender's letter.

    Raises
    ------
    StepError
        There is none.
    """
    if name not in mail.get(sender, {}):
        raise StepError(f"there is no letter {name!r} of {sender}")
    return mail[sender][name]


def asked(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message's settings without the job."""
    return {key: value for key, value in meta.items() if key != "job"}


@contextmanager
def one_line() -> Iterator[None]:
    """Turn the libraries' errors, each one line without a learner's value, into a step's."""
    try:
        yield
    except (ChannelError, PostError, ProductError, PsiError, SumError) as error:
        raise StepError(str(error)) from None


def _file(site: Site, job_id: str) -> Path:
    folder = site.store.folder / "jobs" / job_id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "alignment.npz"
