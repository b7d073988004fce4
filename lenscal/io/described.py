"""Tables for others: FITS and Parquet with a unit and a meaning for every column."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd

from lenscal.errors import InputError


def check(table: pd.DataFrame, dictionary: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Unit and description of each column of a table.

    Parameters
    ----------
    table : DataFrame
    dictionary : DataFrame
        column, unit, description.

    Raises
    ------
    InputError
        A column is not described, described twice, or described and not there.
    """
    names = [str(name) for name in table]
    rows = dictionary[["column", "unit", "description"]].astype(str).itertuples(index=False)
    found = {name: (unit, text) for name, unit, text in rows}
    bare = [name for name in names if not found.get(name, ("", ""))[1]]
    lost = [name for name in found if name not in names]
    if bare or lost or len(found) != len(dictionary):
        raise InputError(
            f"table: {len(dictionary)} descriptions of {len(names)} columns; without one: {', '.join(bare) or 'none'}; "
            f"described and not there: {', '.join(lost) or 'none'}; describe each column once"
        )
    return {name: found[name] for name in names}


def dictionary_csv(tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> bytes:
    """The data dictionary of some tables as CSV: file, column, type, unit, description."""
    rows = [
        {"file": file, "column": name, "type": _type(table[name]), "unit": unit, "description": text}
        for file, (table, dictionary) in tables.items()
        for name, (unit, text) in check(table, dictionary).items()
    ]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").encode()


def _type(column: pd.Series) -> str:
    return "text" if _is_text(column) else "boolean" if column.dtype.kind == "b" else str(column.dtype)


def _is_text(column: pd.Series) -> bool:
    return column.dtype.kind == "O" or pd.api.types.is_string_dtype(column.dtype)


def parquet(table: pd.DataFrame, dictionary: pd.DataFrame) -> bytes:
    """The table as Parquet; unit and description stand in the metadata of each field."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = check(table, dictionary)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    fields = [one.with_metadata(dict(zip(("unit", "description"), about[one.name]))) for one in arrow.schema]
    sink = io.BytesIO()
    pq.write_table(arrow.cast(pa.schema(fields, metadata=arrow.schema.metadata)), sink, compression="zstd")
    return sink.getvalue()


def fits(table: pd.DataFrame, dictionary: pd.DataFrame, name: str, cards: Mapping[str, tuple[object, str]]) -> bytes:
    """The table as FITS: TUNITn has the unit, as far as the standard knows it, TCOMMn the description.

    Cards go into the primary header.
    """
    from astropy.io import fits as files

    about = check(table, dictionary)
    columns = [_column(files, name, table[name], unit) for name, (unit, _) in about.items()]
    hdu = files.BinTableHDU.from_columns(columns, name=name)
    for number, (unit, said) in enumerate(about.values(), 1):
        text = said + (f" [{unit}]" if _fits_unit(unit) is None or "(" in unit else "")
        hdu.header[f"TCOMM{number}"] = text.encode("ascii", "replace").decode()
    primary = files.PrimaryHDU()
    for key, (value, comment) in cards.items():
        primary.header[key] = (value, comment)
    sink = io.BytesIO()
    files.HDUList([primary, hdu]).writeto(sink, checksum=False)
    return sink.getvalue()


_FITS_UNITS = {"mag(AB)": "mag", "degree^2": "deg2", "degree": "deg", "radian": "rad", "1": "", "": ""}


def _fits_unit(unit: str) -> str | None:
    """A unit as the FITS standard spells it; None where it has no such unit."""
    from astropy import units

    known = _FITS_UNITS.get(unit, unit)
    try:
        return units.Unit(known, format="fits").to_string("fits") or ""
    except ValueError:
        return None


def _column(files, name: str, column: pd.Series, unit: str) -> object:  # noqa: ANN001
    if _is_text(column):
        values = np.array([str(value).encode("ascii", "replace") for value in column.fillna("")], "S")
        return files.Column(name, f"{max(values.dtype.itemsize, 1)}A", array=values)
    kind = {"i8": "K", "i4": "J", "i2": "I", "f8": "D", "f4": "E"}
    code = "L" if column.dtype.kind == "b" else kind.get(f"{column.dtype.kind}{column.dtype.itemsize}")
    if code is None:
        raise InputError(
            f"table: column '{name}' is {column.dtype}, which FITS cannot hold; give it as int64 or float64"
        )
    return files.Column(name, code, unit=_fits_unit(unit) or None, array=column.to_numpy())
