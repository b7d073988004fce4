"""Trials drawn from a prior as a run draws them, with scores and thresholds."""

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.injections import priors
from lenscal.kernels import draws

HASH = "ab" * 32
GRID = {
    "theta_e": {"start": 1.0, "stop": 1.5, "step": 0.5},
    "psf_fwhm": {"start": 1.1, "stop": 1.4, "step": 0.3},
    "depth": {"start": 23.5, "stop": 23.5, "step": 0.5},
}
DRAWN = config.Injections(grid=GRID, trials=40, prior="compact-arcs", magnification=(3.0, 30.0))


def hosts(cell, weights):
    probability = np.asarray(weights, float) / np.sum(weights)
    return pd.DataFrame(
        {
            "galaxy_id": 1000 * (cell + 1) + np.arange(len(weights)),
            "rank": np.arange(len(weights)),
            "density_drawn": probability,
            "density_survey": 1 / len(weights),
        }
    )


def run_of(densities=True):
    parts = []
    for cell, psf in enumerate((1.1, 1.4)):
        own = hosts(cell, np.arange(1, 9))
        if not densities:
            own = own[["galaxy_id", "rank"]]
        parts.append(priors.draw(psf, 23.5, own, DRAWN, seed=3))
    injections = xr.concat(parts, "psf_fwhm")
    failure = np.full(injections["q"].shape, "", object)
    failure[0, 0, 0, 5] = "no PSF"
    score = draws.uniform(1, "score", injections["injection_id"].values.ravel()).reshape(failure.shape) - 0.5
    score[failure != ""] = np.nan
    injections = injections.assign(failure=(schema.TRIAL, failure.astype(np.dtypes.StringDType()))).assign_attrs(
        prior=DRAWN.prior
    )
    scores = xr.Dataset(
        {"galaxy_id": injections["galaxy_id"], "score": (schema.TRIAL, score)}, attrs={"detector_hash": HASH}
    )
    thresholds = xr.Dataset(
        {"rate_requested": ("threshold", [0.01, 0.1])},
        coords={"threshold": [0.3, 0.0], "false_positive_rate": ("threshold", [0.009, 0.1])},
        attrs={"detector_hash": HASH},
    )
    return injections, scores, thresholds
