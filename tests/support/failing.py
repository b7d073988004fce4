"""What several test modules build on; taken by those of `test_failures.py` first."""

import numpy as np
import xarray as xr
from scipy.special import expit

from lenscal import schema


def scored(**columns):
    """Scores of cutouts; what is not given is empty or 0."""
    n = len(columns["score"])
    data = {}
    for name, variable in schema.SCORES_CUTOUTS.variables.items():
        default = np.full(n, "", object) if variable.dtype == "str" else np.zeros(n, variable.dtype)
        value = columns.get(name, default)
        value = np.array(np.broadcast_to(np.array(value, object if variable.dtype == "str" else None), n))
        data[name] = ("galaxy", value)
    data["galaxy_id"] = ("galaxy", np.asarray(columns.get("galaxy_id", 10**13 + np.arange(n))))
    score = np.asarray(columns["score"], "f4")
    data |= {"probability": ("galaxy", expit(score)), "cutout_ok": ("galaxy", np.isfinite(score))}
    return schema.SCORES_CUTOUTS.describe(xr.Dataset(data))


def thresholds(*values, n_false=10, n_negatives=1000):
    rate = np.array([0.01, 0.001])[: len(values)]
    coords = {"threshold": list(values), "false_positive_rate": ("threshold", rate)}
    numbers = {"n_false": n_false, "n_negatives": n_negatives}
    return xr.Dataset({name: ("threshold", np.full(len(values), value)) for name, value in numbers.items()}, coords)


def of(table, group, value, column):
    row = table[(table["group"] == group) & (table["value"] == value)]
    assert len(row) == 1
    return row[column].iloc[0]


def injected(seed=1, hosts=20, trials=60, spread=0.0):
    rng = np.random.default_rng(seed)
    theta_e = np.array([0.5, 1.0, 1.5])
    shape = (3, 2, 1, trials)
    number = np.broadcast_to(np.arange(trials) % hosts, shape)
    column = np.arange(2).reshape(1, 2, 1, 1)
    effect = rng.normal(size=(2, hosts))
    score = rng.normal(size=shape) + 2 * (theta_e - 1)[:, None, None, None] + spread * effect[column, number]
    score[:, 0, 0, 5] = np.nan
    host = 10**13 + 1000 * column + number
    axes = {
        "theta_e": ("theta_e", theta_e, {"units": "arcsec"}),
        "psf_fwhm": ("psf_fwhm", [1.1, 1.4], {"units": "arcsec"}),
    }
    axes["depth"] = ("depth", [24.0], {"units": "mag(AB)"})
    data = {
        "galaxy_id": host,
        "host_type": np.where(number % 2, "SER", "DEV").astype(object),
        "host_mag_r": rng.uniform(15, 22, shape),
        "magnification": rng.uniform(5, 30, shape),
        "beta_fraction": rng.uniform(0.1, 0.4, shape),
        "arc_snr": np.where(rng.random(shape) < 0.05, np.nan, rng.uniform(0, 100, shape)),
        "failure": np.where(np.isnan(score), "no host", "").astype(object),
    }
    injections = schema.INJECTIONS.describe(
        xr.Dataset({name: (schema.TRIAL, value) for name, value in data.items()}, axes)
    )
    values = {"galaxy_id": host, "score": score.astype("f4"), "probability": score.astype("f4")}
    return injections, schema.SCORES_INJECTIONS.describe(
        xr.Dataset({name: (schema.TRIAL, value) for name, value in values.items()}, axes)
    )
