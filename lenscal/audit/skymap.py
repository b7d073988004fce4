"""The page, map and picture of an imported catalogue, which a listing of catalogues shows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import lenscal
from lenscal.io import hats, hats_summary
from lenscal.report.figures import sky, style


def summarise(folder: Path, footprint: pd.DataFrame) -> None:
    """Write them beside the partitions; `footprint`: healpix_128 and rows."""
    pixels, rows = (footprint[name].to_numpy() for name in ("healpix_128", "rows"))
    picture = style.png(sky.density(pixels, rows, 1 << hats.SKYMAP_ORDER)) if pixels.size else None
    hats_summary.write(folder, pixels, rows, picture, f"lenscal {lenscal.__version__}")
