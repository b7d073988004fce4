"""Tables of other people: CSV, TSV, ECSV and FITS, with their digits, their blanks and their
units as they were meant.
"""

from __future__ import annotations

import gzip
import io
import re
import warnings
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from lenscal.errors import LenscalError
from lenscal.io import folders, row_counts, units

_TEXT = (".csv", ".tsv", ".txt", ".ecsv")
_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error, fits.VerifyError, AstropyUserWarning)
_IN_NAME = re.compile(
    r"[\[(]\s*([^\])]+?)\s*[\])]\s*$|_(rad|radians?|hours?|hr|hourangle|deg|degrees?)$", re.IGNORECASE
)


class CatalogueError(LenscalError, ValueError):
    """An outside catalogue that cannot be used; the message names it."""


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
    if not fits_like and not name.endswith(_TEXT):
        raise CatalogueError(f"catalogue '{path}' is of no known kind; expected .csv, .csv.gz, .tsv, .ecsv or .fits")
    try:
        table = (
            _fits_table(path, extension)
            if fits_like
            else _text_table(path, text, "\t" if name.endswith(".tsv") else ",")
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
    probe = units.degrees(np.ones(1), unit)
    if probe is None:
        raise CatalogueError(
            f"{what}, {len(table):,} rows: column {column} is in '{unit[:40]}', expected an angle in decimal numbers "
            "(deg, hourangle, rad): convert it to degrees"
        )
    table.attrs.setdefault("units", {})[column] = "deg"
    if probe[0] == 1:
        return table[column]
    return numbers(table[column]) * probe[0]


def numbers(cells: pd.Series) -> pd.Series:
    """Cells as floats; NaN where one is blank or no number."""
    return pd.Series(pd.to_numeric(cells, errors="coerce").to_numpy("f8", na_value=np.nan), index=cells.index)


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
    return _masked(values, blank)


def _masked(values: np.ndarray, blank: np.ndarray) -> pd.api.extensions.ExtensionArray:
    kind = "UInt64" if values.dtype == np.uint64 else "Int64"
    out = pd.array(values, dtype=kind)
    out[blank] = pd.NA
    return out


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


def _text_table(path: Path, text: Collection[str], separator: str) -> pd.DataFrame:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.name.endswith(".gz") else content
    content = content.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, which pandas too leaves out
    if content.startswith(b"# %ECSV"):
        return _ecsv_table(content)
    if b"\0" in content[:4096]:
        raise CatalogueError(f"catalogue '{path}' is no text: its first bytes are {content[:16]!r}; check its name")
    encoding = _encoding(content)
    comments: list[bytes] = []
    at = 0
    while content.startswith((b"#", b"\n", b"\r"), at):
        line = content[at : content.find(b"\n", at) + 1 or None]
        at += len(line)
        comments += [line.lstrip(b"# ").rstrip()] if line.startswith(b"#") else []
    lines = content[at:] if at else content
    if b"#" in lines and b"\n#" in lines:  # one byte is sought faster than two
        lines = b"\n".join(line for line in lines.split(b"\n") if not line.startswith(b"#"))
    header = lines[: lines.find(b"\n") + 1 or None].rstrip(b"\r\n")
    sign = separator.encode()
    if comments and _is_row(header, sign):  # the names stand in the last line of comment
        named = next((c for c in reversed(comments) if c.count(sign) == header.count(sign)), None)
        if named is None:
            raise CatalogueError(
                f"catalogue '{path}' begins with {len(comments)} lines of comment (#), and neither they nor the first "
                f"line after them ('{header[:60].decode(encoding)}') name its columns; write a header"
            )
        lines = named + b"\n" + lines
        header = named
    names = [name.strip().strip('"') for name in header.decode(encoding).split(separator)]
    lines, stated = _without_dashes(lines, names, separator, encoding)
    source = lambda: io.BytesIO(lines)  # noqa: E731 - each reader reads it from the start
    with warnings.catch_warnings():  # with too many cells in a row pandas would shift all columns
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(source(), sep=separator, low_memory=False, encoding=encoding, index_col=False)
        known = {name.lower() for name in text}
        numbers_ = [
            i
            for i, name in enumerate(table.columns)
            if str(name).strip().lower() in known and pd.api.types.is_numeric_dtype(table.dtypes.iloc[i])
        ]
        if numbers_:  # of names that are numbers the digits count
            texts = pd.read_csv(
                source(), sep=separator, encoding=encoding, index_col=False, usecols=numbers_, dtype=str
            )
            for i, name in zip(numbers_, texts.columns):
                table.isetitem(i, texts[name])
    table.columns = [str(name).strip() for name in table.columns]
    table.attrs["units"] = stated
    return table


def _encoding(content: bytes) -> str:
    """Of a text; what is no UTF-8 is taken for Latin 1, which every byte is."""
    if content.isascii():
        return "utf-8"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _is_row(line: bytes, sign: bytes) -> bool:
    """Whether a line holds a number, as no header does."""
    for cell in line.split(sign):
        try:
            float(cell.strip(b' "'))
        except ValueError:
            continue
        return True
    return False


def _without_dashes(lines: bytes, names: list[str], separator: str, encoding: str) -> tuple[bytes, dict[str, str]]:
    """A table of VizieR without the lines of units and of dashes below its header, and those units by column."""
    at = -1
    for _ in range(3):
        at = lines.find(b"\n", at + 1)
        if at < 0:
            break
    head = (lines if at < 0 else lines[:at]).split(b"\n")
    below = [line.decode(encoding).rstrip("\r") for line in head[1:3]]
    ruled = [i for i, line in enumerate(below) if line.strip() and not line.replace(separator, "").strip("- ")]
    if not ruled:
        return lines, {}
    found = dict(zip(names, (cell.strip() for cell in below[0].split(separator)))) if ruled[0] == 1 else {}
    rest = lines.split(b"\n", 3 if ruled[0] == 1 else 2)[-1] if len(head) > 1 + ruled[0] and at >= 0 else b""
    return head[0] + b"\n" + rest, {name: unit for name, unit in found.items() if units.stated(unit)}


def _ecsv_table(content: bytes) -> pd.DataFrame:
    """A table in astropy's enhanced CSV, its masked cells blank."""
    from astropy.table import Table

    table = Table.read(content.decode(), format="ascii.ecsv")
    out = {}
    for name in table.colnames:
        column = table[name]
        if getattr(column, "ndim", 1) > 1:
            continue
        blank = np.ma.getmaskarray(np.ma.asarray(column))
        values = np.ma.getdata(np.ma.asarray(column))
        if values.dtype.kind in "iu" and blank.any():
            out[name] = _masked(values, blank)
        elif values.dtype.kind == "f":
            out[name] = np.where(blank, np.nan, values)
        else:
            out[name] = pd.Series(values.astype(object)).where(~blank, None)
    frame = pd.DataFrame(out)
    frame.attrs["units"] = {name: text for name in out if (text := units.stated(getattr(table[name], "unit", None)))}
    return frame
