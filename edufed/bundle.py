"""What code a Flower App Bundle stands for, and whether it is the code that a site has installed.

A bundle that `submit_job` builds carries no code: it names the version of EduFed and the hash of
its files, and both sides run what they have installed. A bundle made by `flwr run .` carries
files; then the hash is computed over those files, whatever the bundle claims. Nothing out of
a bundle is ever run at a site: the hash only decides whether the site takes part.
"""

from __future__ import annotations

import hashlib
import io
import tomllib
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from edufed import __version__

PACKAGES = ("clients", "conf", "data_adapters", "edufed", "server")
#: Where the packages are: a checkout or site-packages.
ROOT = Path(__file__).resolve().parents[1]
#: Files that a bundle may hold and that decide what the code does.
_CODE = {".py", ".yaml", ".yml", ".json", ".jsonl"}
_MOST_BYTES = 64 * 2**20
_PYPROJECT = "pyproject.toml"


class BundleError(Exception):
    """A bundle cannot be read."""


@dataclass(frozen=True)
class Code:
    """A version of EduFed and the SHA-256 over its files, as ``sha256:`` and hex digits."""

    version: str
    hash: str


@lru_cache(maxsize=1)
def installed_code() -> Code:
    """Return the code that this machine has installed, as it was when first asked."""
    files: dict[str, bytes] = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*"):
            if file.suffix in _CODE and file.is_file() and "__pycache__" not in file.parts:
                files[file.relative_to(ROOT).as_posix()] = file.read_bytes()
    return Code(__version__, _digest(files))


def bundle_code(bundle: bytes) -> Code:
    """Return the code that a bundle stands for.

    Raises
    ------
    BundleError
        The bundle is not one that names a version and either holds code or names its hash.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            names = [entry.filename for entry in entries]
            if sum(entry.file_size for entry in entries) > _MOST_BYTES:
                raise BundleError("the bundle unpacks to more than 64 MiB")
            if len(names) != len(set(names)):
                raise BundleError("the bundle holds two files of one name")
            files = {
                name: archive.read(name) for name in names if PurePosixPath(name).suffix in _CODE
            }
            project = tomllib.loads(archive.read(_PYPROJECT).decode())
        named = str(project["project"]["version"])
        if files:
            return Code(named, _digest(files))
        return Code(named, str(project["tool"]["edufed"]["code"]))
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise BundleError(f"the bundle cannot be read ({type(error).__name__})") from None


def pyproject(code: Code) -> dict[str, Any]:
    """Return the settings of a bundle without code that stands for `code`."""
    return {
        "project": {"name": "edufed", "version": code.version},
        "tool": {
            "edufed": {"code": code.hash},
            "flwr": {
                "app": {
                    "publisher": "edufed",
                    "components": {"serverapp": "server.app:app", "clientapp": "clients.app:app"},
                    "config": {"job": "", "overrides": ""},
                }
            },
        },
    }


def _digest(files: dict[str, bytes]) -> str:
    """Hash paths and contents, each by its own hash, so that no two sets of files collide."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(hashlib.sha256(name.encode()).digest())
        total.update(hashlib.sha256(files[name]).digest())
    return f"sha256:{total.hexdigest()}"
