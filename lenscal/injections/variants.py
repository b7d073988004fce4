"""The same trials under other settings: hosts, theta_e and seeds stay, what the setting says changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.injections.bands import in_bands
from lenscal.injections.priors import accepted
from lenscal.injections.sources import prepare


def redraw(
    block: xr.Dataset, settings: config.Injections, seed: int, sources: Sequence[Mapping] | None = None
) -> xr.Dataset:
    """Trials of a block with their parameters drawn again from the prior and kind of source of these settings.

    Each quantity keeps its own random number, so that under the settings the block was made with it comes out as it
    was, and under others host, Einstein radius and noise are the same: a paired comparison.

    Parameters
    ----------
    block : Dataset (theta_e, psf_fwhm, depth, trial)
        As declared in `schema.INJECTIONS`; every trial has an image.
    settings : config.Injections
        Prior, source and range of the magnification.
    seed : int
        Of the run.
    sources : list of dict
        Real galaxies (image, pixel_scale, name), when the source is "stamps".

    Raises
    ------
    PriorError
        When the prior cannot meet the range of the magnification.
    """
    flat = {name: block[name].transpose(*schema.TRIAL).values.ravel() for name in ("injection_id", "theta_e_drawn")}
    drawn, mu, proposals = accepted(
        flat["theta_e_drawn"], flat["injection_id"], settings, seed, prepare(settings.source, sources)
    )
    drawn = in_bands(drawn, [band for band in schema.OPTICAL if f"source_mag_{band}" in block])
    shape = tuple(block.sizes[dim] for dim in schema.TRIAL)
    columns = {
        name: drawn[name.replace("source_mag_", "mag_")]
        for name in schema.ALL_PARAMETERS
        if name in block and name != "theta_e_drawn"
    }
    columns |= {"beta_fraction": drawn["beta_fraction"], "magnification": mu, "proposals": proposals}
    again = block.assign({name: (schema.TRIAL, np.reshape(values, shape)) for name, values in columns.items()})
    return schema.INJECTIONS.describe(again)
