"""Which galaxy carries an injection: one whose own seeing and depth are those of the cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, grid
from lenscal.errors import InputError
from lenscal.gates import Ledger
from lenscal.injections import priors
from lenscal.kernels import draws, noise

_OUTSIDE = {
    "unknown": "no PSF size or depth",
    "psf below": "PSF below the grid",
    "psf above": "PSF above the grid",
    "depth below": "depth below the grid",
    "depth above": "depth above the grid",
}


def assign_hosts(cutouts: xr.Dataset, settings: config.Injections, seed: int) -> tuple[pd.DataFrame, Ledger]:
    """The cell of each galaxy that may carry injections, by its own PSFSIZE_R and PSFDEPTH_R.

    Parameters
    ----------
    cutouts : Dataset (galaxy)
        galaxy_id, host, cutout_ok, psfsize_r [arcsec], psfdepth_r [AB mag], noise_correlation (galaxy, band). A stamp
        whose sky ring holds light (`noise.CORRELATION_MAX`) is no host: its noise, and the gain that follows from it,
        would be that of the light.
    settings : config.Injections
        Grid, prior, and the range of the magnification: refused here, before any work, when the prior cannot meet it.
    seed : int
        Of the run.

    Returns
    -------
    DataFrame
        galaxy_id, position (along `galaxy`), psf_fwhm, depth (centres of the cell), rank (order within the cell, by a
        hash of the galaxy's id), sorted by cell and rank. Bins hold their lower edge, not their upper one.
    Ledger
        Every galaxy, the dropped ones by reason.
    """
    names = "galaxy_id", "host", "cutout_ok", "psfsize_r", "psfdepth_r"
    if missing := [name for name in (*names, "noise_correlation") if name not in cutouts.variables]:
        raise InputError(f"injections: hosts cannot be assigned without {missing}")
    priors.check(settings, seed)
    ids, host, ok, psf, depth = (np.asarray(cutouts[name].values) for name in names)
    correlation = cutouts["noise_correlation"].transpose("galaxy", "band").values
    edges_psf, edges_depth = settings.grid.psf_fwhm.edges, settings.grid.depth.edges
    dropped: dict[str, int] = {}
    left = np.ones(ids.size, bool)
    for reason, out in (
        ("not a host", ~host.astype(bool)),
        ("cutout not fit for use", ~ok.astype(bool)),
        ("no noise measure", ~(correlation > 0).all(1)),
        ("light in the sky ring", (correlation > noise.CORRELATION_MAX).any(1)),
        *(
            (_OUTSIDE[reason], out)
            for reason, out in grid.outside({"psf": (edges_psf, psf), "depth": (edges_depth, depth)})
        ),
    ):
        dropped[reason] = int((left & out).sum())
        left &= ~out
    position = np.flatnonzero(left)
    table = pd.DataFrame(
        {
            "galaxy_id": ids[position].astype(np.int64),
            "position": position.astype(np.int64),
            "psf_fwhm": settings.grid.psf_fwhm.centres[grid.place(edges_psf, psf[position])],
            "depth": settings.grid.depth.centres[grid.place(edges_depth, depth[position])],
            "order": draws.hashes(seed, "host-order", ids[position].astype(np.int64)),
        }
    )
    table = table.sort_values(["psf_fwhm", "depth", "order", "galaxy_id"], ignore_index=True)
    table["rank"] = table.groupby(["psf_fwhm", "depth"]).cumcount().astype(np.int64)
    ledger = Ledger(int(ids.size), len(table), {reason: rows for reason, rows in dropped.items() if rows})
    return table.drop(columns="order"), ledger
