"""The one interface that every adapter has, and the registry that finds one by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from edufed.records import CanonicalStatement, DataError, LearningRecords


class Adapter(Protocol):
    """A platform's tables, seen as learning records.

    Attributes
    ----------
    canonical : CanonicalStatement
        Which canonical learner features the platform supplies, and among whom it ranks.
    """

    @property
    def canonical(self) -> CanonicalStatement:
        """What the platform states of its canonical features."""
        ...

    def read(self, cutoff: float | None = None) -> LearningRecords:
        """Open the platform's tables as learning records, rejected rows not yet removed.

        Parameters
        ----------
        cutoff : float, optional
            Day after course start. Events and assessment outcomes dated later are left out
            before anything is joined to them; final outcomes, which are targets, stay.

        Raises
        ------
        DataError
            A file, table or column is missing or of a wrong type.
        """
        ...


#: Adapter name -> module that defines `open(settings, folder) -> Adapter`.
MODULES = {
    "oulad": "data_adapters.oulad",
    "province": "data_adapters.province.adapter",
    "live_class": "data_adapters.regions.live_class",
    "digital_library": "data_adapters.regions.digital_library",
    "mooc": "data_adapters.regions.mooc",
    "community": "data_adapters.education.community",
    "vocational": "data_adapters.education.vocational",
    "higher": "data_adapters.education.higher",
    "basic": "data_adapters.education.basic",
}


def open_adapter(settings: Mapping[str, Any], folder: Path) -> Adapter:
    """Open the adapter that `settings["name"]` names.

    Parameters
    ----------
    settings : mapping
        The `adapter` part of a site's YAML: `name`, and what that adapter takes.
    folder : pathlib.Path
        Where relative paths in `settings` start: the folder of the site's YAML.

    Raises
    ------
    DataError
        The adapter is unknown, or a setting is unknown, missing or of a wrong type.
    """
    name = settings.get("name")
    if name not in MODULES:
        raise DataError(f"adapter.name: no adapter {name!r}; choose one of {', '.join(MODULES)}")
    opener: Callable[[Mapping[str, Any], Path], Adapter] = import_module(MODULES[name]).open
    return opener(settings, folder)
