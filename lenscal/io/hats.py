"""A table on the sky as Parquet leaves by HEALPix pixel, in the HATS layout, each leaf with the rim of its neighbours.

`dataset/Norder=k/Dir=d/Npix=n/<source>.parquet` holds the rows of pixel n that came from one source file; a catalogue
of the same layout beside it (`<name>_margin`) holds for each pixel the rows of its neighbours within the margin, so
that whatever is matched inside a leaf misses nothing at its border. hats, lsdb and any Parquet reader open both.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lenscal import schema
from lenscal.io import folders
from lenscal.schema import Declaration

INDEX, INDEX_ORDER = "_healpix_29", 29
_SOUGHT = (
    INDEX,
    "galaxy_id",
    "ra",
    "dec",
    "healpix_64",
    "healpix_128",
)  # with least and largest value of each row group
_ROW_GROUP = 1 << 16
TEXT = ("type", "brickname", "sweep_file")
SKYMAP_ORDER = 7
"""HEALPix order of the map of counts: nside 128, as the footprint is counted."""
_RESOLUTION_ARCSEC = 3600 * np.degrees(np.sqrt(np.pi / 3))  # of nside 1


def rim_order(margin_arcsec: float) -> int:
    """Order of the finest pixels that are at least 2.5 margins wide on average, so that no
    margin reaches across one.
    """
    return int(np.clip(np.floor(np.log2(_RESOLUTION_ARCSEC / (2.5 * margin_arcsec))), 0, INDEX_ORDER))


def rims(index: np.ndarray, order: int, margin_arcsec: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows that lie in the rim of other leaves.

    Parameters
    ----------
    index : (n,) int64 array
        Pixels of order 29, nested.
    order : int
        Of the leaves.
    margin_arcsec : float

    Returns
    -------
    list of (rows, leaves)
        Row `rows[i]` is (at least) within the margin of leaf `leaves[i]`; a row is near at most three leaves at a
        corner.
    """
    import healpy

    fine = max(rim_order(margin_arcsec), order)
    cell = index >> 2 * (INDEX_ORDER - fine)
    inner = cell & ((1 << 2 * (fine - order)) - 1)
    x_bits = sum(1 << 2 * i for i in range(fine - order))
    y_bits = x_bits << 1
    on_edge = np.zeros(index.size, bool)
    for bits in (x_bits, y_bits):
        on_edge |= ((inner & bits) == 0) | ((inner & bits) == bits)
    rows = np.flatnonzero(on_edge)
    if not rows.size:
        return []
    cells, code = np.unique(cell[rows], return_inverse=True)
    beside = healpy.get_all_neighbours(1 << fine, cells, nest=True).T
    leaves = np.where(beside >= 0, beside >> 2 * (fine - order), -1)
    leaves[leaves == (cells >> 2 * (fine - order))[:, None]] = -1
    leaves = np.sort(leaves, axis=1)
    leaves[:, 1:][leaves[:, 1:] == leaves[:, :-1]] = -1
    out = []
    for column in range(leaves.shape[1]):
        leaf = leaves[code, column]
        if (leaf >= 0).any():
            out.append((rows[leaf >= 0], leaf[leaf >= 0]))
    return out


def arrow_schema(declaration: Declaration) -> pa.Schema:
    # A number that is not known is null, as in every other table: a query such as mag_r > 25 then leaves it out, and a
    # mean too. Whole numbers and texts are never null: readers and writers need not ask, and are several times faster.
    kinds = {
        name: pa.string() if v.dtype == "str" else pa.from_numpy_dtype(np.dtype(v.dtype))
        for name, v in declaration.variables.items()
    }
    return pa.schema([pa.field(name, kind, nullable=pa.types.is_floating(kind)) for name, kind in kinds.items()])


def _to_arrow(table: pd.DataFrame, kinds: pa.Schema) -> pa.Table:
    """The table as Arrow has it; a number that is not known is null."""
    arrays = []
    for field in kinds:
        column = table[field.name]
        if pa.types.is_string(field.type):
            arrays.append(pa.array(column.array))
            continue
        values = np.ascontiguousarray(column.to_numpy())
        blank = np.isnan(values) if field.nullable else None
        arrays.append(pa.array(values, field.type, mask=blank if blank is not None and blank.any() else None))
    return pa.Table.from_arrays([a.cast(f.type) for a, f in zip(arrays, kinds)], schema=kinds)


class Writer:
    """The leaves of one source file, written in parts and there only when closed without an error.

    Parameters
    ----------
    folder : path
        Of the catalogue.
    source : str
        Name of the source; a second writer of the same source replaces what the first one wrote.
    order : int
        HEALPix order of the leaves.
    margin_arcsec : float
        Width of the rims.
    declaration : Declaration
        Of the table; galaxies in g, r, z by default.
    """

    def __init__(
        self, folder: Path, source: str, order: int, margin_arcsec: float, declaration: Declaration | None = None
    ) -> None:
        self.folder, self.source, self.order, self.margin_arcsec = folder, source, order, margin_arcsec
        self._schema = arrow_schema(declaration or schema.of_bands(schema.GALAXIES, schema.BANDS))
        self._waiting: dict[tuple[Path, int], list[pd.DataFrame]] = {}
        self._writers: dict[tuple[Path, int], pq.ParquetWriter] = {}
        self._scratch: tempfile.TemporaryDirectory | None = None
        self.written: dict[Path, str] = {}
        """Hash of the content of each file, once closed."""

    def __enter__(self) -> Writer:
        return self

    def add(self, table: pd.DataFrame) -> None:
        """More rows."""
        table = table.iloc[np.argsort(table[INDEX].to_numpy(), kind="stable")]
        index = table[INDEX].to_numpy()
        self._split(self.folder, table, index >> 2 * (INDEX_ORDER - self.order))
        for rows, leaves in rims(index, self.order, self.margin_arcsec):
            by_leaf = np.argsort(leaves, kind="stable")
            self._split(margin_of(self.folder), table.iloc[rows[by_leaf]], leaves[by_leaf])

    def _split(self, folder: Path, table: pd.DataFrame, leaf: np.ndarray) -> None:
        starts = np.flatnonzero(np.diff(leaf, prepend=-1))
        for start, stop in zip(starts, np.append(starts[1:], leaf.size)):
            key = folder, int(leaf[start])
            waiting = self._waiting.setdefault(key, [])
            waiting.append(table.iloc[start:stop])
            if sum(map(len, waiting)) >= _ROW_GROUP:
                self._flush(key)

    def _flush(self, key: tuple[Path, int]) -> None:
        parts = self._waiting.pop(key, [])
        if not parts:
            return
        table = _to_arrow(pd.concat(parts) if len(parts) > 1 else parts[0], self._schema)
        path = self._unfinished(key)
        with folders.saying(path, "written"):
            if key not in self._writers:
                path.parent.mkdir(parents=True, exist_ok=True)
                text = [name for name in self._schema.names if pa.types.is_string(self._schema.field(name).type)]
                self._writers[key] = pq.ParquetWriter(
                    path, table.schema, compression="lz4", use_dictionary=text, write_statistics=list(_SOUGHT)
                )
            self._writers[key].write_table(table)

    def _path(self, key: tuple[Path, int]) -> Path:
        folder, leaf = key
        return leaf_folder(folder, self.order, leaf) / f"{self.source}.parquet"

    def _unfinished(self, key: tuple[Path, int]) -> Path:
        """Where a file grows: beside its place, or on this machine when its place is in a bucket."""
        path = self._path(key)
        if not folders.is_remote(path):
            return path.with_name(f".{self.source}.tmp")
        self._scratch = self._scratch or tempfile.TemporaryDirectory()
        return Path(self._scratch.name) / f"{key[0].name}-{key[1]}"

    def __exit__(self, kind: object, *error: object) -> None:
        try:
            for key in [*self._waiting] if kind is None else []:
                self._flush(key)
            for key, writer in self._writers.items() if kind is None else ():
                growing = self._unfinished(key)
                with folders.saying(growing, "written"):
                    writer.close()
                    with growing.open("rb") as file:
                        self.written[self._path(key)] = hashlib.file_digest(
                            file, lambda: hashlib.blake2b(digest_size=16)
                        ).hexdigest()
                    if self._scratch:
                        folders.write_bytes(self._path(key), growing.read_bytes())
                    else:
                        os.replace(growing, self._path(key))
        finally:
            for key, writer in self._writers.items():  # what failed is said above; a second refusal would hide it
                with suppress(OSError):
                    writer.close()
                with suppress(OSError):
                    self._unfinished(key).unlink(missing_ok=True)
            if self._scratch:
                self._scratch.cleanup()


@contextmanager
def _file(path: Path) -> Iterator[pq.ParquetFile]:
    """An open leaf, whose name is in what the disk says of it (Arrow has only a number); on a
    disk its pages are mapped.
    """
    with folders.saying(path, "read"):
        if folders.is_remote(path):
            with path.open("rb") as opened, pq.ParquetFile(opened, read_dictionary=TEXT) as file:
                yield file
        else:
            with pq.ParquetFile(path, read_dictionary=TEXT, memory_map=True) as file:
                yield file


def _rows(path: Path) -> int:
    with _file(path) as file:
        return file.metadata.num_rows


def margin_of(folder: Path) -> Path:
    """Folder of the margins of a catalogue."""
    return folder.with_name(f"{folder.name}_margin")


def leaf_folder(folder: Path, order: int, leaf: int) -> Path:
    """Where the files of one leaf lie."""
    return folder / "dataset" / f"Norder={order}" / f"Dir={leaf // 10000 * 10000}" / f"Npix={leaf}"


def finish(
    folder: Path,
    order: int,
    margin_arcsec: float,
    rows: Mapping[str, int],
    creator: str,
    bands: Sequence[str] = schema.BANDS,
) -> None:
    """Write what hats and lsdb look for: properties, list of partitions, common schema; of the margins too.

    `rows` has those of the catalogue ("") and of its margins ("margin"), whose galaxies are in these `bands`. An
    aggregated `_metadata` is not written: over the survey it would be gigabytes, and no reader needs it.
    """
    arrow = arrow_schema(schema.of_bands(schema.GALAXIES, bands))
    for path, kind in ((folder, "object"), (margin_of(folder), "margin")):
        found = sorted(
            int(p.name.removeprefix("Npix=")) for p in folders.matching(path, f"dataset/Norder={order}/Dir=*/Npix=*")
        )
        common = io.BytesIO()
        pq.write_metadata(arrow, common)
        folders.write_bytes(path / "dataset" / "_common_metadata", common.getvalue())
        folders.write_bytes(
            path / "partition_info.csv", ("Norder,Npix\n" + "".join(f"{order},{leaf}\n" for leaf in found)).encode()
        )
        lines = {
            "obs_collection": path.name,
            "dataproduct_type": kind,
            "hats_nrows": rows["" if kind == "object" else "margin"],
            "hats_col_ra": "ra",
            "hats_col_dec": "dec",
            "hats_col_healpix": INDEX,
            "hats_col_healpix_order": INDEX_ORDER,
            "hats_npix_suffix": "/",
            "hats_order": order,
            "hats_version": "v1.0",
            "hats_builder": creator,
        }
        if kind == "object":
            lines |= {"hats_skymap_order": SKYMAP_ORDER}
        else:
            lines |= {"hats_primary_table_url": folder.name, "hats_margin_threshold": margin_arcsec}
        text = "#HATS catalog\n" + "".join(f"{key}={value}\n" for key, value in lines.items())
        for name in ("hats.properties", "properties"):
            folders.write_bytes(path / name, text.encode())


def rows_of(folder: Path) -> int:
    """Rows of all files of a catalogue."""
    return sum(map(_rows, folders.matching(folder, "dataset/Norder=*/Dir=*/Npix=*/*.parquet")))
