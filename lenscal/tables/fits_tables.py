"""FITS tables, binary and ASCII: any of a file, whole numbers whole under TSCAL and TZERO."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning

from lenscal.tables.plain import Columns, TableError, Values, decoded, masked, plain

Wanted = Callable[[Collection[str]], bool]


def read(path: Path, hdu: str | int | None, wanted: Wanted | None) -> Columns:
    """One table of a file.

    Parameters
    ----------
    path : Path
    hdu : str or int, optional
        Name (EXTNAME, in any case) or number of the HDU, counted from 0 as astropy does; by default the first table
        that is `wanted`, or the first.
    wanted : function of the names of a table's columns, optional

    Raises
    ------
    TableError
        There is no such table, or none at all.
    OSError, ValueError, ...
        As of astropy; `astropy.utils.exceptions.AstropyUserWarning` of a file that is cut short.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*truncated", category=AstropyUserWarning)
        with fits.open(path, memmap=False) as hdus:
            table = _chosen(path, hdus, hdu, wanted)
            if isinstance(table, fits.BinTableHDU):
                return _binary(table)
            found = Table.read(table)  # of ASCII
            values = {name: values for name in found.colnames if (values := plain(found[name])) is not None}
            return Columns(values, {name: str(found[name].unit or "") for name in values})


def _chosen(
    path: Path, hdus: Sequence, hdu: str | int | None, wanted: Wanted | None
) -> fits.BinTableHDU | fits.TableHDU:
    tables = [
        (number, one)
        for number, one in enumerate(hdus)
        if isinstance(one, fits.BinTableHDU | fits.TableHDU) and not isinstance(one, fits.CompImageHDU)
    ]
    if not tables and hdu is None:
        raise TableError(f"'{path}' holds no FITS table: it is another file, or truncated")
    if hdu is None:
        fitting = [one for _, one in tables if wanted is not None and wanted(one.columns.names)]
        return (fitting or [tables[0][1]])[0]
    for number, one in tables:
        if hdu == number or (isinstance(hdu, str) and one.name.lower() == hdu.strip().lower()):
            return one
    what = "extension" if isinstance(hdu, str) else "table in HDU"
    raise TableError(f"'{path}' has no {what} {hdu}; found {[one.name or number for number, one in tables]}")


def _binary(hdu: fits.BinTableHDU) -> Columns:
    columns = hdu.columns
    values = {column.name: found for column in columns if (found := _column(hdu.data, column)) is not None}
    return Columns(values, {column.name: str(column.unit or "") for column in columns if column.name in values})


def _column(data: fits.FITS_rec, column: fits.Column) -> Values | None:
    """Values of one column, masked where its cells are TNULL; None of a vector."""
    if "P" in column.format or "Q" in column.format:
        return None
    raw = data.view(np.ndarray)[column.name]
    if raw.ndim > 1 and raw.shape[1:] == (1,) * (raw.ndim - 1):  # a vector of one, as TDIM can make of a plain text
        raw = raw.reshape(len(raw))
    if raw.ndim > 1:
        return None
    native = raw.astype(raw.dtype.newbyteorder("="))
    if native.dtype.kind in "SU":
        return np.char.strip(np.char.rstrip(decoded(native), "\x00"))
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
