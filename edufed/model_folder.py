"""A model as a folder: JSON, tensors and cards, written whole or not at all, checked when read.

model.json          what the model is, and the tensors' checksum
model.safetensors   its numbers
card.md card.zh.md  what it may be used for, and how good it is, for people
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edufed.arrays import Arrays
from edufed.config.errors import Settings, one_line
from edufed.config.numbers import NotNegativeInt
from edufed.records import DataError

JSON, TENSORS = "model.json", "model.safetensors"

Manifest = TypeVar("Manifest", bound=BaseModel)


class ModelDescription(Settings):
    """What is said of every model.

    Parameters
    ----------
    job, created : str
        Id and ISO date of the job that made it.
    scenario, task, data : str
        Names of the job's parts.
    """

    format: Literal[1] = 1
    edufed: str
    job: str
    created: str
    scenario: str
    task: str
    data: str


class SiteShare(Settings):
    """One site's part in a model."""

    site: str
    n_train: NotNegativeInt
    n_test: NotNegativeInt


def write_model(
    folder: Path,
    manifest: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    write_cards: Callable[[Path], None],
) -> None:
    """Write a model as `folder`; an older model there is replaced.

    Parameters
    ----------
    folder : pathlib.Path
    manifest : mapping
        What `model.json` says; the tensors' SHA-256 is added as ``sha256``.
    arrays : mapping of str to numeric array
    write_cards : callable
        Folder -> writes the cards into it.

    Raises
    ------
    DataError
        Something that is no published model stands in the way, or the disk refuses.
    """
    if folder.exists() and not (folder.is_dir() and (_is_model(folder) or _is_empty(folder))):
        raise DataError(f"{folder}: exists and is no published model; give another folder")
    tensors = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    said = {**manifest, "sha256": hashlib.sha256(tensors).hexdigest()}
    text = json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            (new / TENSORS).write_bytes(tensors)
            (new / JSON).write_text(text, encoding="utf-8")
            write_cards(new)
            new.chmod(0o755)
            _replace(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot write the model: {error.strerror}") from None


def read_manifest(folder: Path, kind: type[Manifest]) -> Manifest:
    """Read `model.json` and check it against `kind`.

    Raises
    ------
    DataError
        It is missing, damaged, or does not say what it should.
    """
    file = folder / JSON
    try:
        return kind.model_validate(json.loads(_read(file)))
    except ValidationError as error:
        raise DataError(one_line(error, kind, where=str(file))) from None
    except ValueError:
        raise DataError(f"{file}: damaged, it is not JSON; copy the model folder again") from None


def description_in(manifest: BaseModel, kind: type[Manifest]) -> Manifest:
    """Return the description of a model that its manifest adds to."""
    return kind(**{name: getattr(manifest, name) for name in kind.model_fields})


class _Task(BaseModel):
    task: str


def task_of(folder: Path) -> str:
    """Return the task that a model is for.

    Raises
    ------
    DataError
        As `read_manifest`.
    """
    return read_manifest(folder, _Task).task


def read_tensors(folder: Path, sha256: str) -> Arrays:
    """Read `model.safetensors`, whose checksum `model.json` says.

    Raises
    ------
    DataError
        It is missing or damaged.
    """
    file = folder / TENSORS
    content = _read(file)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            f"{file}: damaged, its checksum is not the one in {JSON}; copy the model folder again"
        )
    try:
        return dict(load(content))
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{file}: not a safetensors file ({error})") from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{file}: missing; give the folder of a published model") from None
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from None


def _is_model(folder: Path) -> bool:
    return (folder / JSON).is_file()


def _is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


def _replace(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`.

    POSIX renames onto an empty folder only, so an older model steps aside first; should the
    process die between the two renames, both are whole, under names that start with a dot.
    """
    if not folder.exists():
        os.rename(new, folder)
        return
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    os.rename(folder, old)
    try:
        os.rename(new, folder)
    except OSError:
        os.rename(old, folder)
        raise
    shutil.rmtree(old)
