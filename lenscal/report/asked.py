"""What of the inputs a figure was drawn from: where none of it is another, the figure is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lenscal.config import Section

UNKNOWN = ""
"""Digest of what has none: nothing equals it."""
_THERE = "a mapping"


class Rendered:
    """Images (band, y, x) that are made when the first of their kind is looked at.

    Parameters
    ----------
    make : callable
        Gives the images (n, band, y, x) of some rows, from their numbers.
    kinds : Series
        Of each image.
    source : str
        Digest of all that the images depend on.
    """

    def __init__(self, make: Callable[[np.ndarray], np.ndarray], kinds: pd.Series, source: str) -> None:
        self.source, self._make = source, make
        self._kinds = kinds.astype(str).to_numpy(object)
        self._made: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._kinds)

    def __getitem__(self, row: int) -> np.ndarray:
        if row not in self._made:
            rows = np.flatnonzero(self._kinds == self._kinds[row])
            self._made |= zip(rows.tolist(), self._make(rows))
        return self._made[row]


class Digests:
    """Digests of parts of some inputs by their names, such as ``"manifest"``, ``"realism/probe"`` or
    ``"settings.scores.interval"``; each is made once.
    """

    def __init__(self, inputs: object) -> None:
        self._inputs, self._known = inputs, {}

    def __getitem__(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = digest(self._part(name))
        return self._known[name]

    def same(self, asked: Mapping[str, str]) -> bool:
        """Whether all that was asked for is there as it was."""
        return all(found != UNKNOWN and self[name] == found for name, found in asked.items())

    def _part(self, name: str) -> object:
        field, _, key = name.partition("/")
        if key:
            mapping = getattr(self._inputs, field)
            return mapping.get(key) if _has_keys(mapping) else None
        value: object = self._inputs
        for part in name.split("."):
            value = getattr(value, part)
        return value


def _has_keys(value: object) -> bool:
    """Whether it is a mapping whose keys are noted one by one; a Dataset is noted as one."""
    return isinstance(value, Mapping) and not isinstance(value, xr.Dataset)


def digest(value: object) -> str:
    """Of a table, Dataset, array, section, number or text; `UNKNOWN` of anything else. A mapping is there or not."""
    total = hashlib.blake2b(digest_size=16)
    if isinstance(value, Rendered):
        return value.source
    if _has_keys(value):
        return _THERE
    if isinstance(value, Section):
        total.update(value.model_dump_json().encode())
    elif isinstance(value, pd.DataFrame):
        for name, column in value.items():
            total.update(f"{name}\0".encode())
            _add(total, column.to_numpy())
    elif isinstance(value, xr.Dataset):
        total.update(repr(sorted(value.attrs.items())).encode())
        for name in sorted(map(str, value.variables)):
            array = value.variables[name]
            total.update(f"{name} {array.dims}\0".encode())
            _add(total, array.values)
    elif isinstance(value, np.ndarray):
        _add(total, value)
    elif isinstance(value, (bool, int, float, str, tuple, list)) or value is None:
        total.update(repr(value).encode())
    else:
        return UNKNOWN
    return total.hexdigest()


def _add(total: Any, values: np.ndarray) -> None:
    total.update(f"{values.dtype.str} {values.shape}\0".encode())
    if values.dtype.kind in "OUT":
        total.update("\0".join(map(repr, values.astype(object).ravel())).encode())
    else:
        total.update(np.ascontiguousarray(values).tobytes())


class Asked:
    """Inputs that note what is asked of them, with its digest.

    A mapping is noted key by key, settings setting by setting.
    """

    def __init__(self, inputs: object, digests: Digests) -> None:
        self._inputs, self._digests = inputs, digests
        self.noted: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._inputs, name)
        if isinstance(value, Section):
            return _Settings(value, name, self._note)
        self._note(name)
        return _Keys(value, name, self._note) if _has_keys(value) else value

    def _note(self, name: str) -> None:
        self.noted[name] = self._digests[name]


class _Settings:
    def __init__(self, section: Section, name: str, note: Callable[[str], None]) -> None:
        self._section, self._name, self._note = section, name, note

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._section, name)
        if name not in type(self._section).model_fields:  # made of who knows which settings
            self._note(self._name)
        elif isinstance(value, Section):
            return _Settings(value, f"{self._name}.{name}", self._note)
        else:
            self._note(f"{self._name}.{name}")
        return value


class _Keys(Mapping):
    def __init__(self, mapping: Mapping, name: str, note: Callable[[str], None]) -> None:
        self._mapping, self._name, self._note = mapping, name, note

    def __getitem__(self, key: str) -> Any:
        self._note(f"{self._name}/{key}")
        return self._mapping[key]

    def __iter__(self) -> Iterator[str]:
        for key in self._mapping:
            self._note(f"{self._name}/{key}")
            yield key

    def __len__(self) -> int:
        return len(self._mapping)


def plain(plan: Callable) -> str:
    """The name of a function with its arguments, as text."""
    function, given = getattr(plan, "func", plan), getattr(plan, "keywords", {})
    return f"{function.__module__}.{function.__qualname__} {sorted(given.items())}"
