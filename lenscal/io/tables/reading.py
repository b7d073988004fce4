"""Tables of other people: CSV, TSV, ECSV, FITS, VOTable and Parquet, with their digits, their blanks and their
units as they were meant.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from lenscal.io import folders, row_counts
from lenscal.tables import SUFFIXES, TableError, columns_of, is_packed, kind_of

from .frames import framed
from .sexagesimal import kind_of as kind_of_angle
from .stated_units import CatalogueError, in_degrees, is_sexagesimal, stated
from .text import text_table

_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error, fits.VerifyError, AstropyUserWarning)


def read_table(
    path: str | Path,
    hdu: str | int | None = None,
    text: Collection[str] = (),
    wanted: Callable[[Collection[str]], bool] | None = None,
) -> pd.DataFrame:
    """A table from CSV, TSV, ECSV, FITS (binary or ASCII), VOTable or Parquet, in any case of letters, gzipped or not.

    Parameters
    ----------
    path : path
    hdu : str or int, optional
        HDU of a FITS file, or table of a VOTable, by name or number; when not given the first that is `wanted`, else
        the first.
    text : names
        Columns of a text file that hold names, not numbers, in any case of letters: they keep every digit.
    wanted : function of the names of columns, optional
        Whether a table of several has what is sought.

    Returns
    -------
    DataFrame
        Native byte order, text stripped, blank where the file says so (a masked cell, TNULL); columns of vectors are
        left out, those of vectors of one are not. Whole numbers stay whole. `attrs["units"]` has the unit that the file
        states of a column. Columns named ra and dec that it states to be in another unit of an angle are in degrees.

    Raises
    ------
    CatalogueError
        When the file cannot be read or lacks the HDU, or states a unit for ra or dec that is none of an angle.
    DiskError
        When the disk does not give it.
    """
    path = Path(path)
    if not path.is_file():
        raise CatalogueError(f"catalogue '{path}' is missing: it does not exist; check its source in the run file")
    kind = kind_of(path.name)
    if kind is None:
        raise CatalogueError(
            f"catalogue '{path}' is of no known kind; expected {', '.join(SUFFIXES)} (each may be gzipped)"
        )
    try:
        table = (
            text_table(path, text, "\t" if kind == "tsv" else ",")
            if kind in ("csv", "tsv")
            else framed(columns_of(path, hdu, wanted))
        )
    except CatalogueError:
        raise
    except TableError as error:
        raise CatalogueError(str(error)) from None
    except pd.errors.ParserWarning:
        raise CatalogueError(
            f"catalogue '{path}' has rows with more cells than its header has names, so no "
            "column is known; mend its header"
        ) from None
    except _BROKEN as error:
        folders.pass_on(error, path)
        reason = " ".join(str(error).split())[:200]
        raise CatalogueError(
            f"catalogue '{path}' cannot be read ({reason}): {_left(path, kind, hdu)}; it may be truncated: fetch it "
            "again"
        ) from None
    for column in [column for column in table.columns if str(column).lower() in ("ra", "dec")]:
        table.attrs.setdefault("own_units", {})[column] = stated(table, column)
        if not is_sexagesimal(table[column]) or kind_of_angle(stated(table, column)):
            attrs, table[column] = table.attrs, in_degrees(table, column, f"catalogue '{path}'")
            table.attrs = attrs
    return table


def _left(path: Path, kind: str, hdu: str | int | None) -> str:
    """What of a damaged file can be read, in words."""
    packed = is_packed(path.name)
    with path.open("rb") as file:
        if kind == "fits":
            return row_counts.told(file, packed, hdu if isinstance(hdu, str) else None)
        if kind == "parquet":
            return "its footer says where its rows are, and no row can be found without it"
        return f"{row_counts.lines(file, packed):,} lines can be read"
