"""What a site allows: the `policy` part of its YAML. docs/policy.md explains each key."""

from __future__ import annotations

from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edufed.config.errors import Settings
from edufed.config.job import Job

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"


class BudgetPolicy(Settings):
    """The most that all jobs together may cost one learner of the site, by its ledger."""

    epsilon: PositiveFloat = 8.0
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5


class PrivacyPolicy(Settings):
    """The least protection under which this site's answers may leave it."""

    #: or_he: encrypted sums (privacy=he) will do as well
    secagg: Literal["required", "or_he", "optional"] = "optional"
    dp: Literal["required", "optional"] = "optional"  # privacy=dp or privacy=secagg_dp
    max_epsilon: PositiveFloat | None = None  # of one job
    #: lattice: products of vertical training rest on encryption alone, not on numbers dealt
    products: Literal["lattice", "any"] = "any"
    budget: BudgetPolicy = BudgetPolicy()


class DataPolicy(Settings):
    """Which learning records jobs may use: names are `TABLE` or `TABLE.COLUMN`.

    What is not allowed, or is denied, is absent for jobs, as if the platform did not have it.
    """

    allow: list[str] | None = None  # these alone; default: everything
    deny: list[str] = Field(default=[])

    def columns(self) -> dict[str, tuple[str, ...]] | None:
        """Return the canonical columns that may be used, by table; None where all may be.

        The columns that every row must have come with any other column of their table.
        """
        if self.allow is None and not self.deny:
            return None
        # Only a policy that names columns waits for pandera.
        from edufed.records import TABLES

        allowed = {}
        for table, schema in TABLES.items():
            names = {name: f"{table}.{name}" for name in schema.columns}
            keys = {name for name, column in schema.columns.items() if column.required}
            listed = self.allow
            if listed is None or table in listed:
                columns = set(names)
            else:
                columns = {name for name, full in names.items() if full in listed}
            columns -= {name for name, full in names.items() if full in self.deny}
            if columns and table not in self.deny:
                allowed[table] = tuple(name for name in names if name in columns | keys)
        return allowed

    @model_validator(mode="after")
    def _known(self) -> DataPolicy:
        if self.columns() is None:
            return self
        from edufed.records import TABLES

        for key, names in (("allow", self.allow or []), ("deny", self.deny)):
            for name in names:
                table, _, column = name.partition(".")
                if table not in TABLES:
                    raise ValueError(f"{key}: no table {table!r}; there are {', '.join(TABLES)}")
                columns = TABLES[table].columns
                if "." in name and column not in columns:
                    raise ValueError(f"{key}: no column {name!r}; {table} has {', '.join(columns)}")
                if key == "deny" and column and columns[column].required:
                    raise ValueError(
                        f"deny: every row must have {name!r}; deny the whole table {table!r}"
                    )
        if not self.columns():
            raise ValueError("nothing is left that a job may use")
        return self


class Policy(Settings):
    """What this site allows. Enforced at the site before any data is touched."""

    scenarios: list[str] | None = None  # default: all
    tasks: list[str] | None = None  # default: all
    strategies: list[str] | None = None  # default: all
    privacy: PrivacyPolicy = PrivacyPolicy()
    data: DataPolicy = DataPolicy()
    min_learners: PositiveInt = 10  # fewer eligible learners than this: take no part
    min_cohort: PositiveInt = 1  # refuse jobs that rank learners within smaller cohorts
    max_rounds: PositiveInt | None = None  # of one job; what others learn can grow with each
    max_rejected_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    hours: Annotated[str, Field(pattern=rf"^{_CLOCK}-({_CLOCK}|24:00)$")] | None = None
    days: Annotated[list[Day], Field(min_length=1)] = Field(default=list(DAYS))
    time_zone: str = "UTC"  # IANA name, such as Europe/Lisbon
    max_jobs_per_day: PositiveInt | None = None

    @property
    def window(self) -> tuple[int, int]:
        """Opening and closing time in minutes after midnight; closing first means over midnight."""
        begin, _, end = (self.hours or "00:00-24:00").partition("-")
        return _minutes(begin), _minutes(end)

    @field_validator("scenarios", "tasks", "strategies")
    @classmethod
    def _named(cls, names: list[str] | None, info: ValidationInfo) -> list[str] | None:
        groups = {"scenarios": "scenario", "tasks": "task", "strategies": "strategy"}
        known = _choices(groups[str(info.field_name)])
        for name in names or []:
            if name not in known:
                raise ValueError(f"no {name!r}; there are {', '.join(known)}")
        return names

    @field_validator("time_zone")
    @classmethod
    def _on_the_map(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone {name!r}; write it as Europe/Lisbon") from None
        return name

    @model_validator(mode="after")
    def _ever_open(self) -> Policy:
        begin, end = self.window
        if begin == end:
            raise ValueError("hours: opens and closes at one time; write 00:00-24:00 for all day")
        return self


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return 60 * int(hours) + int(minutes)


def _choices(group: str) -> tuple[str, ...]:
    """Names that a settings group of a job can have."""
    annotation = Job.model_fields[group].annotation
    variants = get_args(annotation) or (annotation,)
    return tuple(
        name for variant in variants for name in get_args(variant.model_fields["name"].annotation)
    )
