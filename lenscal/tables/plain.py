"""Columns of a table as plain arrays: native numbers, stripped texts, blank where the file says so."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lenscal.errors import LenscalError

Values = np.ndarray | pd.Series | pd.api.extensions.ExtensionArray


class TableError(LenscalError, ValueError):
    """A table that does not hold what is asked of it."""


@dataclass(frozen=True)
class Columns:
    """Columns of one table, by name, and the units that the file states, as they stand."""

    values: dict[str, Values]
    units: dict[str, str] = field(default_factory=dict)


def masked(values: np.ndarray, blank: np.ndarray) -> pd.api.extensions.ExtensionArray:
    """Whole numbers with blanks, all digits kept."""
    out = pd.array(values, dtype="UInt64" if values.dtype == np.uint64 else "Int64")
    out[blank] = pd.NA
    return out


def plain(column: object) -> Values | None:
    """One column as it comes from astropy; None of one whose cells hold several values."""
    array = np.ma.asarray(column)
    if array.ndim > 1 and array.shape[1:] == (1,) * (array.ndim - 1):  # a vector of one
        array = array.reshape(len(array))
    if array.ndim != 1:
        return None
    blank, values = np.ma.getmaskarray(array), np.ma.getdata(array)
    if values.dtype.kind == "O":
        return _of_objects(values, blank)
    values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind in "SU":
        texts = np.char.strip(decoded(values))
        return pd.Series(texts.astype(object)).where(~blank, None) if blank.any() else texts
    if not blank.any():
        return values
    if values.dtype.kind in "iu":
        return masked(values, blank)
    if values.dtype.kind == "b":
        return pd.array(np.where(blank, None, values.astype(object)), dtype="boolean")
    return np.where(blank, np.nan, values)


def decoded(values: np.ndarray) -> np.ndarray:
    """Bytes as texts: UTF-8 or, where they are none, Latin 1."""
    if values.dtype.kind == "U":
        return values
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError:
        return np.char.decode(values, "latin-1")


def _of_objects(values: np.ndarray, blank: np.ndarray) -> Values | None:
    """Cells of a VOTable whose length varies: texts, or vectors of one."""
    cells = [None if gone else _cell(cell) for cell, gone in zip(values, blank)]
    if any(isinstance(cell, np.ndarray) for cell in cells):
        return None
    if all(cell is None or isinstance(cell, (int, np.integer)) for cell in cells) and any(c is not None for c in cells):
        return pd.array(cells, dtype="Int64")
    return pd.Series(cells, dtype=object)


def _cell(cell: object) -> object:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace").strip()
    if isinstance(cell, str):
        return cell.strip()
    array = np.ma.asarray(cell)
    if array.size == 1:
        return None if np.ma.getmaskarray(array).any() else np.ma.getdata(array).reshape(-1)[0].item()
    return np.ma.getdata(array) if array.ndim else cell
