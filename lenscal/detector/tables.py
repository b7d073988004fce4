"""Small tables that come with a detector: Parquet, CSV, ECSV, FITS or VOTable, columns as plain arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lenscal.errors import InputError

SUFFIXES = (".parquet", ".csv", ".ecsv", ".fits", ".fit", ".fits.gz", ".vot", ".xml")
_FORMATS = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".vot": "votable", ".xml": "votable"}


def is_table(path: Path) -> bool:
    """Whether a file is a table, by its name."""
    return path.name.lower().endswith(SUFFIXES)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Columns of a table by lower-case name; masked floats are NaN, masked whole numbers are refused.

    Raises
    ------
    InputError
        It is missing or no table, or two columns differ in case alone.
    """
    if not path.is_file():
        raise InputError(f"detector: table '{path}' is missing; expected one of {', '.join(SUFFIXES)}")
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            import pyarrow.parquet as pq

            read = pq.read_table(path)
            columns = {one: read.column(one).to_pandas().to_numpy() for one in read.column_names}
        else:
            from astropy.table import Table

            suffix = next((s for s in _FORMATS if name.endswith(s)), "")
            table = Table.read(path, **({"format": _FORMATS[suffix]} if suffix else {}))
            columns = {one: _plain(table[one], one, path) for one in table.colnames}
    except InputError:
        raise
    except Exception as error:  # every format raises its own
        raise InputError(
            f"detector: '{path}' cannot be read as a table ({type(error).__name__}: {str(error)[:200]})"
        ) from error
    lower: dict[str, np.ndarray] = {}
    for one, values in columns.items():
        if one.lower() in lower:
            raise InputError(f"detector: '{path}' has two columns '{one.lower()}'; keep one")
        lower[one.lower()] = values
    return lower


def _plain(column: object, name: str, path: Path) -> np.ndarray:
    values = np.ma.asarray(column)
    if values.dtype.kind == "f":
        return np.asarray(values.filled(np.nan)).astype(values.dtype.newbyteorder("="))
    if np.ma.getmaskarray(values).any():
        raise InputError(
            f"detector: column '{name}' of '{path.name}' has {int(np.ma.getmaskarray(values).sum())} "
            "missing values; expected all"
        )
    plain = np.asarray(values)
    return plain.astype(plain.dtype.newbyteorder("=")) if plain.dtype.kind in "iu" else plain
