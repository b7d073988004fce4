"""Sweep and Tractor files of the survey: columns in native byte order, or one clear sentence why not."""

from __future__ import annotations

import gzip
import itertools
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits

from lenscal.io import checksums, remote, row_counts, units
from lenscal.io.remote import is_remote
from lenscal.tables import is_packed

from .columns import DEPTHS, SWEEP_COLUMNS, TRUTHS, _missing, _problem, release_problems, text, unit_problem
from .listing import SweepError


class SweepFile:
    """One open sweep or Tractor file: its columns by ranges of rows, never more than asked for in memory.

    Parameters
    ----------
    path : path or URL
        FITS, gzipped or not; names in any case, TYPE padded to any width.
    columns : sequence of str
        Names in upper case. Tractor files also give BRICK_PRIMARY.
    hashed : bool
        Whether the file is hashed while it is read, for `check`.
    optional : sequence of str
        Read as well where the file has them.

    Attributes
    ----------
    names : dict
        All columns of the file as it spells them, by their name in upper case.
    inverse_depths : bool or None
        Whether the depths are inverse variances, by the unit that the file states; None where it states none.

    Raises
    ------
    SweepError
        When the file is truncated or no FITS table, lacks columns, or holds one of another kind or unit.
    """

    def __init__(
        self,
        path: str | Path,
        columns: Sequence[str] = SWEEP_COLUMNS,
        hashed: bool = False,
        optional: Sequence[str] = (),
    ) -> None:
        self.path, self._packed = path if is_remote(path) else Path(path), is_packed(str(path))
        self._file, self._bytes = None, None
        with self._refusals():
            self._bytes = remote.RemoteFile(str(path)) if is_remote(path) else self.path.open("rb")
            self._bytes = checksums.Hashed(self._bytes) if hashed else self._bytes
            self._file = gzip.GzipFile(fileobj=self._bytes) if self._packed else self._bytes
            self._parse(columns, optional)

    def __enter__(self) -> SweepFile:
        return self

    def __exit__(self, *error: object) -> None:
        for file in (self._file, self._bytes):
            if file is not None:
                file.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except SweepError:
            self.__exit__()
            raise
        except remote.RemoteError as error:
            rows = f" ({self.rows:,} rows)" if hasattr(self, "rows") else ""
            self.__exit__()
            raise SweepError(f"{error}{rows}") from None
        except (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error, fits.VerifyError) as error:
            held = "" if self._bytes is None else f": {row_counts.told(self._bytes, self._packed)}"
            self.__exit__()
            raise SweepError(
                f"'{self.path}' cannot be read ({error}){held}; it may be truncated: compare "
                "its checksum and fetch it again"
            ) from None

    def _parse(self, columns: Sequence[str], optional: Sequence[str]) -> None:
        table = row_counts.first_table(self._file)
        if table is None:
            raise SweepError(
                f"'{self.path}' holds no FITS table, so not one row; expected a sweep or Tractor file: it "
                "is another file, or truncated"
            )
        hdu = table.hdu
        self.header, self.rows, self._width, self._start = hdu.header, table.rows, table.width, table.start
        size = self._size()
        if size is not None and size < table.end:
            raise self._truncated(table.held(size))
        self._dtype = np.dtype(
            {
                "names": hdu.columns.dtype.names,
                "formats": [_cell(hdu.columns.dtype[n]) for n in hdu.columns.dtype.names],
                "offsets": self._offsets(hdu),
                "itemsize": self._width,
            }
        )
        names = self.names = {name.upper(): name for name in hdu.columns.names}
        missing = [name for name in columns if name not in names]
        if missing:
            raise SweepError(_missing(self.path, self.rows, self.code, names, missing))
        self.columns = [*columns, *(name for name in (*optional, *TRUTHS) if name in names and name not in columns)]
        self._names = {name: names[name] for name in self.columns}
        self._scales = {
            name: (hdu.columns[names[name]].bscale or 1, hdu.columns[names[name]].bzero or 0) for name in self.columns
        }
        self._logical = {name for name in self.columns if hdu.columns[names[name]].format.endswith("L")}
        found = {name: self._dtype[self._names[name]] for name in self.columns if name not in self._logical}
        problems = [problem for name, dtype in found.items() if (problem := _problem(name, dtype))]
        problems += release_problems(lambda: self.code, found)
        stated = {name: hdu.columns[names[name]].unit for name in self.columns}
        problems += [problem for name, unit in stated.items() if (problem := unit_problem(name, unit))]
        depths = {
            name: kind
            for name, unit in stated.items()
            if name.startswith(DEPTHS) and (kind := units.is_inverse_variance(unit)) is not None
        }
        if len(set(depths.values())) > 1:
            problems.append(
                "some depths are in 1/nanomaggy^2 and others in mag ("
                + ", ".join(f"{name} '{stated[name]}'" for name in depths)
                + "); expected one unit"
            )
        self.inverse_depths = next(iter(depths.values()), None)
        if problems:
            raise SweepError(f"'{self.path}' ({self.rows:,} rows): " + "; ".join(problems))

    def _offsets(self, hdu: fits.BinTableHDU) -> list[int]:
        """Byte of a row that each column begins at, by the widths of TFORM alone: TDIM says how a cell is
        folded, not how long it is.
        """
        widths = [_width(str(form)) for form in hdu.columns.formats]
        if sum(widths) != self._width:
            raise SweepError(
                f"'{self.path}' ({self.rows:,} rows): its columns take {sum(widths)} bytes by TFORM, and a row has "
                f"{self._width} (NAXIS1); fetch it again"
            )
        return [0, *itertools.accumulate(widths[:-1])]

    def _size(self) -> int | None:
        """Bytes of the content; None where it is packed."""
        if self._packed:
            return None
        return self._bytes.size if is_remote(self.path) else self.path.stat().st_size

    def check(self, expected: str) -> None:
        """Hold the whole file against its SHA-256.

        Raises
        ------
        SweepError
            When it is another.
        """
        found = self.sha256()
        if found != expected:
            self.__exit__()
            raise SweepError(
                f"'{self.path}' ({self.rows:,} rows) is not the file that the survey published: its "
                f"SHA-256 is {found}, the list has {expected}; fetch it again, or set "
                "objects.checksums: false to take it as it is"
            )

    def sha256(self) -> str:
        """Of the whole file, where it is `hashed`."""
        with self._refusals():
            return self._bytes.hexdigest()

    @property
    def code(self) -> int | None:
        """RELEASE of the first row; None where there is none."""
        return int(self._raw(0, 1)[self.names["RELEASE"]][0]) if "RELEASE" in self.names and self.rows else None

    def _raw(self, start: int, stop: int) -> np.ndarray:
        self._file.seek(self._start + start * self._width)
        wanted = (stop - start) * self._width
        content = self._file.read(wanted)
        if len(content) < wanted:
            raise self._truncated(start + len(content) // self._width)
        return np.frombuffer(content, self._dtype)

    def _truncated(self, held: int) -> SweepError:
        return SweepError(
            f"'{self.path}' is truncated: {held:,} of the {self.rows:,} rows that its header "
            "promises are there; fetch it again"
        )

    def read(self, start: int = 0, stop: int | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Rows from `start` to before `stop` (all by default), of all columns that the file was opened for or of some.

        Returns
        -------
        DataFrame
            Upper-case names in the order asked for, native byte order, text stripped, TYPE in upper case.
        """
        start, stop, _ = slice(start, stop).indices(self.rows)
        columns = self.columns if columns is None else columns
        out = {name: np.empty(max(stop - start, 0), self._native(name)) for name in columns}
        with self._refusals():
            for low in range(start, stop, _CACHED_ROWS):  # few enough rows to stay in the processor's cache
                raw = self._raw(low, min(low + _CACHED_ROWS, stop))
                for name, values in out.items():
                    values[low - start : low - start + raw.size] = raw[self._names[name]]
        return pd.DataFrame({name: self._finished(name, values) for name, values in out.items()}, columns=columns)

    def _native(self, name: str) -> np.dtype:
        dtype = self._dtype[self._names[name]]
        return dtype if dtype.kind in "SU" else dtype.newbyteorder("=")

    def _finished(self, name: str, values: np.ndarray) -> np.ndarray | pd.Categorical:
        if name in self._logical:
            return values == ord("T")
        if name in TRUTHS:
            return self._truths(name, values)
        if values.dtype.kind in "SU":
            return text(values, upper=name == "TYPE")
        scale, zero = self._scales[name]
        if (scale, zero) == (1, 0):
            return values
        if values.dtype.kind in "iu" and scale == 1 and float(zero).is_integer():  # as unsigned numbers are written
            return values.astype(np.int64) + int(zero)
        return values * float(scale) + float(zero)

    def _truths(self, name: str, values: np.ndarray) -> np.ndarray:
        """A column of yes or no, written as numbers or as letters.

        Raises
        ------
        SweepError
            It holds something else.
        """
        if values.dtype.kind in "SU":
            letters = np.char.upper(
                np.char.strip(np.char.decode(values, "latin-1") if values.dtype.kind == "S" else values)
            )
            yes, no = np.isin(letters, ("T", "TRUE", "1", "Y", "YES")), np.isin(letters, ("F", "FALSE", "0", "N", "NO"))
        else:
            yes, no = values == 1, values == 0
        if not (yes | no).all():
            odd = values[~(yes | no)][0]
            raise SweepError(
                f"'{self.path}' ({self.rows:,} rows): column {name} holds {odd!r}; expected T and F, or 1 and 0"
            )
        return yes

    def parts(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pd.DataFrame]]:
        """First row and table (as of `read`) of each range of at most `rows` rows; one empty table
        for a file without rows.
        """
        for start in range(0, max(self.rows, 1), rows):
            yield start, self.read(start, start + rows, columns)


_CACHED_ROWS = 4096
_BYTES = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}


@lru_cache(maxsize=256)
def _width(form: str) -> int:
    """Bytes of a cell of a TFORM."""
    repeat, kind = re.fullmatch(r"\s*(\d*)([A-Z]).*", form.strip().upper()).groups()
    count = int(repeat) if repeat else 1
    return -(-count // 8) if kind == "X" else count * _BYTES[kind]


def _cell(dtype: np.dtype) -> np.dtype:
    """Of a cell as it lies in the file; a vector of one, as TDIM can make of a plain text, is what it holds."""
    if dtype.shape and np.prod(dtype.shape) == 1:
        dtype = dtype.base
    return dtype.newbyteorder(">")


def read_sweep(
    path: str | Path, columns: Sequence[str] = SWEEP_COLUMNS, rows: tuple[int, int] | None = None
) -> pd.DataFrame:
    """Columns of one sweep or Tractor file; arguments, errors and table as of `SweepFile` and its `read`."""
    with SweepFile(path, columns) as file:
        return file.read(*(rows or (0, None)))
