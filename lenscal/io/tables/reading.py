"""Tables of other people: CSV, TSV, ECSV and FITS, with their digits, their blanks and their
units as they were meant.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from lenscal.io import folders, row_counts, units

from .stated_units import CatalogueError, in_degrees, masked
from .text import TEXT, text_table

_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error, fits.VerifyError, AstropyUserWarning)


def read_table(path: str | Path, extension: str | None = None, text: Collection[str] = ()) -> pd.DataFrame:
    """A table from CSV (gzipped or not), TSV, ECSV or FITS.

    Parameters
    ----------
    path : path
    extension : str, optional
        Name of the FITS extension; the first table when not given.
    text : names
        Columns of a text file that hold names, not numbers, in any case of letters: they keep every digit.

    Returns
    -------
    DataFrame
        Native byte order, text stripped, blank where the file says so (a masked cell, TNULL); vector columns of a FITS
        table are left out. Whole numbers stay whole. `attrs["units"]` has the unit that the file states of a column.
        Columns named ra and dec that it states to be in another unit of an angle are in degrees.

    Raises
    ------
    CatalogueError
        When the file cannot be read or lacks the extension, or states a unit for ra or dec that is none of an angle.
    DiskError
        When the disk does not give it.
    """
    path = Path(path)
    if not path.is_file():
        raise CatalogueError(f"catalogue '{path}' does not exist; check its source in the run file")
    name = path.name.removesuffix(".gz").lower()
    fits_like = name.endswith((".fits", ".fit", ".fits.fz"))
    if not fits_like and not name.endswith(TEXT):
        raise CatalogueError(f"catalogue '{path}' is of no known kind; expected .csv, .csv.gz, .tsv, .ecsv or .fits")
    try:
        table = (
            _fits_table(path, extension)
            if fits_like
            else text_table(path, text, "\t" if name.endswith(".tsv") else ",")
        )
    except CatalogueError:
        raise
    except pd.errors.ParserWarning:
        raise CatalogueError(
            f"catalogue '{path}' has rows with more cells than its header has names, so no "
            "column is known; mend its header"
        ) from None
    except _BROKEN as error:
        folders.pass_on(error, path)
        with path.open("rb") as file:
            packed = path.name.endswith(".gz")
            left = (
                row_counts.told(file, packed, extension)
                if fits_like
                else f"{row_counts.lines(file, packed):,} lines can be read"
            )
        reason = " ".join(str(error).split())[:200]
        raise CatalogueError(
            f"catalogue '{path}' cannot be read ({reason}): {left}; it may be truncated: fetch it again"
        ) from None
    for column in [column for column in table.columns if str(column).lower() in ("ra", "dec")]:
        attrs, table[column] = table.attrs, in_degrees(table, column, f"catalogue '{path}'")
        table.attrs = attrs
    return table


def _fits_table(path: Path, extension: str | None) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*truncated", category=AstropyUserWarning)
        with fits.open(path, memmap=False) as hdus:
            tables = [h for h in hdus if isinstance(h, fits.BinTableHDU) and not isinstance(h, fits.CompImageHDU)]
            if extension is not None:
                found = [h.name for h in tables]
                tables = [h for h in tables if h.name == extension]
                if not tables:
                    raise CatalogueError(f"'{path}' has no extension {extension}; found {found}")
            if not tables:
                raise CatalogueError(f"'{path}' holds no FITS table: it is another file, or truncated")
            columns = tables[0].columns
            out = {column.name: values for column in columns if (values := _column(tables[0].data, column)) is not None}
            stated = {
                column.name: units.stated(column.unit)
                for column in columns
                if column.name in out and units.stated(column.unit)
            }
    table = pd.DataFrame(out)
    table.attrs["units"] = stated
    return table


def _column(data: fits.FITS_rec, column: fits.Column) -> np.ndarray | pd.api.extensions.ExtensionArray | None:
    """Values of one column, masked where its cells are TNULL; None of a vector. Whole numbers stay
    whole under TSCAL and TZERO.
    """
    if "P" in column.format or "Q" in column.format:
        return None
    raw = data.view(np.ndarray)[column.name]
    if raw.ndim > 1 and raw.shape[1:] == (1,) * (raw.ndim - 1):  # a vector of one, as TDIM can make of a plain text
        raw = raw.reshape(len(raw))
    if raw.ndim > 1:
        return None
    native = raw.astype(raw.dtype.newbyteorder("="))
    if native.dtype.kind in "SU":
        return np.char.strip(np.char.rstrip(_decoded(native), "\x00"))
    if column.format.endswith("L"):
        return native == ord("T")
    scale, zero = column.bscale or 1, column.bzero or 0
    values: np.ndarray = native
    if (scale, zero) != (1, 0):
        whole = native.dtype.kind in "iu" and float(scale).is_integer() and float(zero).is_integer()
        values = _scaled(native, int(scale), int(zero)) if whole else native * float(scale) + float(zero)
    if column.null is None or native.dtype.kind not in "iu":
        return values
    blank = native == int(column.null)
    if not blank.any():
        return values
    if values.dtype.kind == "f":
        return np.where(blank, np.nan, values)
    return masked(values, blank)


def _scaled(values: np.ndarray, scale: int, zero: int) -> np.ndarray:
    """Whole numbers times a whole number plus another, with all their digits."""
    if not values.size:
        return values.astype(np.int64)
    ends = [int(v) * scale + zero for v in (values.min(), values.max())]
    if (
        min(ends) >= np.iinfo(np.int64).min
        and max(ends) <= np.iinfo(np.int64).max
        and abs(zero) <= np.iinfo(np.int64).max
    ):
        return values.astype(np.int64) * scale + zero
    if min(ends) >= 0 and max(ends) <= np.iinfo(np.uint64).max:
        return (values.astype(object) * scale + zero).astype(np.uint64)
    return values * float(scale) + float(zero)


def _decoded(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "U":
        return values
    try:
        return values.astype("U")
    except UnicodeDecodeError:
        return np.char.decode(values, "latin-1")
