"""Random points in a table of any kind, behind what `SweepFile` gives: for those that are no sweep-like FITS file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal.io import remote, units
from lenscal.io.sweeps import SweepError, SweepFile
from lenscal.io.sweeps.columns import unit_problem
from lenscal.io.tables.reading import read_table
from lenscal.io.tables.stated_units import CatalogueError, numbers
from lenscal.tables import kind_of


class PointTable:
    """One table, read whole.

    Parameters
    ----------
    path : path
        As of `lenscal.io.tables.read_table`; names of columns in any case.
    columns : sequence of str
        Names in upper case.
    optional : sequence of str
        Texts that are read where they are there.

    Raises
    ------
    SweepError
        It cannot be read, lacks a column, or has one in another unit.
    """

    header: dict[str, object] = {}  # noqa: RUF012 - a table says no density; the run file does
    code = None  # nor of which release it is

    def __init__(self, path: str | Path, columns: Sequence[str], optional: Sequence[str] = ()) -> None:
        self.path = Path(path)

        def wanted(names: Collection[str]) -> bool:
            return set(columns) <= {str(name).upper() for name in names}

        try:
            table = read_table(path, wanted=wanted)
        except CatalogueError as error:
            raise SweepError(f"random points: {error}") from None
        known = {str(name).upper(): name for name in table.columns}
        if missing := [name for name in columns if name not in known]:
            raise SweepError(
                f"'{path}' ({len(table):,} rows) lacks column(s) {', '.join(missing)}; found "
                f"{', '.join(map(str, table.columns))[:400]}: expected random points with {', '.join(columns)}"
            )
        stated = {name: table.attrs.get("units", {}).get(known[name], "") for name in columns}
        if problems := [problem for name, unit in stated.items() if (problem := unit_problem(name, unit or None))]:
            raise SweepError(f"'{path}' ({len(table):,} rows): " + "; ".join(problems))
        texts = {name: table[known[name]].astype(str) for name in optional if name in known}
        self._table = pd.DataFrame({name: numbers(table[known[name]]) for name in columns} | texts)
        self.names = list(self._table)
        self.rows = len(self._table)
        self.inverse_depths = units.is_inverse_variance(stated.get("PSFDEPTH_R") or None)

    def __enter__(self) -> PointTable:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def read(self, start: int = 0, stop: int | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Rows from `start` to before `stop`, of all columns or some; seeing and depth in single precision, as files of
        the survey have them.
        """
        part = self._table.iloc[start:stop]
        part = (part if columns is None else part[list(columns)]).reset_index(drop=True)
        single = [name for name in part if name.startswith("PSF")]
        return part.astype(dict.fromkeys(single, np.float32))

    def parts(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pd.DataFrame]]:
        """First row and table of each range of at most `rows` rows."""
        for start in range(0, max(self.rows, 1), rows):
            yield start, self.read(start, start + rows, columns)


def opened(path: str | Path, columns: Sequence[str], optional: Sequence[str] = ()) -> SweepFile | PointTable:
    """A file of random points: read in ranges where its first table is that of the survey, else whole.

    Raises
    ------
    SweepError
        It cannot be read, or lacks a column.
    """
    if remote.is_remote(path) or kind_of(str(path)) in ("fits", None):
        try:
            return SweepFile(path, columns, False, optional)
        except SweepError:
            if remote.is_remote(path) or kind_of(str(path)) is None or not _has(Path(path), columns):
                raise
    return PointTable(path, columns, optional)


def _has(path: Path, columns: Sequence[str]) -> bool:
    """Whether some table of a FITS file has all columns."""
    try:
        PointTable(path, columns)
    except (SweepError, OSError):
        return False
    return True
