"""What every reader of pixels gives, before a pixel is read: rows in the order asked for, nothing observed yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema

_IMAGE = ("galaxy", "band", "y", "x")
CONNECTED = 25  # pixels: as many zeros side by side are no steps of a quantised sky
QUANTISED = 0.003  # share of zeros of one band alone, in every band, from which zero is a step of the sky
_WORDS = ("failure", "cutout_url", "download_timestamp", "layer_version")


def unread(
    rows: pd.DataFrame,
    size: int,
    layer: str = "",
    mock: bool = False,
    *,
    more: tuple[str, ...] = (),
    bands: Sequence[str] = schema.BANDS,
) -> xr.Dataset:
    """A Dataset for a reader to fill in place.

    Parameters
    ----------
    rows : DataFrame
        With `galaxy_id`.
    size : int
        Side of the stamps in pixels.
    layer : str
        `layer_version` of every row, to begin with.
    mock : bool
        The pixels are of a mock survey.
    more : names
        Further texts of each row.
    bands : sequence of str
        That are observed.

    Returns
    -------
    Dataset (galaxy, band, y, x)
        image [nanomaggy] NaN, invvar [nanomaggy^-2] 0, mask (MASKBITS) 0, psfsize [arcsec] NaN, failure (why there are
        no pixels, empty when there are; ``kind: what was found``), cutout_url, download_timestamp and what `more` names
        empty, layer_version.
    """
    n, count, text = len(rows), len(bands), np.dtypes.StringDType()
    data = xr.Dataset(
        {
            "galaxy_id": ("galaxy", rows["galaxy_id"].to_numpy(np.int64), {"units": "1"}),
            "image": (_IMAGE, np.full((n, count, size, size), np.nan, np.float32), {"units": "nanomaggy"}),
            "invvar": (_IMAGE, np.zeros((n, count, size, size), np.float32), {"units": "nanomaggy^-2"}),
            "mask": (("galaxy", "y", "x"), np.zeros((n, size, size), np.int32), {"units": "1"}),
            "psfsize": (("galaxy", "band"), np.full((n, count), np.nan, np.float32), {"units": "arcsec"}),
            **{name: ("galaxy", np.full(n, "", text)) for name in (*_WORDS, *more)},
        },
        coords={"band": np.array(bands, text)},
        attrs={"mock": int(mock)},
    )
    data["layer_version"].values[:] = layer
    return data


def unobserved(image: np.ndarray) -> np.ndarray:
    """Pixels that nobody observed, of an image that brings no weights: no number, or an exact zero as coadds and the
    viewer write it without coverage.

    A lone zero among observed pixels is a value, as of an image in whole steps. Missing coverage hangs together, or is
    zero in all bands.

    Parameters
    ----------
    image : (band, y, x) array

    Returns
    -------
    (band, y, x) bool array
    """
    blank, zero = ~np.isfinite(image), image == 0
    if not zero.any():
        return blank
    together = np.array([_together(band) for band in zero])
    everywhere = (zero | blank).all(axis=0)
    steps = (zero & ~together & ~everywhere).mean(axis=(1, 2)) >= QUANTISED
    return together | blank if steps.all() else together | blank | (zero & everywhere)


def _together(zero: np.ndarray) -> np.ndarray:
    """Of pixels that are zero, those of a block of 3 x 3 and what hangs on it, and those of
    `CONNECTED` or more side by side.
    """
    from scipy import ndimage

    parts, count = ndimage.label(zero)
    large = np.bincount(parts.ravel(), minlength=count + 1) >= CONNECTED
    large[0] = False
    core = ndimage.binary_opening(zero, np.ones((3, 3))) | large[parts]
    return ndimage.binary_propagation(core, mask=zero, structure=np.ones((3, 3))) if core.any() else core
