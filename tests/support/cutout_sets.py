"""What several test modules build on; taken by those of `test_quality.py` first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.config import Quality

SETTINGS = Quality()


SIZE = 101


SIGMA = np.array([0.002, 0.003, 0.008], "f4")


STARS = pd.DataFrame(
    {"ra": [150.0, 150.01, 150.0], "dec": [2.01, 2.0, 2.0005], "gaia_phot_g_mean_mag": [12.5, 15.9, 16.5]}
)


def cutouts(n=12, size=SIZE, seed=0):
    """Galaxies on a white sky whose inverse variance is true."""
    rng = np.random.default_rng(seed)
    text = np.dtypes.StringDType()
    image = rng.normal(size=(n, 3, size, size)).astype("f4") * SIGMA[:, None, None]
    yy, xx = np.mgrid[:size, :size] - (size - 1) / 2
    image += (0.2 * np.exp(-(yy**2 + xx**2) / 2 / 3.0**2)).astype("f4")
    dims = ("galaxy", "band", "y", "x")
    data = {
        "image": (dims, image),
        "invvar": (dims, np.broadcast_to(1 / SIGMA[:, None, None] ** 2, image.shape).copy()),
        "mask": (("galaxy", "y", "x"), np.zeros((n, size, size), "i4")),
    }
    for name, variable in schema.CUTOUTS.variables.items():
        if name in data or name == "psf":
            continue
        if variable.dims == ("galaxy",):
            data[name] = ("galaxy", np.full(n, "", text) if variable.dtype == "str" else np.zeros(n, variable.dtype))
        elif variable.dims == ("galaxy", "band"):
            data[name] = (variable.dims, np.tile(np.float32([1.1, 1.2, 1.3]), (n, 1)))
    data["band"] = ("band", np.array(schema.BANDS, text))
    data["galaxy_id"] = ("galaxy", np.arange(n) + 100)
    data["ra"] = ("galaxy", np.full(n, 150.0))
    data["dec"] = ("galaxy", np.full(n, 2.0))
    data["split"] = ("galaxy", np.array(["train", "val", "test"] * n, text)[:n])
    return schema.CUTOUTS.describe(xr.Dataset(data))
