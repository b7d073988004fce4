"""What several test modules build on; taken by those of `test_completeness.py` first."""

import numpy as np
import xarray as xr

from lenscal import config, schema

HASH = "ab" * 32


UNITS = {"theta_e": "arcsec", "psf_fwhm": "arcsec", "depth": "mag(AB)"}


def axes(theta_e=(1.0, 1.5, 2.0), psf_fwhm=(1.1, 1.4), depth=(23.5, 24.0)):
    return {
        dim: (dim, np.array(values), {"units": UNITS[dim]}) for dim, values in zip(UNITS, (theta_e, psf_fwhm, depth))
    }


def thresholds(*values):
    rate = np.array([0.01, 0.001, 0.0001])[: len(values)]
    ends = {
        "lower": (("threshold", "level"), rate[:, None] * [0.8, 0.5]),
        "upper": (("threshold", "level"), rate[:, None] * [1.2, 2.0]),
    }
    coords = {"threshold": list(values), "false_positive_rate": ("threshold", rate), "level": list(schema.LEVELS)}
    out = xr.Dataset(ends, coords, {"detector_hash": HASH})
    for name in out.variables:
        out[name].attrs["units"] = "1"
    return out


def survey(score, host, coords=None, failure=None):
    """Injections and their scores; a trial without score has failed."""
    failure = np.where(np.isnan(score), "no host", "") if failure is None else failure
    coords = coords or axes()
    injections = {"galaxy_id": (schema.TRIAL, host), "failure": (schema.TRIAL, failure.astype(object))}
    scores = {
        "galaxy_id": (schema.TRIAL, host),
        "score": (schema.TRIAL, score),
        "probability": (schema.TRIAL, score * 0),
    }
    return (
        schema.INJECTIONS.describe(xr.Dataset(injections, coords)),
        schema.SCORES_INJECTIONS.describe(xr.Dataset(scores, coords, {"detector_hash": HASH})),
    )


def drawn(seed=1, trials=24, hosts=6, **kwargs):
    """Scores that rise with theta_e; the last cell has no host, and one trial has failed."""
    rng = np.random.default_rng(seed)
    coords = axes(**kwargs)
    shape = tuple(len(coords[dim][1]) for dim in UNITS)
    cell = np.arange(shape[1] * shape[2]).reshape(1, *shape[1:], 1)
    host = np.broadcast_to(10**13 + cell * 100 + np.arange(trials) % hosts, (*shape, trials)).copy()
    score = (rng.normal(size=host.shape) + coords["theta_e"][1][:, None, None, None] - 1.5).astype("f4")
    host[:, -1, -1], score[:, -1, -1] = -1, np.nan
    score[0, 0, 0, 3] = np.nan
    return survey(score, host, coords)


SETTINGS_2 = config.Completeness(trials_min=20, hosts_min=5, false_positive_rates=[0.01, 0.001])
