"""Sweep and Tractor files of the survey: columns in native byte order, or one clear sentence why not."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from lenscal import schema

_DERIVED = ("galaxy_id", "mag_", "colour_", "healpix_", "sweep_file", "row_index")
SWEEP_COLUMNS = (
    *(name.upper() for name in schema.GALAXIES.variables if not name.startswith(_DERIVED)),
    "MW_TRANSMISSION_W1",
)
"""Columns that `schema.GALAXIES` is made from."""

_SWEEP_NAME = re.compile(r"sweep-\d{3}[pm]\d{3}-\d{3}[pm]\d{3}\.fits(\.gz)?$")
_KINDS = {"i": "iu", "f": "f", "U": "SU"}


class SweepError(ValueError):
    """A catalogue file that cannot be used; the message names it."""


def sweep_files(root: str | Path) -> list[Path]:
    """Sweep files below a folder, by name (companions such as -pz and -lc are not among them).

    Raises
    ------
    SweepError
        When there is none.
    """
    root = Path(root)
    files = sorted(path for path in root.rglob("sweep-*.fits*") if _SWEEP_NAME.fullmatch(path.name))
    if not files:
        raise SweepError(
            f"no sweep file (sweep-<corner>-<corner>.fits) below '{root}'; check survey.root of the run file"
        )
    return files


def read_sweep(
    path: str | Path, columns: Sequence[str] = SWEEP_COLUMNS, rows: tuple[int, int] | None = None
) -> pd.DataFrame:
    """Columns of one sweep or Tractor file.

    Parameters
    ----------
    path : path
        FITS, names in any case, TYPE padded to any width.
    columns : sequence of str
        Names in upper case.
    rows : (int, int), optional
        First row and the one after the last; all rows when not given.

    Returns
    -------
    DataFrame
        Upper-case names in the order asked for, native byte order, text stripped, TYPE in upper case. Tractor files also
        give BRICK_PRIMARY.

    Raises
    ------
    SweepError
        When the file is truncated or no FITS table, lacks columns, or holds one of another kind.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*truncated", category=AstropyUserWarning)
            with fits.open(path, memmap=True) as hdus:
                return _table(hdus, path, columns, rows)
    except SweepError:
        raise
    except (OSError, EOFError, ValueError, TypeError, AstropyUserWarning) as error:
        raise SweepError(
            f"'{path}' cannot be read ({error}); it may be truncated: compare its checksum and fetch it again"
        ) from None


def _table(hdus: fits.HDUList, path: Path, columns: Sequence[str], rows: tuple[int, int] | None) -> pd.DataFrame:
    hdu = next((h for h in hdus if isinstance(h, fits.BinTableHDU)), None)
    if hdu is None:
        raise SweepError(
            f"'{path}' holds no FITS table; expected a sweep or Tractor file: it is another file, or truncated"
        )
    header = hdu.header
    needed = hdu.fileinfo()["datLoc"] + header["NAXIS1"] * header["NAXIS2"]
    if not path.suffix == ".gz" and path.stat().st_size < needed:
        raise SweepError(
            f"'{path}' is truncated: {path.stat().st_size} bytes, its header promises {needed}; fetch it again"
        )
    names = {name.upper(): name for name in hdu.columns.names}
    missing = [name for name in columns if name not in names]
    if missing:
        raise SweepError(_missing(path, hdu, names, missing))
    wanted = [*columns, *(["BRICK_PRIMARY"] if "BRICK_PRIMARY" in names and "BRICK_PRIMARY" not in columns else [])]
    data = hdu.data if rows is None else hdu.data[slice(*rows)]
    out, problems = {}, []
    for name in wanted:
        values = np.asarray(data.field(names[name]))
        problem = _problem(name, values)
        if problem:
            problems.append(problem)
        elif values.dtype.kind in "SU":
            out[name] = _text(values, upper=name == "TYPE")
        else:
            out[name] = values.astype(values.dtype.newbyteorder("="))
    if problems:
        raise SweepError(f"'{path}': " + "; ".join(problems))
    return pd.DataFrame(out, columns=wanted)


def _problem(name: str, values: np.ndarray) -> str | None:
    """What is wrong with a column of the declared name; None when nothing is."""
    if values.ndim > 1:
        return f"column {name} holds {values.shape[1:]} numbers a row; expected one"
    variable = schema.GALAXIES.variables.get(name.lower())
    if variable is None:
        return None
    expected = "U" if variable.dtype == "str" else np.dtype(variable.dtype).kind
    if values.dtype.kind not in _KINDS[expected]:
        return f"column {name} is {values.dtype}, expected {variable.dtype}"
    return None


def _text(values: np.ndarray, upper: bool) -> pd.Categorical:
    """Stripped text; few distinct short values are looked at once each."""
    if values.dtype.kind == "U":
        values = np.char.encode(values, "utf-8")
    width = values.dtype.itemsize
    if 0 < width <= 8:
        words = np.zeros((len(values), 8), np.uint8)
        words[:, :width] = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), width)
        codes, distinct = pd.factorize(words.view(np.uint64).ravel())
        distinct = distinct.astype(np.uint64).view("S8")
    else:
        codes, distinct = pd.factorize(values.astype(object))
    cleaned = [bytes(value).decode("ascii", "replace").strip("\x00 ") for value in distinct]
    cleaned = [value.upper() for value in cleaned] if upper else cleaned
    categories = sorted(set(cleaned))
    place = np.array([categories.index(value) for value in cleaned], dtype=np.int64)
    return pd.Categorical.from_codes(place[codes] if len(place) else codes, categories=categories)


def _missing(path: Path, hdu: fits.BinTableHDU, names: dict[str, str], missing: list[str]) -> str:
    hints = []
    for name in missing:
        near = [n for n in difflib.get_close_matches(name, names, 1, 0.85) if n not in SWEEP_COLUMNS]
        hints += [f"{near[0]} looks like {name}"] if near else []
    hint = f" ({'; '.join(hints)})" if hints else ""
    release = ""
    if "RELEASE" in names and hdu.header["NAXIS2"]:
        release = f", RELEASE {hdu.data.field(names['RELEASE'])[0]}"
    return (
        f"'{path}' lacks {len(missing)} column(s): {', '.join(missing)}{hint}. It looks like {layout(names)}{release}; "
        "lenscal reads the sweeps and Tractor files of DR9 and DR10"
    )


def layout(names: Sequence[str]) -> str:
    """Which release a file's column names belong to, in words.

    SERSIC and one SHAPE_R came with DR9, i-band columns with DR10; before, EBV and MASKBITS were added one after the other.
    """
    names = {name.upper() for name in names}
    if {"SERSIC", "SHAPE_R"} <= names:
        return "the DR10 layout" if "FLUX_I" in names else "the DR9 layout"
    if "SHAPEDEV_R" in names:
        if "MASKBITS" in names:
            return "the layout of DR7 or DR8 (SHAPEDEV_*, SHAPEEXP_*, MASKBITS, no PSFSIZE)"
        return "the layout of DR3 to DR6 (SHAPEDEV_*, SHAPEEXP_*, no MASKBITS)"
    return f"no layout of the survey ({len(names)} columns)"
