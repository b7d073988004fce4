"""Pixels of a run: of hosts as they are, of injections rendered again, of a gallery that holds both."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal.audit.products import Run


def host_pixels(run: Run, positions: np.ndarray) -> xr.Dataset:
    """Cutouts and quality of the hosts at these rows, in memory."""
    rows = np.sort(np.asarray(positions, dtype=np.int64))
    pixels = run.store("cutouts").isel(galaxy=rows)
    quality = run.store("quality").reset_coords().isel(galaxy=rows)
    names = [name for name in ("sigma", "noise_correlation", "noise_lags") if name in quality]
    return pixels.assign({name: quality[name] for name in names}).load()


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


def gallery_images(run: Run, gallery: pd.DataFrame) -> np.ndarray:
    """Pixels of the gallery's rows, (n, band, y, x) in nanomaggy: cutouts as they are, injections rendered again."""
    from lenscal import cutouts

    size = run.settings.injections.size
    store = run.store("cutouts")
    position = {int(value): i for i, value in enumerate(store["galaxy_id"].values)}
    injections = run.store("injections")
    out = []
    for row in gallery.to_dict("records"):
        if np.isfinite(row.get("trial", np.nan)) and row["trial"] >= 0:
            cell = injections.sel(
                psf_fwhm=[row["psf_fwhm"]], depth=[row["depth"]], theta_e=[row["theta_e"]], method="nearest"
            )
            out.append(injected_images(run, cell.isel(trial=[int(row["trial"])]).load())[0])
        else:
            image = store["image"].isel(galaxy=position[int(row["galaxy_id"])]).load()
            out.append(cutouts.crop(image, size).values)
    return np.stack(out) if out else np.empty((0, len(store["band"]), size, size), "float32")
