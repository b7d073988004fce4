"""Sweep and Tractor files of the survey: columns in native byte order, or one clear sentence why not."""

from __future__ import annotations

import difflib
import gzip
import itertools
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits

from lenscal import schema
from lenscal.errors import LenscalError
from lenscal.io import checksums, folders, remote, row_counts, units
from lenscal.io.remote import is_remote

_DERIVED = ("galaxy_id", "mag_", "colour_", "healpix_", "_healpix_29", "sweep_file", "row_index")
SWEEP_COLUMNS = (
    *(name.upper() for name in schema.GALAXIES.variables if not name.startswith(_DERIVED)),
    "MW_TRANSMISSION_W1",
)
"""Columns that `schema.GALAXIES` is made from."""

_SWEEP_NAME = re.compile(r"sweep-\d{3}[pm]\d{3}-\d{3}[pm]\d{3}\.fits(\.gz)?$")
_KINDS = {"i": "iu", "f": "f", "U": "SU"}


class SweepError(LenscalError, ValueError):
    """A catalogue file that cannot be used; the message names it."""


def sweep_files(root: str | Path) -> list[Path | str]:
    """Sweep files of a survey, by name (companions such as -pz and -lc are not among them). Of several versions
    side by side, the newest.

    Parameters
    ----------
    root : path or URL
        A folder, or an address that fsspec knows (https, s3); files are sought in its `sweep` folders where it has
        some.

    Raises
    ------
    SweepError
        When there is none, two of one name, or the newest version lacks files that another has.
    """
    found = _remote_files(str(root)) if is_remote(root) else _local_files(Path(root))
    found = _newest([path for path in found if _SWEEP_NAME.fullmatch(name_of(path))], root)
    files = sorted(found, key=lambda path: (name_of(path), str(path)))
    if not files:
        found = "" if is_remote(root) else f": {folders.holds(Path(root))}"
        raise SweepError(
            f"no sweep file below '{root}'{found}; expected south/sweep/10.1/sweep-<corner>-<corner>.fits: "
            "check survey.root of the run file"
        )
    for one, two in itertools.pairwise(files):
        if stem_of(one) == stem_of(two):
            raise SweepError(f"'{one}' and '{two}' have one name; leave one of them below survey.root ('{root}')")
    return files


def _version_of(path: str | Path) -> tuple[int, ...]:
    """Of a sweep by the name of its folder, as 10.1 in south/sweep/10.1; empty without one."""
    folder = str(path).rsplit("/", 2)[-2] if str(path).count("/") > 1 else ""
    return tuple(map(int, folder.split("."))) if re.fullmatch(r"\d+(\.\d+)+", folder) else ()


def _newest(files: Sequence[str | Path], root: str | Path) -> list[str | Path]:
    """Files of the newest version, which must have all that older ones have."""
    versions: dict[tuple[int, ...], set[str]] = {}
    for path in files:
        versions.setdefault(_version_of(path), set()).add(stem_of(path))
    newest = max(versions, default=())
    if len(versions) < 2 or () in versions:
        return list(files)
    for version in sorted(versions):
        if lacking := sorted(versions[version] - versions[newest]):
            new, old = (".".join(map(str, one)) for one in (newest, version))
            raise SweepError(
                f"below '{root}' version {new} of the sweeps lacks {len(lacking):,} files that {old} has, the first: "
                f"{lacking[0]}; copy them, or leave one of sweep/{new} and sweep/{old} below survey.root"
            )
    return [path for path in files if _version_of(path) == newest]


def not_here(root: str | Path) -> list[str]:
    """Sweep files that the survey's lists of checksums name and that are not there, by name: a part of the survey was
    copied, or a copy is not whole.
    """
    files = sweep_files(root)
    there = {stem_of(path) for path in files}
    return sorted(
        name for name in checksums.names(files, root) if _SWEEP_NAME.fullmatch(name) and stem_of(name) not in there
    )


def name_of(path: str | Path) -> str:
    """Name of a file without its folder."""
    return str(path).rsplit("/", 1)[-1]


def stem_of(path: str | Path) -> str:
    """Name of a sweep file without its endings."""
    return name_of(path).split(".fits")[0]


_PLACES = ("south/sweep", "north/sweep", "sweep")


def _local_files(root: Path) -> list[Path]:
    places = [root / place for place in _PLACES if (root / place).is_dir()]
    return [path for place in places or [root] for path in folders.matching(place, "**/sweep-*.fits*")]


def _remote_files(root: str) -> list[str]:
    files, place = remote.filesystem(root)

    def names(at: str) -> list[str]:
        try:
            return remote.patiently(f"'{at}'", lambda: files.ls(at, detail=False))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []

    def below(at: str) -> list[str]:
        """Sweeps of a folder, and of the folders of versions in it."""
        held = [str(path).rstrip("/") for path in names(at)]
        of_versions = [path for path in held if _version_of(f"{path}/x")]
        return [path for path in held if _SWEEP_NAME.fullmatch(name_of(path))] + [
            path for folder in of_versions for path in map(str, names(folder)) if _SWEEP_NAME.fullmatch(name_of(path))
        ]

    base = place.rstrip("/")
    found = [path for folder in _PLACES for path in below(f"{base}/{folder}")] or below(base)
    return [files.unstrip_protocol(path) for path in found]


def version(path: str | Path) -> str:
    """What tells one version of a file from another without reading it: size and time of change, or size and ETag;
    empty where nothing does.
    """
    if not is_remote(path):
        path = Path(path)
        return folders.versions(path.parent, [path.name])[path.name]
    files, place = remote.filesystem(str(path))
    found = folders.version(remote.patiently(f"'{path}'", lambda: files.info(place)))
    return "" if found.endswith(" None") else found


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

    Attributes
    ----------
    inverse_depths : bool or None
        Whether the depths are inverse variances, by the unit that the file states; None where it states none.

    Raises
    ------
    SweepError
        When the file is truncated or no FITS table, lacks columns, or holds one of another kind or unit.
    """

    def __init__(self, path: str | Path, columns: Sequence[str] = SWEEP_COLUMNS, hashed: bool = False) -> None:
        self.path, self._packed = path if is_remote(path) else Path(path), str(path).endswith(".gz")
        self._file, self._bytes = None, None
        with self._refusals():
            self._bytes = remote.RemoteFile(str(path)) if is_remote(path) else self.path.open("rb")
            self._bytes = checksums.Hashed(self._bytes) if hashed else self._bytes
            self._file = gzip.GzipFile(fileobj=self._bytes) if self._packed else self._bytes
            self._parse(columns)

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

    def _parse(self, columns: Sequence[str]) -> None:
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
        names = {name.upper(): name for name in hdu.columns.names}
        missing = [name for name in columns if name not in names]
        if missing:
            raise SweepError(_missing(self.path, self.rows, self._release(names), names, missing))
        self.columns = [
            *columns,
            *(["BRICK_PRIMARY"] if "BRICK_PRIMARY" in names and "BRICK_PRIMARY" not in columns else []),
        ]
        self._names = {name: names[name] for name in self.columns}
        self._scales = {
            name: (hdu.columns[names[name]].bscale or 1, hdu.columns[names[name]].bzero or 0) for name in self.columns
        }
        self._logical = {name for name in self.columns if hdu.columns[names[name]].format.endswith("L")}
        found = {name: self._dtype[self._names[name]] for name in self.columns if name not in self._logical}
        problems = [problem for name, dtype in found.items() if (problem := _problem(name, dtype))]
        stated = {name: hdu.columns[names[name]].unit for name in self.columns}
        problems += [problem for name, unit in stated.items() if (problem := _unit_problem(name, unit))]
        depths = {
            name: kind
            for name, unit in stated.items()
            if name.startswith(_DEPTHS) and (kind := units.is_inverse_variance(unit)) is not None
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

    def _release(self, names: Mapping[str, str]) -> int | None:
        return int(self._raw(0, 1)[names["RELEASE"]][0]) if "RELEASE" in names and self.rows else None

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
        if name in _TRUTHS:
            return self._truths(name, values)
        if values.dtype.kind in "SU":
            return _text(values, upper=name == "TYPE")
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


def _problem(name: str, dtype: np.dtype) -> str | None:
    """What is wrong with a column of the declared name; None when nothing is."""
    if dtype.shape:
        return f"column {name} holds {dtype.shape} numbers a row; expected one"
    variable = schema.GALAXIES.variables.get(name.lower())
    if variable is None:
        return None
    expected = "U" if variable.dtype == "str" else np.dtype(variable.dtype).kind
    if dtype.kind not in _KINDS[expected]:
        return f"column {name} is {dtype}, expected {variable.dtype}"
    return None


_TRUTHS = ("BRICK_PRIMARY",)
_UNITS = {
    "FLUX_": "nanomaggy",
    "FLUX_IVAR_": "1/nanomaggy^2",
    "FIBERFLUX_": "nanomaggy",
    "FIBERTOTFLUX_": "nanomaggy",
    "PSFSIZE_": "arcsec",
    "RA": "deg",
    "DEC": "deg",
    "SHAPE_R": "arcsec",
    "SHAPE_R_IVAR": "1/arcsec^2",
    "EBV": "mag",
    "GAIA_PHOT_G_MEAN_MAG": "mag",
    "MW_TRANSMISSION_": "1",
}
"""Unit of the survey by column, or by the longest beginning of its name."""
_DEPTHS = ("PSFDEPTH_", "GALDEPTH_")


def _unit_problem(name: str, unit: str | None) -> str | None:
    """What is wrong with the unit a file states of a column; None when it states none or the survey's
    own, however it is spelt.
    """
    if name.startswith(_DEPTHS):
        known = not units.stated(unit) or units.is_inverse_variance(unit) is not None
        return (
            None
            if known
            else f"column {name} is in '{unit.strip()[:40]}', expected 1/nanomaggy^2 or mag; take the survey's own file"
        )
    start = max(
        (start for start in _UNITS if name.startswith(start) and (start.endswith("_") or name == start)),
        key=len,
        default=None,
    )
    problem = None if start is None else units.problem(unit, _UNITS[start])
    return (
        None
        if problem is None
        else f"column {name} {problem.replace(', not', ', expected')}; convert it, or take the survey's own file"
    )


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


def _missing(path: str | Path, rows: int, release: int | None, names: Mapping[str, str], missing: Sequence[str]) -> str:
    hints = []
    for name in missing:
        near = [n for n in difflib.get_close_matches(name, names, 1, 0.85) if n not in SWEEP_COLUMNS]
        hints += [f"{near[0]} looks like {name}"] if near else []
    hint = f" ({'; '.join(hints)})" if hints else ""
    release = "" if release is None else f", RELEASE {release}"
    return (
        f"'{path}' ({rows:,} rows) lacks {len(missing)} column(s): {', '.join(missing)}{hint}. It looks like "
        f"{layout(names)}{release}; lenscal reads the sweeps and Tractor files of DR9 and DR10"
    )


def layout(names: Sequence[str]) -> str:
    """Which release a file's column names belong to, in words.

    SERSIC and one SHAPE_R came with DR9, i-band columns with DR10; before, EBV and MASKBITS were added one after the
    other.
    """
    names = {name.upper() for name in names}
    if {"SERSIC", "SHAPE_R"} <= names:
        return "the DR10 layout" if "FLUX_I" in names else "the DR9 layout"
    if "SHAPEDEV_R" in names:
        if "MASKBITS" in names:
            return "the layout of DR7 or DR8 (SHAPEDEV_*, SHAPEEXP_*, MASKBITS, no PSFSIZE)"
        return "the layout of DR3 to DR6 (SHAPEDEV_*, SHAPEEXP_*, no MASKBITS)"
    return f"no layout of the survey ({len(names)} columns)"
