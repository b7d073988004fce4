"""What a person looks at first in a HATS catalogue: README.md, and the counts over the sky as a HEALPix map and as a
picture. hats and lsdb read the map (``catalog.hc_structure``), a listing of catalogues shows the page and the picture.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lenscal import schema
from lenscal.io import folders

from .hats import SKYMAP_ORDER, margin_of

MAP, PICTURE, PAGE = "skymap.fits", "skymap.png", "README.md"


def write(folder: Path, pixels: np.ndarray, rows: np.ndarray, picture: bytes | None, creator: str) -> None:
    """Write map, picture and page of a catalogue.

    Parameters
    ----------
    folder : path
        Of the catalogue, whose properties and partitions are written.
    pixels, rows : (n,) int arrays
        HEALPix pixels of order `SKYMAP_ORDER`, nested, and how many rows each has.
    picture : bytes or None
        The counts over the sky as PNG; None where there is none to draw.
    creator : str
        Program and version.
    """
    folders.write_bytes(folder / MAP, _map(pixels, rows))
    if picture is not None:
        folders.write_bytes(folder / PICTURE, picture)
    folders.write_bytes(folder / PAGE, _page(folder, int(rows.sum()), picture is not None, creator).encode())


def _map(pixels: np.ndarray, rows: np.ndarray) -> bytes:
    """HEALPix FITS of the pixels that have rows, nested; as the writer of hats does where most have none."""
    from astropy.io import fits

    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("PIXEL", "K", array=np.asarray(pixels, np.int64)),
            fits.Column("VALUE", "K", array=np.asarray(rows, np.int64)),
        ]
    )
    cards = {
        "PIXTYPE": "HEALPIX",
        "ORDERING": "NESTED",
        "INDXSCHM": "EXPLICIT",
        "OBJECT": "PARTIAL",
        "NSIDE": 1 << SKYMAP_ORDER,
        "ORDER": SKYMAP_ORDER,
        "COORDSYS": "C",
    }
    table.header.update(cards)
    table.header.set("OBS_NPIX", len(pixels))
    sink = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(sink)
    return sink.getvalue()


def _page(folder: Path, rows: int, pictured: bool, creator: str) -> str:
    written = pq.read_schema(io.BytesIO((folder / "dataset" / "_common_metadata").read_bytes())).names
    described = {name: schema.GALAXIES.variables[name] for name in written}
    lines = [
        f"# {folder.name}",
        "",
        schema.GALAXIES.about,
        "",
        f"{rows:,} rows, {len(described)} columns, in HATS layout; rows within the margin of each partition lie beside "
        f"it in `{margin_of(folder).name}`. Written by {creator}.",
        "",
        *([f"![rows per square degree]({PICTURE})", ""] if pictured else []),
        "```python",
        "import lsdb",
        f'galaxies = lsdb.open_catalog("{folder.name}", margin_cache="{margin_of(folder).name}")',
        "```",
        "",
        "| column | type | unit | meaning |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {one.dtype} | {one.units} | {one.about.replace('|', '&#124;')} |"
            for name, one in described.items()
        ),
    ]
    return "\n".join(lines) + "\n"
