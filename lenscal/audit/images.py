"""Pixels of a run: of hosts as they are, of injections rendered again, of a gallery that holds both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.errors import InputError


def host_pixels(run: Run, positions: np.ndarray) -> xr.Dataset:
    """Cutouts and quality of the hosts at these rows, in memory."""
    rows = np.sort(np.asarray(positions, dtype=np.int64))
    pixels = run.store("cutouts").isel(galaxy=rows)
    quality = run.store("quality").reset_coords().isel(galaxy=rows)
    names = [name for name in ("sigma", "noise_correlation", "noise_lags") if name in quality]
    pixels = pixels.assign({name: quality[name] for name in names}).load()
    release = run.settings.survey.release
    return pixels if release is None else pixels.assign(camera_pixel_area=_camera_pixel_area(pixels, release))


def _camera_pixel_area(pixels: xr.Dataset, release: schema.Release) -> xr.DataArray:
    bands = pixels["band"].values.tolist()
    of_region = {part.region: part.camera_pixel_area(bands) for part in release.regions}
    held = pixels["region"].values.tolist() if release.parts else [release.region] * pixels.sizes["galaxy"]
    return xr.DataArray(
        np.array([of_region[region] for region in held]).reshape(-1, len(bands)), dims=("galaxy", "band")
    )


def injected_images(run: Run, block: xr.Dataset) -> np.ndarray:
    """The images of these injections, rendered again: (injection, band, y, x), nanomaggy."""
    from lenscal import injections

    ids = np.unique(block["galaxy_id"].values)
    cutout_ids = run.store("cutouts")["galaxy_id"].values
    positions = np.flatnonzero(np.isin(cutout_ids, ids[ids >= 0]))
    settings = run.settings
    return injections.images(
        block, host_pixels(run, positions), settings.injections, settings.seed, sources=run.sources
    )


def picked_images(run: Run, cell: xr.Dataset, picked: Sequence[tuple[int, int]]) -> np.ndarray:
    """Images of some trials of one (psf_fwhm, depth), which are told by their places along theta_e and trial, rendered
    at once: (picked, band, y, x), nanomaggy.
    """
    first = cell["theta_e"].values[:1]  # an image depends on the Einstein radius that was drawn, not on the column
    parts = [cell.isel(theta_e=[i], trial=[n]).assign_coords(theta_e=first) for i, n in picked]
    return injected_images(run, xr.concat(parts, "trial"))


def gallery_images(run: Run, gallery: pd.DataFrame) -> np.ndarray:
    """Pixels of the gallery's rows, (n, band, y, x) in nanomaggy and g, r, z: cutouts as they are, injections rendered
    again.
    """
    from lenscal import cutouts

    size = run.settings.injections.size
    store = run.store("cutouts")
    shown = [store["band"].values.tolist().index(band) for band in schema.BANDS]
    out = np.empty((len(gallery), len(shown), size, size), "float32")
    trial = gallery["trial"].to_numpy(float) if "trial" in gallery else np.full(len(gallery), np.nan)
    plain = np.flatnonzero(~(trial >= 0))
    if plain.size:
        place = pd.Index(store["galaxy_id"].values).get_indexer(gallery["galaxy_id"].to_numpy()[plain])
        if (place < 0).any():
            lost = gallery["galaxy_id"].to_numpy()[plain[np.argmin(place)]]
            raise InputError(f"galaxy {lost} is to be pictured but has no cutout; open both from one run")
        order = np.argsort(place, kind="stable")
        images = cutouts.crop(store["image"].isel(galaxy=place[order], band=shown).load(), size)
        out[plain[order]] = images.transpose("galaxy", "band", "y", "x").values
    if plain.size == len(gallery):
        return out
    injections = run.store("injections")
    for (psf, depth), rows in gallery[trial >= 0].groupby(["psf_fwhm", "depth"]).indices.items():
        cell = (
            injections.sel(psf_fwhm=[psf], depth=[depth], method="nearest").drop_vars("image", errors="ignore").load()
        )
        at = np.flatnonzero(trial >= 0)[rows]
        columns = cell.indexes["theta_e"].get_indexer(gallery["theta_e"].to_numpy()[at], method="nearest")
        out[at] = picked_images(run, cell, list(zip(columns, trial[at].astype(int))))[:, shown]
    return out
