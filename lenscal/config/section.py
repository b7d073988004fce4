"""What the settings of every stage have in common."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationInfo,
    field_validator,
)

from lenscal.errors import InputError


class Placement:
    """Marks a key that says where something lies or how it is fetched.

    A product depends on what is found there, which its stage names among its inputs, and not on the key: a project that
    is moved or copied is the same project.
    """


class Section(BaseModel):
    """Settings of one stage; unknown keys are refused, and so are numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: ValidationInfo) -> Any:
        """Values that YAML takes for another kind than was meant: yes and no are no numbers, a
        text holds no zero byte.
        """
        annotation = cls.model_fields[info.field_name].annotation
        items = [] if _mentions(annotation, Section) else _items(value)  # a section looks at itself
        if any(isinstance(item, bool) for item in items) and not _mentions(annotation, bool):
            raise InputError("true and false are no value of it; write a number or a text (in quotes)")
        if any(isinstance(item, str) and "\0" in item for item in items):
            raise InputError("holds a zero byte, which no name or path has")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _sets_and_ranges(cls, value: Any, info: ValidationInfo) -> Any:
        """Lists of settings name things, each once; pairs of floats are ranges, which grow."""
        plain = isinstance(value, list) and not any(isinstance(item, Section) for item in value)
        if twice := [item for i, item in enumerate(value) if item in value[:i]] if plain else []:
            raise InputError(f"names {twice[0]!r} twice; name each once")
        if _is_range(cls.model_fields[info.field_name].annotation) and value is not None and value[0] > value[1]:
            raise InputError(f"runs from {value[0]:g} to {value[1]:g}; expected the lower end first")
        return value

    def content(self) -> dict:
        """What a product depends on: every key but those that are placements, as JSON has it."""
        names = [
            name
            for name, info in type(self).model_fields.items()
            if not any(isinstance(mark, Placement) for mark in info.metadata)
        ]
        plain = self.model_dump(mode="json", include={*names})
        return {name: _content(getattr(self, name), plain[name]) for name in names}


def _items(value: object) -> list:
    """A value, or all that a list or mapping holds."""
    if isinstance(value, dict):
        value = list(value.values())
    return [item for part in value for item in _items(part)] if isinstance(value, (list, tuple)) else [value]


def _mentions(annotation: object, kind: type) -> bool:
    """Whether a type is, or is made of, some kind."""
    return (isinstance(annotation, type) and issubclass(annotation, kind)) or any(
        _mentions(part, kind) for part in get_args(annotation)
    )


def _is_range(annotation: object) -> bool:
    return get_args(annotation) == (float, float) or any(_is_range(part) for part in get_args(annotation))


def _content(value: object, plain: object) -> object:
    if isinstance(value, Section):
        return value.content()
    if isinstance(value, (list, tuple)) and any(isinstance(item, Section) for item in value):
        return [_content(item, other) for item, other in zip(value, plain)]
    return plain
