"""The density that a trial was drawn with: of its cell, its host, its lens and its source, and of all together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal.errors import InputError
from lenscal.injections import priors
from lenscal.injections.prior_sets import prior_sets

PARTS = {
    "log_density_condition": ("1", "ln of the share of all trials that were drawn at this seeing and depth"),
    "log_density_theta_e": (
        "ln(arcsec^-1)",
        "ln of the density of theta_e_drawn at this seeing and depth: share of the trials in its bin over the bin's "
        "width",
    ),
    "log_density_host": (
        "1",
        "ln of the probability with which the host was drawn among those of its seeing and depth",
    ),
    "log_density_parameters": (
        "ln(arcsec^-3 rad^-3 mag^-3)",
        "ln of the prior's density of q, phi, gamma1, gamma2, lens_x, lens_y, beta_fraction, the angle of the offset, "
        "n, r_e, source_q, source_phi, unlensed r magnitude and the colours g - r and r - z, each in its unit",
    ),
    "log_density_acceptance": (
        "1",
        "minus ln of the share of proposals whose magnification is in the range, at this theta_e: trials over "
        "proposals, an estimate",
    ),
}
"""Columns whose sum is `log_density`: unit and meaning."""
TOTAL = "log_density"
ABOUT_TOTAL = (
    "ln(arcsec^-4 rad^-3 mag^-3)",
    "ln of the density that the trial was drawn with over all that was drawn: the sum of log_density_condition, "
    "_theta_e, _host, _parameters and _acceptance; counting measure for seeing, depth and host, Lebesgue measure for "
    "the rest",
)


def with_densities(table: pd.DataFrame, step: float, prior: str, extra: str = "") -> pd.DataFrame:
    """The table with the columns `PARTS` and their sum `log_density`; NaN where a trial has no host.

    Trials that failed were drawn as well, and count in every share.

    Parameters
    ----------
    table : DataFrame
        One row a trial: cell_theta_e, cell_psf_fwhm, cell_depth, galaxy_id, proposals, the parameters of
        `schema.INJECTIONS`, and log_density_host and log_density_source where the run stored them.
    step : float
        Width of a bin of theta_e, arcsec.
    prior : str
        Name of the prior set; it is asked where log_density_source is not stored.
    extra : str
        As in `prior_sets`.

    Raises
    ------
    InputError
        log_density_source is not stored, and no prior set has that name.
    """
    drawn = table["galaxy_id"].to_numpy() >= 0
    out = table.copy()
    condition = _counted(table, drawn, ["cell_psf_fwhm", "cell_depth"])
    cell = _counted(table, drawn, ["cell_psf_fwhm", "cell_depth", "cell_theta_e"])
    with np.errstate(divide="ignore", invalid="ignore"):
        out["log_density_condition"] = np.where(drawn, np.log(condition / drawn.sum()), np.nan)
        out["log_density_theta_e"] = np.where(drawn, np.log(cell / condition) - np.log(step), np.nan)
        if "log_density_host" not in table:
            out["log_density_host"] = np.where(drawn, -np.log(_hosts(table, drawn)), np.nan)
        source = (
            table["log_density_source"].to_numpy(float)
            if "log_density_source" in table
            else _source(table, step, prior, extra)
        )
        out["log_density_parameters"] = np.where(drawn, source + np.log(step), np.nan)
        per = [table["cell_theta_e"].to_numpy()[drawn]]
        proposals = pd.Series(table["proposals"].to_numpy(float)[drawn]).groupby(per).transform("mean").to_numpy()
        out["log_density_acceptance"] = np.nan
        out.loc[drawn, "log_density_acceptance"] = np.log(proposals)
    out[TOTAL] = out[list(PARTS)].sum(axis=1, skipna=False)
    return out.drop(columns="log_density_source", errors="ignore")


def _counted(table: pd.DataFrame, drawn: np.ndarray, by: list[str]) -> np.ndarray:
    """Trials with a host that have the same values in some columns."""
    return pd.Series(drawn.astype(float)).groupby([table[name].to_numpy() for name in by]).transform("sum").to_numpy()


def _hosts(table: pd.DataFrame, drawn: np.ndarray) -> np.ndarray:
    """Hosts of the condition of each trial: dealt in turn, each is as probable as the others."""
    by = [table[name].to_numpy() for name in ("cell_psf_fwhm", "cell_depth")]
    return table["galaxy_id"].where(drawn).groupby(by).transform("nunique").to_numpy(float)


def _source(table: pd.DataFrame, step: float, prior: str, extra: str) -> np.ndarray:
    if prior not in prior_sets(extra):
        raise InputError(
            f"found_missed: the injections store no log_density_source, and their prior '{prior}' is none of the "
            f"sets {', '.join(prior_sets(extra))}; do the stage injections again"
        )
    names = {f"mag_{band}": f"source_mag_{band}" for band in "grz"} | {"theta_e": "theta_e_drawn"}
    columns = {name: table[names.get(name, name)].to_numpy(float) for name in (*names, *_NEEDED)}
    return priors.log_density(prior, columns, step, extra)


_NEEDED = (
    *("q", "phi", "gamma1", "gamma2", "lens_x", "lens_y", "beta_fraction", "n", "r_e", "source_q", "source_phi"),
    *("source_x", "source_y"),
)
