"""What several test modules build on; taken by those of `test_injections.py` first."""

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.injections import priors
from lenscal.kernels import light, widths

SIGMA = np.array([0.0017, 0.0024, 0.0079])


LAGS = np.zeros((4, 7))  # a coadd's, that sums to SUM
LAGS[0, 3], LAGS[0, 2], LAGS[0, 4], LAGS[1, 3] = 1, 0.25, 0.25, 0.25


GRID = {
    "theta_e": {"start": 1.0, "stop": 2.0, "step": 0.5},
    "psf_fwhm": {"start": 0.9, "stop": 1.8, "step": 0.15},
    "depth": {"start": 22.5, "stop": 24.5, "step": 0.5},
}


def settings(**changes):
    return config.Injections(**{"grid": GRID, "trials": 12, "hosts_min": 3, "size": 64, **changes})


def moffats(widths_, beta=2.5):
    images = [light.moffat(light.moffat_fwhm(float(w), beta), beta, 61, 0.262) for w in np.ravel(widths_)]
    return np.reshape(images, (*np.shape(widths_), 61, 61))


def make_hosts(count=5, size=101, sigma=SIGMA, seed=0):
    rng = np.random.default_rng(seed)
    text = np.dtypes.StringDType()
    columns = {
        name: ("galaxy", np.full(count, "SER").astype(text) if v.dtype == "str" else np.zeros(count, v.dtype))
        for name, v in schema.GALAXY_COORDS.items()
    }
    image = (rng.normal(size=(count, 3, size, size)) * sigma[:, None, None]).astype("f4")
    width = np.broadcast_to([1.3, 1.2, 1.1], (count, 3)).astype("f4")
    per_band = ("galaxy", "band")
    hosts = xr.Dataset(
        {
            "image": ((*per_band, "y", "x"), image),
            "invvar": ((*per_band, "y", "x"), np.ones_like(image) / (2 * sigma**2).astype("f4")[:, None, None]),
            "mask": (("galaxy", "y", "x"), np.zeros((count, size, size), "i4")),
            "psfsize": (per_band, width),
            "psf_fwhm_core": (per_band, light.moffat_fwhm(width, 2.5)),
            "psf_beta": (per_band, np.full_like(width, 2.5)),
            "psfdepth": (per_band, widths.depth(np.broadcast_to(sigma, (count, 3)), 2.0, moffats(width)).astype("f4")),
            "sigma": (per_band, np.broadcast_to(sigma, (count, 3)).astype("f4"), {"units": "nanomaggy"}),
            "noise_correlation": (per_band, np.full_like(width, 2.0), {"units": "1"}),
            "noise_lags": (
                (*per_band, "lag_y", "lag_x"),
                np.broadcast_to(LAGS, (count, 3, 4, 7)).astype("f4"),
                {"units": "1"},
            ),
            "failure": ("galaxy", np.full(count, "").astype(text)),
            **columns,
        },
        coords={"band": np.array(schema.BANDS)},
    )
    hosts["galaxy_id"] = "galaxy", np.arange(count) * 7 + 100
    hosts["psfsize_r"], hosts["psfdepth_r"] = ("galaxy", width[:, 1]), ("galaxy", np.full(count, 23.6, "f4"))
    hosts["mag_r"] = "galaxy", np.full(count, np.nan, "f4")
    hosts["host"], hosts["cutout_ok"] = ("galaxy", np.ones(count, bool)), ("galaxy", np.ones(count, bool))
    return schema.CUTOUTS.describe(hosts)


def parameters(count=6, seed=2):
    drawn = priors.propose("observed-colours", np.linspace(0.8, 2.0, count), np.arange(count), seed, 0)
    return pd.DataFrame(drawn).drop(columns="beta_fraction")


def galaxy_stamp():
    r = np.arange(81) - 40.0
    image = light.sersic(r * 0.03, r[:, None] * 0.03, 1.0, 0.25, 0.7, 0.3)
    return {"image": (image / image.sum()).astype("f4"), "pixel_scale": 0.03, "name": "exponential"}
