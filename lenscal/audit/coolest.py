"""Injections of a run as COOLEST documents, with the pixels that the detector was shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from lenscal import cutouts, schema
from lenscal.audit.images import host_pixels, picked_images
from lenscal.audit.products import Run
from lenscal.errors import InputError
from lenscal.injections import host_pixels as hosts
from lenscal.injections.coolest import coolest_models
from lenscal.injections.export import parameters_of
from lenscal.io import coolest


def export(
    run: Run,
    out: Path,
    cell: tuple[float, float, float],
    count: int,
    band: str = "r",
    say: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write the first trials of a cell, one JSON each with image, noise and PSF in one band; how many.

    Parameters
    ----------
    cell : (theta_e, psf_fwhm, depth)
        Centres [arcsec, arcsec, AB mag]; the nearest of the grid.
    count : int
    band : str
    say : callable
        Told how many of how many are written.

    Raises
    ------
    InputError
        No trial of the cell has an image; or the folder is there and not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"'{out}' is there and not empty: name another folder")
    if band not in run.settings.survey.bands:
        raise InputError(f"the band is '{band}'; the cutouts have {', '.join(run.settings.survey.bands)}")
    settings, b = run.settings.injections, run.settings.survey.bands.index(band)
    place = {name: [value] for name, value in zip(schema.CELL, cell)}
    store = run.store("injections").drop_vars("image", errors="ignore").sel(place, method="nearest").load()
    failure = store["failure"].values.astype(object).ravel()
    made = np.flatnonzero(failure == "")[:count]
    if not made.size:
        raise InputError(f"no trial of the cell {cell} has an image; choose another")
    store = store.isel(trial=made)
    table = parameters_of(store)
    models = coolest_models(table, band=band, source=settings.source, seed=run.settings.seed)
    images = picked_images(run, store, [(0, n) for n in range(made.size)])[:, b]
    noise, psf = _optics(run, store, b)
    out.mkdir(parents=True, exist_ok=True)
    for n, (name, model) in enumerate(zip(table.index, models)):
        coolest.write(out, f"injection-{name}", model, images[n], noise[n], psf[n], schema.PIXEL_SCALE)
        say(n + 1, len(models))
    return len(models)


def _optics(run: Run, store: xr.Dataset, b: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation of each pixel, with that of the arc's own light left out, and PSF, trial by trial."""
    ids = store["galaxy_id"].values.ravel()
    known = run.store("cutouts")["galaxy_id"].values
    pixels = host_pixels(run, np.flatnonzero(np.isin(known, ids)))
    row = hosts.rows_of(ids, pixels["galaxy_id"].values)
    images, _ = hosts.psfs(pixels, run.settings.injections.moffat_beta)
    weight = cutouts.crop(pixels["invvar"], run.settings.injections.size).transpose("galaxy", "band", "y", "x").values
    with np.errstate(divide="ignore"):
        sigma = np.where(weight > 0, 1 / np.sqrt(weight), 0.0)
    worst = sigma.max((-2, -1), keepdims=True)
    sigma = np.where(weight > 0, sigma, 1e3 * np.where(worst > 0, worst, 1.0))  # a pixel not observed tells nothing
    return sigma[row, b], images[row, b]
