"""What `edufed client` and its worker tell each other: settings, and the message at hand."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from edufed.private_files import write_private


@dataclass(frozen=True)
class WorkerSettings:
    """What `edufed client` tells its worker, as JSON on the command line; no secrets.

    Attributes
    ----------
    address : str
        The SuperNode's Runtime API.
    folder : str
        Holds ``runtime.pem`` and ``superexec.secret``, made anew at each start of the site.
    audit : str
        The site's audit log.
    approved : list of str
        Hashes of code that bundles may stand for, beside the installed one's.
    once : bool
        End after one message.
    """

    address: str
    folder: str
    audit: str
    approved: list[str]
    once: bool

    def argument(self) -> str:
        """Return the settings as one command-line argument."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Claim:
    """The message that a worker is answering.

    `message` is its envelope without content, serialised; `deadline` is the time (seconds since
    the epoch) after which the coordinator no longer waits. Both are None until it was fetched.
    """

    token: str
    message: bytes | None = None
    deadline: float | None = None

    def save(self, folder: Path) -> None:
        """Note the claim in the site's run folder."""
        envelope = base64.b64encode(self.message).decode() if self.message is not None else None
        content = {"token": self.token, "message": envelope, "deadline": self.deadline}
        write_private(folder / "claim.json", json.dumps(content).encode())

    @staticmethod
    def load(folder: Path) -> Claim | None:
        """Return the claim noted in a run folder, if any."""
        try:
            content = json.loads((folder / "claim.json").read_bytes())
        except FileNotFoundError:
            return None
        envelope = content["message"]
        return Claim(
            content["token"],
            base64.b64decode(envelope) if envelope is not None else None,
            content["deadline"],
        )

    @staticmethod
    def drop(folder: Path) -> None:
        """Forget the claim: it was answered."""
        (folder / "claim.json").unlink(missing_ok=True)
