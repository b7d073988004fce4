"""Trials of a run as a table: conditions, source and host of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError

CONDITIONS = ("theta_e", "psfsize_r", "psfdepth_r")

SOURCE = ("lensed_mag_r", "lensed_colour_gr", "lensed_colour_rz", "beta_fraction", "r_e", "n", "source_q", "q")

HOST = (
    "host_mag_z",
    "host_colour_gr",
    "host_colour_rz",
    "host_log_radius",
    "host_ellipticity",
    "host_sersic",
    "host_neighbours",
)


def table_of(injections: xr.Dataset, scores: xr.Dataset) -> pd.DataFrame:
    """Scored trials of a run, one row each: `FEATURES`, galaxy_id, injection_id, score, and the
    densities that are stored.

    Parameters
    ----------
    injections, scores : Datasets (theta_e, psf_fwhm, depth, trial)
        As `schema.INJECTIONS` and `schema.SCORES_INJECTIONS`, of one run.

    Raises
    ------
    ValueError
        Trials without what tells a population: made before hosts had features, or of stamps without a catalogue.
    """
    names = {
        "theta_e": "theta_e_drawn",
        "psfsize_r": "host_psfsize_r",
        "psfdepth_r": "host_psfdepth_r",
        "beta_fraction": "beta_fraction",
        "r_e": "r_e",
        "n": "n",
        "source_q": "source_q",
        "q": "q",
        **{name: name for name in HOST},
    }
    if missing := [name for name in names.values() if name not in injections]:
        raise InputError(f"selection: the injections lack {', '.join(missing)}; do the stage injections again")
    flat = lambda array: array.transpose(*schema.TRIAL).values.ravel()  # noqa: E731
    table = pd.DataFrame({name: flat(injections[source]).astype(float) for name, source in names.items()})
    magnitudes = {
        str(band): flat(injections["lensed_mag"].sel(band=band)).astype(float) for band in injections["band"].values
    }
    table["lensed_mag_r"] = magnitudes["r"]
    table["lensed_colour_gr"], table["lensed_colour_rz"] = (
        magnitudes["g"] - magnitudes["r"],
        magnitudes["r"] - magnitudes["z"],
    )
    for name in ("galaxy_id", "injection_id"):
        table[name] = flat(injections[name])
    for name in ("log_density_host", "log_density_survey", "log_density_lens_like", "log_density_source"):
        if name in injections:
            table[name] = flat(injections[name])
    table["score"] = flat(scores["score"]).astype(float)
    return table[np.isfinite(table["score"])].reset_index(drop=True)


def features_of(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `found_missed` with the columns of `FEATURES` that are in it under other names."""
    bands = {band: table[f"lensed_mag_{band}"].astype(float) for band in "grz" if f"lensed_mag_{band}" in table}
    more = {"theta_e": "theta_e_drawn", "psfsize_r": "host_psfsize_r", "psfdepth_r": "host_psfdepth_r"}
    own = {name: table[source].astype(float) for name, source in more.items() if source in table}
    if len(bands) == len("grz"):
        own["lensed_colour_gr"], own["lensed_colour_rz"] = bands["g"] - bands["r"], bands["r"] - bands["z"]
    return table.assign(**own)
