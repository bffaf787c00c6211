"""Learning records -> which learner used which resource when, and each course's catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.features.relations import whole_tables
from edufed.records import RESOURCE_KINDS, DataError, LearningRecords
from edufed.tasks.early_warning import population_sql

#: Changes with what is read, so that no cache outlives it.
USAGE_VERSION = "2"


@dataclass(frozen=True)
class Usage:
    """A site's enrolments that are open on the cutoff day, and what they used.

    Attributes
    ----------
    learner_id, course_id : object arrays, shape (enrolments,)
        Sorted by course and learner. Learner ids never leave the site.
    course_start : datetime64[D] array, shape (enrolments,)
        NaT where unknown.
    row : int64 array, shape (pairs,)
        Which enrolment; each pair of enrolment and resource stands once.
    resource : object array, shape (pairs,)
    first, last : float64 arrays, shape (pairs,)
        Days of first and last use up to the cutoff; NaN for what was first used after it.
    later : bool array, shape (pairs,)
        Used within the days after the cutoff that are to be foretold.
    catalogues : dict of str to dict of str to str
        By course, its resources and their kinds.
    """

    learner_id: npt.NDArray[np.object_]
    course_id: npt.NDArray[np.object_]
    course_start: npt.NDArray[np.datetime64]
    row: npt.NDArray[np.int64]
    resource: npt.NDArray[np.object_]
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    later: npt.NDArray[np.bool_]
    catalogues: Mapping[str, Mapping[str, str]]

    def __len__(self) -> int:
        return len(self.learner_id)


def read_usage(records: LearningRecords, cutoff: float, horizon: float) -> Usage:
    """Read what the learners enrolled on day `cutoff` had used by then, and used afterwards.

    A course's catalogue is all resources that name the course, used or not. Where resources name
    no course, it is those that were used in it. Assessments are handed in, not recommended.

    Parameters
    ----------
    records : LearningRecords
        Read at least up to day ``cutoff + horizon``.
    cutoff, horizon : float
        Days; a use on day `cutoff` is known, one up to day ``cutoff + horizon`` is to be foretold.

    Raises
    ------
    DataError
        The site has no events that name resources.
    """
    if "resource_id" not in records.columns("events"):
        raise DataError(
            "events.resource_id is missing: what learners use next can only be told of events that"
            " name a resource; map the column, or leave this job to other sites"
        )
    connection = records.connection
    enrolments = "enrolments" in records.present()
    with whole_tables(records):
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE at_cutoff_enrolled AS
            SELECT (row_number() OVER (ORDER BY course_id, learner_id) - 1)::BIGINT AS row,
                learner_id, course_id, course_start
            FROM ({population_sql(cutoff, enrolments)})
        """)
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE at_cutoff_pairs AS
            SELECT row, course_id, resource_id, min("time") FILTER (known) AS first,
                max("time") FILTER (known) AS last, bool_or(NOT known) AS later
            FROM (
                SELECT *, "time" <= {float(cutoff)!r} AS known FROM all_events
                WHERE "time" <= {float(cutoff + horizon)!r} AND resource_id IS NOT NULL
            ) JOIN at_cutoff_enrolled USING (learner_id, course_id)
            GROUP BY ALL
        """)
        catalogues = _catalogues(records)
        people = connection.sql("""
            SELECT learner_id, course_id, course_start::DATE AS course_start
            FROM at_cutoff_enrolled ORDER BY row
        """).to_arrow_table()
        pairs = connection.sql("""
            SELECT row, resource_id, first::DOUBLE AS first, last::DOUBLE AS last, later
            FROM at_cutoff_pairs ORDER BY row, resource_id
        """).to_arrow_table()
    return Usage(
        learner_id=people.column("learner_id").to_numpy().astype(object),
        course_id=people.column("course_id").to_numpy().astype(object),
        course_start=people.column("course_start").to_numpy().astype("datetime64[D]"),
        row=pairs.column("row").to_numpy().astype(np.int64),
        resource=pairs.column("resource_id").to_numpy().astype(object),
        first=pairs.column("first").to_numpy().astype(np.float64),
        last=pairs.column("last").to_numpy().astype(np.float64),
        later=pairs.column("later").to_numpy().astype(bool),
        catalogues=catalogues,
    )


def _catalogues(records: LearningRecords) -> dict[str, dict[str, str]]:
    """Resources of each course in which somebody is enrolled, with their kinds."""
    columns = records.columns("resources")
    if "course_id" in columns:
        source = """
            SELECT course_id, resource_id, any_value(kind) AS kind FROM all_resources
            WHERE course_id IN (SELECT course_id FROM at_cutoff_enrolled) GROUP BY ALL
        """
    elif columns:
        source = """
            SELECT pairs.course_id, resource_id, any_value(kind) AS kind
            FROM (
                SELECT DISTINCT course_id, resource_id FROM at_cutoff_pairs
                WHERE first IS NOT NULL
            ) AS pairs
            JOIN all_resources USING (resource_id) GROUP BY ALL
        """
    else:
        source = """
            SELECT DISTINCT course_id, resource_id, 'other' AS kind FROM at_cutoff_pairs
            WHERE first IS NOT NULL
        """
    found = records.connection.execute(
        f"SELECT * FROM ({source}) WHERE kind <> 'assessment' ORDER BY ALL"
    ).fetchall()
    catalogues: dict[str, dict[str, str]] = {}
    for course, resource, name in found:
        catalogues.setdefault(str(course), {})[str(resource)] = str(name)
    return catalogues


@dataclass(frozen=True)
class Catalogue:
    """A course's resources as all sites agreed on them.

    Attributes
    ----------
    course : str
    resources : tuple of str
        Sorted.
    kinds : int64 array, shape (resources,)
        Places in `edufed.records.RESOURCE_KINDS`.
    """

    course: str
    resources: tuple[str, ...]
    kinds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, course: str, kinds: Mapping[str, str]) -> Catalogue:
        """Make the catalogue of a course from its resources and their kinds."""
        names = tuple(sorted(kinds))
        places = [RESOURCE_KINDS.index(kinds[name]) for name in names]
        return cls(course, names, np.array(places, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.resources)


@dataclass(frozen=True)
class Interactions:
    """One course's learners at a site and its catalogue, as dense arrays.

    Attributes
    ----------
    rows : int64 array, shape (learners,)
        Places in `Usage`.
    first : float64 array, shape (learners, resources)
        Day of first use; infinity where not used by the cutoff.
    last : float64 array, shape (learners, resources)
        Day of last use by the cutoff; minus infinity where not used.
    later : bool array, shape (learners, resources)
        New to the learner, and used within the days to be foretold: what is relevant.
    """

    rows: npt.NDArray[np.int64]
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    later: npt.NDArray[np.bool_]

    @property
    def used(self) -> npt.NDArray[np.bool_]:
        """Whether each learner used each resource by the cutoff."""
        return np.isfinite(self.first)

    def part(self, mask: npt.NDArray[np.bool_]) -> Interactions:
        """Return some of the learners."""
        return Interactions(self.rows[mask], self.first[mask], self.last[mask], self.later[mask])


def interactions(usage: Usage, catalogue: Catalogue) -> Interactions:
    """Spread a course's pairs over its catalogue; resources outside it are left out."""
    rows = np.flatnonzero(usage.course_id == catalogue.course)
    shape = (len(rows), len(catalogue))
    first, last = np.full(shape, np.inf), np.full(shape, -np.inf)
    later = np.zeros(shape, dtype=bool)
    if len(rows):
        # Rows are sorted by course, so that a course's are one after another.
        mine = np.flatnonzero((usage.row >= rows[0]) & (usage.row <= rows[-1]))
        column = {name: place for place, name in enumerate(catalogue.resources)}
        places = np.array([column.get(name, -1) for name in usage.resource[mine]], dtype=np.int64)
        mine, places = mine[places >= 0], places[places >= 0]
        at = (usage.row[mine] - rows[0], places)
        known = ~np.isnan(usage.first[mine])
        first[at] = np.where(known, usage.first[mine], np.inf)
        last[at] = np.where(known, usage.last[mine], -np.inf)
        later[at] = usage.later[mine] & ~known
    return Interactions(rows, first, last, later)
