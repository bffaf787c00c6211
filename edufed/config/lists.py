"""Where a site's lists of learners go, beside the file that a command names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field, model_validator
from sqlalchemy.exc import ArgumentError

from edufed.config.errors import Settings, SettingsError
from edufed.private_files import IdentityError, read_private


class ListsSettings(Settings):
    """`lists: {url_env: NAME, table: edufed_lists}` in a site's YAML.

    Parameters
    ----------
    url, url_env, url_file : str
        One of: an SQLAlchemy URL without a password, the environment variable that holds one, or a
        file (relative to the site's YAML) that holds one and that only its owner can read. A
        relative SQLite path starts at the site's YAML.
    table : str
        First part of the tables' names: each kind of list has its own, such as
        ``edufed_early_warning``.
    """

    url: str | None = None
    url_env: str | None = None
    url_file: str | None = None
    table: Annotated[str, Field(pattern=r"^([A-Za-z_]\w*\.)?[A-Za-z_]\w*$")] = "edufed"

    @model_validator(mode="after")
    def _one_url(self) -> ListsSettings:
        if sum(x is not None for x in (self.url, self.url_env, self.url_file)) != 1:
            raise ValueError("give one of url, url_env and url_file")
        return self

    def address(self, folder: Path) -> Any:
        """Return the URL of the database.

        Raises
        ------
        SettingsError
            It is not set, is no URL, or stands in the open with a password.
        """
        if self.url_env is not None:
            place, stated = f"lists.url_env: {self.url_env}", os.environ.get(self.url_env, "")
        elif self.url_file is not None:
            place = f"lists.url_file: {self.url_file}"
            try:
                stated = read_private(folder / self.url_file).decode().strip()
            except IdentityError as error:
                raise SettingsError(f"lists.url_file: {error}") from None
        else:
            place, stated = "lists.url", str(self.url)
        url = url_of(stated, place, folder)
        if self.url is not None and url.password:
            raise SettingsError("lists.url holds a password; move it to url_env or url_file")
        return url


def url_of(stated: str, place: str, folder: Path) -> Any:
    """Read an SQLAlchemy URL; a relative SQLite path starts at `folder`.

    Raises
    ------
    SettingsError
        It is none; the message names `place` and not what stands there.
    """
    try:
        url = sa.make_url(stated)
    except ArgumentError:
        raise SettingsError(
            f"{place} holds no SQLAlchemy URL; write one such as postgresql+psycopg://HOST/DB"
        ) from None
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(folder / url.database))
    return url
