"""The leaves of a catalogue in HATS layout, read: their rows, their rims, and what lies around a position."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import union_categoricals

from lenscal import schema
from lenscal.io import folders

from .hats import INDEX, INDEX_ORDER, TEXT, _file, arrow_schema, leaf_folder, margin_of, rim_order


class LeafError(folders.StoreError):
    """A partitioned table that cannot be used; the message says what was found and what to do."""


class Catalogue:
    """A partitioned table, read leaf by leaf."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "partition_info.csv"
        if not path.exists():
            raise LeafError(
                f"'{path}' is missing: there are no galaxies yet; `lenscal run RUNFILE --stages objects` makes them"
            )
        pairs = pd.read_csv(io.BytesIO(path.read_bytes()))
        self.leaves: list[int] = pairs["Npix"].tolist()
        self.order = int(pairs["Norder"].iloc[0]) if len(pairs) else 0

    def files(self, leaf: int, margin: bool = False) -> list[Path]:
        """Of one leaf, by name of their source."""
        folder = margin_of(self.folder) if margin else self.folder
        return folders.matching(leaf_folder(folder, self.order, leaf), "*.parquet")

    def read(self, leaf: int, columns: Sequence[str]) -> pd.DataFrame:
        """Columns of the rows of a leaf; text as categories. Rows are by source, then as written."""
        return self._frame(self._parts(self.files(leaf), columns), columns)

    def read_with_rim(self, leaf: int, columns: Sequence[str]) -> tuple[pd.DataFrame, int]:
        """`read`, then the rows of the rim; and how many rows are the leaf's own."""
        own = self._parts(self.files(leaf), columns)
        return self._frame([*own, *self._parts(self.files(leaf, margin=True), columns)], columns), sum(
            part.num_rows for part in own
        )

    @staticmethod
    def _parts(files: Sequence[Path], columns: Sequence[str]) -> list[pa.Table]:
        parts = []
        for path in files:
            with _file(path) as file:
                parts.append(file.read(columns=list(columns), use_threads=False))  # workers are one to a core
        return parts

    @staticmethod
    def _frame(parts: Sequence[pa.Table], columns: Sequence[str]) -> pd.DataFrame:
        if not parts:
            empty = arrow_schema(schema.GALAXIES).empty_table().select(list(columns)).to_pandas()
            return empty.astype({name: "category" for name in columns if name in TEXT})
        table = pa.concat_tables(parts).unify_dictionaries()
        # Arrow joins the parts of a column in half the time that pandas needs, and what is whole and not blank pandas
        # takes as it is.
        return (table.combine_chunks() if len(parts) > 1 else table).to_pandas(split_blocks=True, use_threads=False)

    def take(self, leaf: int, rows: np.ndarray, columns: Sequence[str]) -> pd.DataFrame:
        """Given rows (ascending) of a leaf; row groups that hold none of them are not read."""
        parts, start = [], 0
        for path in self.files(leaf):
            with _file(path) as file:
                for group in range(file.num_row_groups):
                    size = file.metadata.row_group(group).num_rows
                    inside = rows[(rows >= start) & (rows < start + size)] - start
                    if inside.size:
                        parts.append(
                            file.read_row_group(group, columns=list(columns), use_threads=False).take(pa.array(inside))
                        )
                    start += size
        return pa.concat_tables(parts).unify_dictionaries().to_pandas(split_blocks=True)

    def where(self, columns: Sequence[str], keep: Callable[[pd.DataFrame], np.ndarray]) -> pd.DataFrame:
        """The rows of all leaves that a test keeps, one leaf in memory at a time."""
        parts = []
        for leaf in self.leaves:
            table = self.read(leaf, columns)
            parts.append(table[keep(table)])
        return joined(parts) if parts else self.read(-1, columns)

    def near(self, around: Around) -> list[int]:
        """Leaves that hold a cell around some positions."""
        leaves, finer = np.array(self.leaves, np.int64), 2 * (around.order - self.order)
        inside = np.isin(leaves, around.cells >> finer) if finer >= 0 else np.isin(leaves >> -finer, around.cells)
        return leaves[inside].tolist()

    def beside(self, around: Around, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Rows that lie in the cells around some positions, leaf by leaf; leaves without such a cell are not read."""
        leaf_of = around.cells >> 2 * (around.order - self.order) if around.order >= self.order else None
        for leaf in self.leaves:
            if leaf_of is not None:
                cells = around.cells[np.searchsorted(leaf_of, leaf) : np.searchsorted(leaf_of, leaf, "right")]
            else:
                cells = around.cells
            if not cells.size:
                continue
            for path in self.files(leaf):
                with _file(path) as file:
                    index = file.read(columns=[INDEX]).column(0).to_numpy() >> 2 * (INDEX_ORDER - around.order)
                    rows = np.flatnonzero(np.isin(index, cells, kind="sort" if cells.size > 1e6 else None))
                    if rows.size:
                        yield file.read(columns=list(columns)).take(pa.array(rows)).to_pandas()


class Around:
    """The cells that hold all that is within a radius of some positions: each one's own and its neighbours."""

    def __init__(self, ra: np.ndarray, dec: np.ndarray, radius_arcsec: float) -> None:
        import healpy

        self.order = rim_order(radius_arcsec)
        own = (
            np.unique(healpy.ang2pix(1 << self.order, ra, dec, nest=True, lonlat=True))
            if len(ra)
            else np.empty(0, np.int64)
        )
        beside = healpy.get_all_neighbours(1 << self.order, own, nest=True) if own.size else np.empty(0, np.int64)
        cells = np.unique(np.concatenate([own, np.ravel(beside)]))
        self.cells = cells[cells >= 0]


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables one after the other, text still as categories."""
    text = [name for name in parts[0].columns if isinstance(parts[0][name].dtype, pd.CategoricalDtype)]
    out = pd.concat([part.drop(columns=text) for part in parts], ignore_index=True)
    for name in text:
        out[name] = union_categoricals([part[name] for part in parts], sort_categories=True)
    return out[list(parts[0].columns)]
