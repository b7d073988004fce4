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

_BASES = {"hms": "hourangle", "dms": "deg"}


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
    if probe[0] != 1 and is_sexagesimal(table[column]):
        first = next(cell for cell in table[column] if isinstance(cell, str))
        raise CatalogueError(
            f"{what}, {len(table):,} rows: column {column} is stated to be in '{unit[:40]}', which is of decimal "
            f"numbers, and holds sexagesimal texts (the first is {first[:40]!r}); say so as "
            "units: {ra: hms, dec: dms} of the catalogue in the run file"
        )
    table.attrs.setdefault("units", {})[column] = "deg"
    if probe[0] == 1:
        return table[column]
    return numbers(table[column]) * probe[0]


def is_sexagesimal(cells: pd.Series) -> bool:
    """Whether a column of texts holds sexagesimal numbers and none that is decimal."""
    if pd.api.types.is_numeric_dtype(cells) or np.isfinite(numbers(cells)).any():
        return False
    return bool(np.isfinite(sexagesimal.degrees(cells.tolist(), "dms")).any())


def agreed(table: pd.DataFrame, column: str, given: str, what: str) -> None:
    """Have a column read in the unit that the run file gives; the file may state none, or the same.

    Raises
    ------
    CatalogueError
        The file states another unit of an angle.
    """
    own = table.attrs.get("own_units", {}).get(column) or stated(table, column)
    theirs, ours = (units.degrees(np.ones(1), _BASES.get(sexagesimal.kind_of(unit), unit)) for unit in (own, given))
    if own and theirs is not None and not np.isclose(theirs[0], ours[0]):
        raise CatalogueError(
            f"{what}, {len(table):,} rows: the file states column {column} in '{own[:40]}', and `units` of the run "
            f"file says {given}; expected one of them: leave it out of `units`, or correct the file"
        )
    if not own or (sexagesimal.kind_of(given) and not pd.api.types.is_numeric_dtype(table[column])):
        table.attrs.setdefault("units", {})[column] = given


def numbers(cells: pd.Series) -> pd.Series:
    """Cells as floats; NaN where one is blank or no number."""
    return pd.Series(pd.to_numeric(cells, errors="coerce").to_numpy("f8", na_value=np.nan), index=cells.index)
