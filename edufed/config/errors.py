"""Settings errors, each one line that names the key and what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo


class SettingsError(Exception):
    """A setting is unknown, missing, of a wrong type, or impossible beside another."""


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values do not change once checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _allowed_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys that the settings model has at `location`, following nested models and unions."""
    current: list[type[BaseModel]] = [model]
    for step in location:
        nested: list[type[BaseModel]] = []
        for candidate in current:
            if candidate.__name__ == step or step in _tags(candidate):
                nested.append(candidate)
                continue
            field = candidate.model_fields.get(str(step))
            if field is None:
                continue
            queue: list[Any] = [field.annotation]
            while queue:
                kind = queue.pop()
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    nested.append(kind)
                else:
                    queue.extend(get_args(kind))
        current = nested or current
    return sorted({key for candidate in current for key in candidate.model_fields})


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """Values of the literal that tells a variant from the others: its `name` or `by`."""
    field = model.model_fields.get("name") or model.model_fields.get("by")
    return get_args(field.annotation) if field is not None else ()


def unknown_key(
    model: type[BaseModel], location: tuple[int | str, ...], key: str, path: str = ""
) -> str:
    """Say in one line that `key` is not known at `location`, and what is."""
    keys = _allowed_keys(model, location)
    near = get_close_matches(key, keys, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(keys)}"
    shown = path or ".".join([*map(str, location), key])
    return f"unknown setting {shown!r}; {hint}"


def one_line(error: ValidationError, model: type[BaseModel], where: str = "") -> str:
    """Say the first problem of `error` in one line, and how many more there are.

    Parameters
    ----------
    error : pydantic.ValidationError
    model : type
        The settings model that was being checked; its keys are offered as remedies.
    where : str
        Put in front, such as the file that holds the settings.
    """
    first, *more = error.errors(include_url=False)
    location = tuple(first["loc"])
    # A discriminated union puts the chosen variant's tag into the location: not part of the key.
    tags = _variant_tags(model)
    path = ".".join(str(step) for step in location if step not in tags)
    kind = first["type"]
    if kind == "extra_forbidden":
        text = unknown_key(model, location[:-1], str(location[-1]), path)
    elif kind == "missing":
        text = f"setting {path!r} is required"
    elif kind == "value_error":
        text = f"{path}: {first['ctx']['error']}" if path else str(first["ctx"]["error"])
    else:
        text = f"{path}: {first['msg']} (got {first['input']!r})"
    suffix = f" (and {len(more)} more)" if more else ""
    return f"{where}: {text}{suffix}" if where else f"{text}{suffix}"


def _variant_tags(model: type[BaseModel]) -> set[Any]:
    """Tags of the variants of every discriminated union in `model`, at any depth."""
    tags: set[Any] = set()
    queue: list[tuple[Any, bool]] = [(field.annotation, False) for field in _fields(model)]
    while queue:
        kind, in_union = queue.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if in_union:
                tags.update(_tags(kind))
            queue.extend((field.annotation, False) for field in _fields(kind))
        else:
            parts = [part for part in get_args(kind) if part is not type(None)]
            queue.extend((part, len(parts) > 1) for part in parts)
    return tags


def _fields(model: type[BaseModel]) -> list[FieldInfo]:
    return list(model.model_fields.values())
