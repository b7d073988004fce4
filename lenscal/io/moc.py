"""Regions of the sky as multi-order coverage maps (MOC, an IVOA standard)."""

from __future__ import annotations

import io

import numpy as np

from lenscal.extras import named


def moc(pixels: np.ndarray, nside: int) -> bytes:
    """The region of some HEALPix pixels (nested) as a MOC in FITS, as Aladin and others open it.

    Raises
    ------
    MissingExtra
        mocpy is not installed.
    """
    with named():
        from mocpy import MOC
    order = int(np.log2(nside))
    region = MOC.from_healpix_cells(np.asarray(pixels, np.uint64), np.full(len(pixels), order, np.uint8), order)
    sink = io.BytesIO()
    region.serialize("fits").writeto(sink)
    return sink.getvalue()
