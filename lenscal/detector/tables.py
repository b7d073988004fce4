"""Small tables that come with a detector: FITS, CSV, ECSV, VOTable or Parquet, columns as plain arrays."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from lenscal import tables
from lenscal.errors import InputError


def is_table(path: Path) -> bool:
    """Whether a file is a table, by its name; a text that says nothing of its columns (.txt) is none."""
    return tables.kind_of(path.name) is not None and ".txt" not in path.name.lower()


def read_table(path: Path, sought: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Columns of a table by lower-case name; blank floats are NaN, whole numbers keep all digits.

    Parameters
    ----------
    path : Path
    sought : names, in lower case
        Of several tables in a file, the first with all these columns is taken; blanks among their whole numbers are
        refused.

    Raises
    ------
    InputError
        It is missing or no table, two columns differ in case alone, or a column that is sought has blanks.
    """
    if not path.is_file():
        raise InputError(f"detector: table '{path}' is missing; expected one of {', '.join(tables.SUFFIXES)}")
    try:
        found = tables.columns_of(path, wanted=lambda names: set(sought) <= {str(name).lower() for name in names})
    except Exception as error:  # every format raises its own
        raise InputError(
            f"detector: '{path}' cannot be read as a table ({type(error).__name__}: {str(error)[:200]})"
        ) from error
    lower: dict[str, np.ndarray] = {}
    for one, values in found.values.items():
        if one.lower() in lower:
            raise InputError(f"detector: '{path}' has two columns '{one.lower()}'; keep one")
        lower[one.lower()] = _plain(values, one, path, one.lower() in sought)
    return lower


def _plain(values: tables.Values, name: str, path: Path, is_sought: bool) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values
    blank = int(values.isna().sum())
    if blank and is_sought and str(values.dtype).lower().startswith(("int", "uint")):
        raise InputError(f"detector: column '{name}' of '{path.name}' has {blank:,} missing values; expected all")
    return np.asarray(values.astype(object))
