"""One table of a file, by its kind."""

from __future__ import annotations

import gzip
import io
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from lenscal.tables import fits_tables
from lenscal.tables.fits_tables import Wanted
from lenscal.tables.kinds import SUFFIXES, is_packed, kind_of
from lenscal.tables.places import places_apart
from lenscal.tables.plain import Columns, TableError, plain


def columns_of(path: Path, hdu: str | int | None = None, wanted: Wanted | None = None) -> Columns:
    """Columns of a table.

    Parameters
    ----------
    path : Path
        FITS, VOTable, ECSV, CSV, TSV or Parquet, in any case of letters, gzipped or not.
    hdu : str or int, optional
        Of a FITS file the HDU, of a VOTable the table, by name or number; by default the first `wanted` one.
    wanted : function of the names of a table's columns, optional
        Whether a table is the one that is meant.

    Returns
    -------
    Columns
        Native byte order, texts stripped, blanks None, NaN or NA; whole numbers whole. Columns whose cells hold several
        values are left out, those of vectors of one are not.

    Raises
    ------
    TableError
        It is of no known kind, or has no such table.
    Exception
        Whatever the reader of its format raises of a file that is damaged.
    """
    kind = kind_of(path.name)
    if kind is None:
        raise TableError(f"'{path}' is of no known kind; expected {', '.join(SUFFIXES)} (each may be gzipped)")
    if kind == "fits":
        return fits_tables.read(path, hdu, wanted)
    if kind == "parquet":
        return _parquet(path)
    return _of_astropy(_votable(path, hdu, wanted) if kind == "votable" else _text(path, kind))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if is_packed(path.name) else content


def _text(path: Path, kind: str) -> Any:
    from astropy.table import Table

    text = _content(path).decode("utf-8-sig")
    if kind == "ecsv" or text.startswith("# %ECSV"):
        return _ecsv(text)
    # A text without a line break would be taken for the name of a file.
    return Table.read([*text.splitlines(), ""], format="ascii.csv" if kind == "csv" else "ascii.tab", comment="#")


def ecsv(text: str) -> Columns:
    """Columns of a text in astropy's enhanced CSV."""
    return _of_astropy(_ecsv(text))


def _ecsv(text: str) -> Any:
    from astropy.table import Table

    return Table.read(text, format="ascii.ecsv")


def _votable(path: Path, hdu: str | int | None, wanted: Wanted | None) -> Any:
    from astropy.io.votable import exceptions, parse

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.VOWarning)  # files of archives rarely keep to the letter
        try:
            tables = list(parse(io.BytesIO(_content(path)), verify="ignore").iter_tables())
        except SyntaxError as error:  # what astropy raises of a file that keeps to no letter at all
            raise ValueError(str(error)) from error
        if not tables:
            raise TableError(f"'{path}' holds no table")
        named = [table.name or table.ID or number for number, table in enumerate(tables)]
        if hdu is None:
            fits_ = [one for one in tables if wanted is not None and wanted([field.name for field in one.fields])]
            chosen = (fits_ or tables)[0]
        else:
            found = [one for number, (name, one) in enumerate(zip(named, tables)) if hdu in (name, number, one.ID)]
            if not found:
                raise TableError(f"'{path}' has no table {hdu}; found {named}")
            chosen = found[0]
        return chosen.to_table(use_names_over_ids=True)


def _of_astropy(table: Any) -> Columns:
    table = places_apart(table)
    values = {name: found for name in table.colnames if (found := plain(table[name])) is not None}
    return Columns(values, {name: str(getattr(table[name], "unit", None) or "") for name in values})


def _parquet(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = io.BytesIO(_content(path)) if is_packed(path.name) else path
    table = pq.read_table(source)
    if b"table_meta_yaml" in (table.schema.metadata or {}):  # by astropy, which keeps blanks in columns of their own
        from astropy.table import Table

        return _of_astropy(Table.read(source, format="parquet"))
    values: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns):
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
            flat = _vector_of_one(column)
            if flat is None:
                continue
            column = flat
        if pa.types.is_integer(column.type) and column.null_count:
            kind = pd.UInt64Dtype() if pa.types.is_unsigned_integer(column.type) else pd.Int64Dtype()
            values[name] = pd.array(column.to_pylist(), dtype=kind)
        else:
            found = column.to_pandas()
            values[name] = found.to_numpy() if found.dtype.kind in "iufb" else found.astype(object)
    stated = [(field.name, (field.metadata or {}).get(b"unit", b"")) for field in table.schema]
    units = {name: unit.decode() for name, unit in stated if unit}
    return Columns(values, units)


def _vector_of_one(column: Any) -> Any:
    """A column of lists as what they hold, where each holds one value or nothing; None of another."""
    import pyarrow as pa

    cells = column.to_pylist()
    if any(cell is not None and len(cell) != 1 for cell in cells):
        return None
    return pa.chunked_array([pa.array([None if cell is None else cell[0] for cell in cells], column.type.value_type)])
