"""What an xAPI statement must look like to be taken.

Follows the xAPI 1.0.3 specification, part two (ADL Initiative 2016): what a stored statement
must satisfy, whatever its profile. Written out here, and small, because the models of
`ralph-malph`, to whose verdicts the tests hold this, import rfc3987, whose licence (GPLv3)
EduFed does not take on at run time. Language tags and addresses are checked by their form.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from data_adapters.sources.iri import Iri

Text = Annotated[str, StringConstraints(min_length=1, strict=True)]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$")]
LanguageMap = dict[Language, Text]
Extensions = dict[Iri, Any]
Sha1 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Mailto = Annotated[
    str,
    StringConstraints(
        pattern=r"^mailto:[^\s@.,;:<>()\[\]\\\"]+(\.[^\s@.,;:<>()\[\]\\\"]+)*"
        r"@[\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?(\.[\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?)+$"
    ),
]
IDENTIFIERS = ("account", "mbox", "mbox_sha1sum", "openid")


class Strict(BaseModel):
    """A part of a statement, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", str_min_length=1, coerce_numbers_to_str=True)


class Account(Strict):
    """An account on a platform."""

    homePage: Iri
    name: Text


class Agent(Strict):
    """One who acts, named by exactly one identifier."""

    objectType: Literal["Agent"] = "Agent"
    name: Text | None = None
    account: Account | None = None
    mbox: Mailto | None = None
    mbox_sha1sum: Sha1 | None = None
    openid: str | None = None

    @model_validator(mode="after")
    def _one_identifier(self) -> Agent:
        if sum(getattr(self, name) is not None for name in IDENTIFIERS) != 1:
            raise ValueError("exactly one identifier")
        return self


class Group(Strict):
    """Several who act; without an identifier, its members say who."""

    objectType: Literal["Group"]
    name: Text | None = None
    account: Account | None = None
    mbox: Mailto | None = None
    mbox_sha1sum: Sha1 | None = None
    openid: str | None = None
    member: list[Agent] | None = None

    @model_validator(mode="after")
    def _identified(self) -> Group:
        identifiers = sum(getattr(self, name) is not None for name in IDENTIFIERS)
        if identifiers > 1 or (identifiers == 0 and self.member is None):
            raise ValueError("one identifier, or members")
        return self


#: Tried in this order; the first that fits is it.
Actor = Annotated[Agent | Group, Field(union_mode="left_to_right")]


class Verb(Strict):
    """What was done."""

    id: Iri
    display: LanguageMap | None = None


class Component(Strict):
    """One choice, step or target of an interaction."""

    id: Annotated[str, StringConstraints(pattern=r"^\S+$")]
    description: LanguageMap | None = None


class Definition(Strict):
    """What an activity is; the last six describe a question and its answers."""

    name: LanguageMap | None = None
    description: LanguageMap | None = None
    type: Iri | None = None
    moreInfo: AnyUrl | None = None
    extensions: Extensions | None = None
    interactionType: (
        Literal[
            "true-false",
            "choice",
            "fill-in",
            "long-fill-in",
            "matching",
            "performance",
            "sequencing",
            "likert",
            "numeric",
            "other",
        ]
        | None
    ) = None
    correctResponsesPattern: list[Text] | None = None
    choices: list[Component] | None = None
    scale: list[Component] | None = None
    source: list[Component] | None = None
    target: list[Component] | None = None
    steps: list[Component] | None = None

    @model_validator(mode="after")
    def _interaction(self) -> Definition:
        lists = (self.choices, self.scale, self.source, self.target, self.steps)
        if self.interactionType is None and any(
            x is not None for x in (*lists, self.correctResponsesPattern)
        ):
            raise ValueError("an interaction has a type")
        for components in lists:
            if components and len({c.id for c in components}) < len(components):
                raise ValueError("components have different ids")
        return self


class Activity(Strict):
    """A thing to learn from or with."""

    id: Iri
    objectType: Literal["Activity"] | None = None
    definition: Definition | None = None


class StatementRef(Strict):
    """Another statement."""

    id: UUID
    objectType: Literal["StatementRef"]


class Score(Strict):
    """A score, scaled and as it was given."""

    scaled: Annotated[Decimal, Field(ge=-1, le=1)] | None = None
    raw: Decimal | None = None
    min: Decimal | None = None
    max: Decimal | None = None

    @model_validator(mode="after")
    def _within(self) -> Score:
        given = [x for x in (self.min, self.raw, self.max) if x is not None]
        if given != sorted(given):
            raise ValueError("min, raw and max rise")
        return self


class Result(Strict):
    """What came of it."""

    score: Score | None = None
    success: StrictBool | None = None
    completion: StrictBool | None = None
    response: Text | None = None
    duration: timedelta | None = None
    extensions: Extensions | None = None


def _several(raw: object) -> object:
    return [raw] if isinstance(raw, dict) else raw


#: The specification lets a single activity stand for a list of one.
Activities = Annotated[list[Activity], BeforeValidator(_several)]


class ContextActivities(Strict):
    """Activities around the one that was acted on."""

    parent: Activities | None = None
    grouping: Activities | None = None
    category: Activities | None = None
    other: Activities | None = None


class Context(Strict):
    """Where and within what it happened."""

    registration: UUID | None = None
    instructor: Agent | None = None
    team: Group | None = None
    contextActivities: ContextActivities | None = None
    revision: Text | None = None
    platform: Text | None = None
    language: Language | None = None
    statement: StatementRef | None = None
    extensions: Extensions | None = None


class Attachment(Strict):
    """A file that came with a statement."""

    usageType: Iri
    display: LanguageMap
    description: LanguageMap | None = None
    contentType: str
    length: int
    sha2: str
    fileUrl: AnyUrl | None = None


class SubStatement(Strict):
    """A statement that is the object of another."""

    actor: Actor
    verb: Verb
    object: Annotated[Activity | StatementRef, Field(union_mode="left_to_right")]
    objectType: Literal["SubStatement"]
    result: Result | None = None
    context: Context | None = None
    timestamp: datetime | None = None
    attachments: list[Attachment] | None = None


class Statement(Strict):
    """Who did what with what."""

    id: UUID | None = None
    actor: Actor
    verb: Verb
    object: Annotated[
        Activity | StatementRef | SubStatement | Agent | Group, Field(union_mode="left_to_right")
    ]
    result: Result | None = None
    context: Context | None = None
    timestamp: datetime | None = None
    stored: datetime | None = None
    authority: Actor | None = None
    version: Annotated[str, StringConstraints(pattern=r"^1\.0\.[0-9]+$")] = "1.0.0"
    attachments: list[Attachment] | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_empty(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and _has_empty(raw):
            raise ValueError("nothing is empty outside extensions")
        return raw

    @model_validator(mode="after")
    def _revision_of_activity(self) -> Statement:
        context = self.context
        if (
            context is not None
            and (context.platform or context.revision)
            and not isinstance(self.object, Activity)
        ):
            raise ValueError("platform and revision belong to activities")
        return self


def _has_empty(part: dict[str, Any]) -> bool:
    return any(
        value is None
        or value == ""
        or value == {}
        or (isinstance(value, dict) and key != "extensions" and _has_empty(value))
        for key, value in part.items()
    )
