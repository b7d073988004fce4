"""Hosts and PSFs in g, r, i, z."""

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.kernels import light


def hosts(three):
    """Hosts with a plane of i of its own between r and z."""
    i = three.isel(band=[1]).assign_coords(band=["i"])
    i["image"] = i["image"].copy(data=i["image"].values[..., ::-1, :] * np.float32(1.5))
    i["sigma"], i["invvar"] = i["sigma"].copy(data=i["sigma"] * 1.5), i["invvar"].copy(data=i["invvar"] / 1.5**2)
    for name in ("psfsize", "psf_fwhm_core"):
        i[name] = i[name].copy(data=i[name] * 0.9)
    parts = [three.isel(band=slice(0, 2)), i, three.isel(band=slice(2, 3))]
    plain = [name for name in three.variables if "band" not in three[name].dims]
    joined = xr.concat([part.drop_vars(plain) for part in parts], "band")
    return schema.CUTOUTS.describe(joined.assign({name: three[name] for name in plain}))


def psf(bands, size=31):
    """An effective PSF with a width of its own in each band, (band, psf_y, psf_x)."""
    image = np.stack([light.moffat(0.9 + 0.1 * "griz".index(band), 2.5, size, schema.PIXEL_SCALE) for band in bands])
    return xr.DataArray(
        image, dims=("band", "psf_y", "psf_x"), coords={"band": list(bands)}, attrs={"includes_pixel": True}
    )
