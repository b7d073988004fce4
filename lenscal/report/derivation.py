"""Numbers of the page derived from the stores, and derived again from what they are called."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np
import pandas as pd

from lenscal.report import summaries
from lenscal.report.inputs import Inputs

from .formats import Value, form_of, show, unit_of


@dataclass(frozen=True)
class Number:
    """One number (or text cell) of the page. `id` is the query with its arguments, as in
    ``rows?pool=N1&table=manifest``.
    """

    id: str
    value: Value
    unit: str
    shown: str
    query: str
    store: str


@dataclass(frozen=True)
class _Query:
    derive: Callable[..., Value]
    unit: str
    form: str
    store: str


QUERIES: dict[str, _Query] = {}


def query(unit: str, form: str, store: str) -> Callable:
    """Register a function of (Derivation, text arguments) as a query."""

    def register(derive: Callable[..., Value]) -> Callable:
        QUERIES[derive.__name__] = _Query(derive, unit, form, store)
        return derive

    return register


class Derivation:
    """Numbers derived from one set of inputs; tables are made once."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self._tables: dict[str, pd.DataFrame | None] = {}

    def table(self, name: str) -> pd.DataFrame | None:
        """A table of `summaries`, None where the run has none."""
        if name not in summaries.SUMMARIES:
            raise KeyError(f"no table '{name}'; there are {', '.join(summaries.SUMMARIES)}")
        if name not in self._tables:
            self._tables[name] = summaries.SUMMARIES[name].make(self.inputs)
        return self._tables[name]

    def number(self, id: str) -> Number:
        """The number of this id, derived now.

        Raises
        ------
        KeyError
            When the id names no query, or what it asks for is not there.
        """
        name, _, arguments = id.partition("?")
        if name not in QUERIES:
            raise KeyError(f"no query '{name}'; there are {', '.join(QUERIES)}")
        kind = QUERIES[name]
        given = dict(parse_qsl(arguments, keep_blank_values=True))
        value = _plain(kind.derive(self, **given))
        unit, form, store = kind.unit, kind.form, kind.store
        if name == "cell":
            column = given["column"]
            unit, form = unit_of(column), form_of(column, value)
            store = summaries.SUMMARIES[given["table"]].stores
            if given["table"] == "trials" and column in ("p10", "p50", "p90"):
                unit = str(self.table("trials")["unit"].iloc[int(given["row"])])
        if name == "rows":
            store = given["table"]
        if name == "setting":
            unit = next((u for end, u in (("_arcsec", "arcsec"), ("_px", "pixel")) if given["key"].endswith(end)), "1")
        if name == "cube" and given["what"].startswith("n_"):
            form = "count"
        return Number(id, value, unit, show(value, form), name, store)


def identify(name: str, arguments: Mapping[str, object]) -> str:
    """The id of a query with its arguments."""
    return (
        f"{name}?{urlencode(sorted((k, str(v)) for k, v in arguments.items()), quote_via=quote)}" if arguments else name
    )


def recompute(inputs: Inputs, id: str) -> Value:
    """Value of one number, derived from the inputs again.

    Raises
    ------
    KeyError
        When the id names no query, or what it asks for is not there.
    """
    return Derivation(inputs).number(id).value


def verify(inputs: Inputs, numbers: Sequence[Mapping[str, Any]]) -> list[tuple[str, Value, Value, bool]]:
    """Each number of a report beside what the stores say now.

    Parameters
    ----------
    inputs : Inputs
        Opened afresh from the stores.
    numbers : sequence of mapping
        As in `numbers.json`.

    Returns
    -------
    list of (id, stored, recomputed, ok)
        ok when value, unit and printed form agree (values to 1e-9, NaN is stored as null); recomputed is None, and ok
        False, when the id cannot be derived.
    """
    derivation = Derivation(inputs.check())
    out = []
    for stored in numbers:
        id, value = str(stored.get("id", "")), stored.get("value")
        try:
            again = derivation.number(id)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            out.append((id, value, None, False))
            continue
        good = all(stored.get(k) == getattr(again, k) for k in ("unit", "shown", "query", "store")) and _same(
            value, again.value
        )
        out.append((id, value, again.value, good))
    return out


def _same(a: Value, b: Value) -> bool:
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return a == b and type(a) is type(b)
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=0.0)


def _plain(value: object) -> Value:
    """A Python value that JSON keeps: NaN and missing become None."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else (None if math.isnan(value) else str(value))
    return str(value)
