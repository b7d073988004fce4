"""Units that a table states, and its numbers as they were meant."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from lenscal.errors import LenscalError
from lenscal.io import units

from . import sexagesimal

_IN_NAME = re.compile(
    r"[\[(]\s*([^\])]+?)\s*[\])]\s*$|_(rad|radians?|hours?|hr|hourangle|deg|degrees?)$", re.IGNORECASE
)


class CatalogueError(LenscalError, ValueError):
    """An outside catalogue that cannot be used; the message names it."""


def stated(table: pd.DataFrame, column: str) -> str:
    """The unit of a column: what its file states, else what stands in its name, as in ``RA [deg]`` or
    ``dec_rad``; empty without one.
    """
    if found := table.attrs.get("units", {}).get(column, ""):
        return found
    named = _IN_NAME.search(str(column))
    return next(filter(None, named.groups())) if named else ""


def in_degrees(table: pd.DataFrame, column: str, what: str) -> pd.Series:
    """A column of angles in degrees, by its unit; the unit is then degrees in `attrs` too.

    Raises
    ------
    CatalogueError
        The unit is none of an angle.
    """
    unit = stated(table, column)
    if not unit:
        return table[column]
    if (kind := sexagesimal.kind_of(unit)) and not pd.api.types.is_numeric_dtype(table[column]):
        table.attrs.setdefault("units", {})[column] = "deg"
        return pd.Series(sexagesimal.degrees(table[column].tolist(), kind), index=table.index)
    probe = units.degrees(np.ones(1), unit)
    if probe is None:
        raise CatalogueError(
            f"{what}, {len(table):,} rows: column {column} is in '{unit[:40]}', expected an angle in decimal numbers "
            "(deg, hourangle, rad), or in sexagesimal ones (hms, dms): convert it to degrees, or state its unit "
            "(`units` of the catalogue in the run file)"
        )
    table.attrs.setdefault("units", {})[column] = "deg"
    if probe[0] == 1:
        return table[column]
    return numbers(table[column]) * probe[0]


def numbers(cells: pd.Series) -> pd.Series:
    """Cells as floats; NaN where one is blank or no number."""
    return pd.Series(pd.to_numeric(cells, errors="coerce").to_numpy("f8", na_value=np.nan), index=cells.index)
