"""Images of experiments: crops of cutouts, systems of any parameters in any hosts, scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.audit.products import Run
from lenscal.kernels import magnitudes

BLOCK = 512  # images rendered at once
NOISE = ("sigma", "noise_correlation", "noise_lags")


def crops(run: Run, pixels: xr.Dataset) -> np.ndarray:
    """Cutouts (galaxy, band, y, x) as injections are cropped, bands by wavelength."""
    from lenscal import cutouts

    image = cutouts.crop(pixels["image"].transpose("galaxy", "band", "y", "x"), run.settings.injections.size)
    return image.values[:, bands_of(pixels)]


def bands_of(pixels: xr.Dataset) -> list[int]:
    """Places of the bands of the pixels, by wavelength."""
    found = [str(band) for band in pixels["band"].values]
    return [found.index(band) for band in schema.OPTICAL if band in found]


def scored(run: Run, images: np.ndarray, detector: object | None = None) -> np.ndarray:
    """Scores by the frozen detector, or another one; NaN without pixels."""
    frozen = run.detector if detector is None else detector
    order = [run.settings.survey.bands.index(band) for band in frozen.bands]
    return frozen.score(np.asarray(images, np.float32)[:, order], run.settings.scores.batch).astype(float)


def system_scores(
    run: Run, table: pd.DataFrame, hosts: xr.Dataset, settings: config.Injections | None = None
) -> np.ndarray:
    """Scores of the images of `systems`, a block at a time."""
    parts = [np.empty(0)]
    for start in range(0, len(table), BLOCK):
        parts.append(scored(run, systems(run, table.iloc[start : start + BLOCK], hosts, settings)))
    return np.concatenate(parts)


def systems(run: Run, table: pd.DataFrame, hosts: xr.Dataset, settings: config.Injections | None = None) -> np.ndarray:
    """Images of systems by the injections' own engine.

    Parameters
    ----------
    run : Run
    table : DataFrame
        galaxy_id (of a host), id, theta_e, q, phi, gamma1, gamma2, lens_x, lens_y, n, r_e, source_q, source_phi,
        offset_x, offset_y (of the source from the lens, over theta_e), lensed_mag_r, lensed_colour_gr,
        lensed_colour_rz: the images of the source together have these, and in i the magnitude between those in r and
        z.
    hosts : Dataset (galaxy)
        Cutouts with noise measures.
    settings : config.Injections, optional
        The run's by default.

    Returns
    -------
    (n, band, y, x) array
        NaN where a system cannot be made.
    """
    from lenscal import injections
    from lenscal.injections import rendering, sources

    settings = run.settings.injections if settings is None else settings
    own = {
        name: table[name].to_numpy(float)
        for name in (
            "q",
            "phi",
            "gamma1",
            "gamma2",
            "lens_x",
            "lens_y",
            "n",
            "r_e",
            "source_q",
            "source_phi",
            "theta_e",
        )
    }
    for axis in "xy":
        own[f"source_{axis}"] = own[f"lens_{axis}"] + table[f"offset_{axis}"].to_numpy(float) * own["theta_e"]
    lensed = {"r": table["lensed_mag_r"].to_numpy(float)}
    lensed |= {
        "g": lensed["r"] + table["lensed_colour_gr"].to_numpy(float),
        "z": lensed["r"] - table["lensed_colour_rz"].to_numpy(float),
    }
    lensed["i"] = magnitudes.i_between(lensed["r"], lensed["z"])
    ids, stamps = table["id"].to_numpy(np.int64), stamps_of(run, settings)
    bands = [str(band) for band in hosts["band"].values]
    values = own | {f"mag_{band}": lensed[band] for band in bands}
    components = sources.of_kind(
        settings.source, values, ids, run.settings.seed, sources.prepare(settings.source, stamps), schema.PIXEL_SCALE
    )
    magnification = rendering.magnification(values, components)
    columns = {("theta_e_drawn" if name == "theta_e" else name): value for name, value in own.items()}
    columns |= {f"source_mag_{band}": lensed[band] + 2.5 * np.log10(magnification) for band in bands}
    columns |= {"magnification": magnification, "galaxy_id": table["galaxy_id"].to_numpy(np.int64), "injection_id": ids}
    block = xr.Dataset(
        {name: (schema.TRIAL, value.reshape(1, 1, 1, -1)) for name, value in columns.items()},
        coords={name: [np.nan] for name in schema.AXES},
    )
    used = np.unique(table["galaxy_id"].to_numpy(np.int64))
    near = hosts.isel(galaxy=np.flatnonzero(np.isin(hosts["galaxy_id"].values, used)))
    return injections.images(schema.INJECTIONS.describe(block), near, settings, run.settings.seed, sources=stamps)


def stamps_of(run: Run, settings: config.Injections) -> list[dict] | None:
    """Galaxy stamps where the source is one."""
    if settings.source != "stamps":
        return None
    from lenscal.io.cosmos import read_cosmos

    return run.sources or read_cosmos(settings.source_stamps)
