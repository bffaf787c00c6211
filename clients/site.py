"""One site at work on one job: its learners' features, read once and kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.kept import KEPT
from clients.policy import check_learners, check_quality
from clients.store import Store
from data_adapters.base import open_adapter
from data_adapters.governance import clean
from edufed import __version__
from edufed.arrays import Arrays
from edufed.config import Job, SettingsError, SiteSettings, load_site, simulated_sites
from edufed.deployment import NodeSettings, load_site_node
from edufed.features import FEATURE_VERSION, FeatureMatrix, build
from edufed.features.canonical import earned_credits
from edufed.features.own import own_columns
from edufed.identity import SIGNING_KEY, load_signing_key
from edufed.privacy.simulated import simulated_identity, simulated_roster
from edufed.records import LearningRecords

#: Of what is cached beside features; changes with it.
_LAYOUT = "3"


@dataclass(frozen=True)
class Learners:
    """A site's learners at the cutoff, and how clean the records behind them were.

    Attributes
    ----------
    matrix : FeatureMatrix
    quality : dict
    links : str array, shape (rows of the matrix,)
        Each row's `link_id`, empty where the platform has none. It leaves through PSI alone.
    earned : float64 array, shape (rows of the matrix,)
        Credits earned by the cutoff; NaN where the platform records none.
    own_names : tuple of str
    own : float64 array, shape (rows of the matrix, own_names)
        Columns that no canonical table has; see `edufed.features.own`.
    """

    matrix: FeatureMatrix
    quality: dict[str, Any]
    links: npt.NDArray[np.str_]
    earned: npt.NDArray[np.float64]
    own_names: tuple[str, ...]
    own: npt.NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        arrays = (self.matrix.values, self.links, self.earned, self.own)
        return sum(array.nbytes for array in arrays) + _ROW_BYTES * len(self.matrix)


#: Bytes of a row beside its features: two identifiers of some twenty letters, start and target.
_ROW_BYTES = 160


@dataclass
class Site:
    """A site's settings and its state folder."""

    settings: SiteSettings
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.settings.state)

    @property
    def name(self) -> str:
        """Name under which the site takes part."""
        return self.settings.name

    def identity(self) -> Ed25519PrivateKey:
        """Return the key with which the site signs; a simulated site's is no secret.

        Raises
        ------
        IdentityError
            The key file is missing, or readable by others.
        """
        if self.settings.simulated:
            return simulated_identity(self.name)
        return load_signing_key(self._node().keys / SIGNING_KEY)

    def roster(self, job: Job) -> dict[str, bytes]:
        """Return the participants this site believes in, with their public signing keys.

        Raises
        ------
        SettingsError
            The site's YAML pins no roster.
        """
        if self.settings.simulated:
            return _simulated_roster(job.model_dump_json())
        roster = self._node().roster
        if roster is None:
            raise SettingsError("node.roster is required for secure aggregation")
        return roster.signing_keys()

    def _node(self) -> NodeSettings:
        assert self.settings.file is not None
        return load_site_node(self.settings.file).node

    def learners(self, cutoff: float) -> Learners:
        """Return features at a cutoff day, from the cache where nothing has changed.

        Raises
        ------
        DataError
            The platform's tables cannot be read as learning records.
        PolicyRefusalError
            The site's policy does not allow the job with what the tables hold.
        """
        settings = self.settings
        records = open_adapter(settings.adapter, settings.folder).read(cutoff)
        stamp = _features_of(settings, cutoff, records)
        return KEPT.get(
            ("learners", settings.model_dump_json(), stamp),
            lambda: self._learners(records, cutoff, stamp),
        )

    def version(self, cutoff: float) -> str:
        """Return what the features at a cutoff day depend on, records and code, in short."""
        settings = self.settings
        records = open_adapter(settings.adapter, settings.folder).read(cutoff)
        stamp = _features_of(settings, cutoff, records)
        return hashlib.sha256(stamp.encode()).hexdigest()[:24]

    def _learners(self, records: LearningRecords, cutoff: float, stamp: str) -> Learners:
        stored = self.store.load_or_make(
            "features", stamp, lambda: _build(self.settings, records, cutoff)
        )
        quality = json.loads(str(stored["quality"]))
        learners = Learners(
            matrix=_as_matrix(stored),
            quality=quality,
            links=stored["link_id"],
            earned=stored["earned"],
            own_names=tuple(str(name) for name in stored["own_names"]),
            own=stored["own"],
        )
        policy = self.settings.policy
        check_quality(policy, quality["rows"], quality["rejected"])
        check_learners(policy, len(learners.matrix))
        return learners


def real_site(node_config: dict[str, Any]) -> Site | None:
    """Return the site whose YAML the SuperNode was started with; None in a simulation.

    Raises
    ------
    SettingsError
        The YAML is wrong.
    """
    if "site" not in node_config:
        return None
    return Site(load_site(Path(str(node_config["site"]))))


def open_site(node_config: dict[str, Any], job: Job) -> Site:
    """Find which site this process is: a real one, or one that the job's simulation lists.

    Raises
    ------
    SettingsError
        Neither is the case, or the YAML is wrong.
    """
    site = real_site(node_config)
    if site is not None:
        return site
    if "partition-id" not in node_config:
        raise SettingsError("this node has no site: start it by edufed client site=FILE")
    # Flower numbers the nodes of a simulation from 0.
    return Site(_simulated(job.model_dump_json())[int(node_config["partition-id"])])


@lru_cache(maxsize=2)
def _simulated(job_json: str) -> list[SiteSettings]:
    """List a simulation's sites, once a job: there may be a thousand, and each is a message."""
    return simulated_sites(Job.model_validate_json(job_json))


@lru_cache(maxsize=2)
def _simulated_roster(job_json: str) -> dict[str, bytes]:
    return simulated_roster(site.name for site in _simulated(job_json))


def basis(settings: SiteSettings, records: LearningRecords, *more: str) -> str:
    """Return what all that is made of a site's records depends on, and what `more` it does.

    Parameters
    ----------
    settings : SiteSettings
    records : LearningRecords
        As the site's adapter reads them; they need not be loaded.
    more : str
        Versions and settings of what is made.
    """
    parts = [
        records.fingerprint,
        __version__,
        json.dumps(settings.adapter, sort_keys=True, default=str),
        json.dumps(settings.policy.data.columns()),
        *more,
    ]
    return "\n".join(parts)


def _features_of(settings: SiteSettings, cutoff: float, records: LearningRecords) -> str:
    return basis(settings, records, FEATURE_VERSION, _LAYOUT, repr(cutoff))


def _build(settings: SiteSettings, records: LearningRecords, cutoff: float) -> Arrays:
    allowed = settings.policy.data.columns()
    cleaned, quality = clean(records, settings.state / "quarantine", allowed)
    matrix = build(cleaned, cutoff)
    # A policy that lists what jobs may use has no word for a site's own columns.
    listed = settings.policy.data.allow is not None
    own_names, own = ((), np.zeros((len(matrix), 0))) if listed else own_columns(cleaned, matrix)
    return {
        "values": matrix.values,
        "names": np.array(matrix.names, dtype=str),
        "learner_id": matrix.learner_id.astype(str),
        "course_id": matrix.course_id.astype(str),
        "course_start": matrix.course_start,
        "target": matrix.target,
        "quality": np.array(json.dumps(quality.compact(settings.name))),
        "link_id": _links(cleaned, matrix),
        "earned": earned_credits(cleaned, matrix, cutoff),
        "own_names": np.array(own_names, dtype=str),
        "own": own,
    }


def _links(records: LearningRecords, matrix: FeatureMatrix) -> npt.NDArray[np.str_]:
    if "link_id" not in records.columns("learners"):
        return np.full(len(matrix), "", dtype=str)
    rows = records.connection.execute("SELECT learner_id, link_id FROM learners").fetchall()
    known = {learner: link for learner, link in rows if link is not None}
    return np.array([known.get(learner, "") for learner in matrix.learner_id], dtype=str)


def _as_matrix(stored: Arrays) -> FeatureMatrix:
    return FeatureMatrix(
        values=stored["values"],
        names=tuple(str(name) for name in stored["names"]),
        learner_id=stored["learner_id"].astype(object),
        course_id=stored["course_id"].astype(object),
        course_start=stored["course_start"],
        target=stored["target"],
    )
