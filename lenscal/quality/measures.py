"""Quality of the cutouts: what each is made of, before anyone looks at it, and whether it is fit for use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr
from scipy.spatial import cKDTree

from lenscal import arclight, config, schema
from lenscal.errors import InputError
from lenscal.kernels import moments, pixels

CORE_PX = 8.0
OUTER_PX = (20.0, 33.0)
ANNULUS_ARCSEC = (1.0, 3.5)
STAR_MAG_MAX = 16.0
STAR_RADIUS = 900.0  # arcsec: the masks of the survey reach as far about its brightest stars
REASONS = (
    "no pixels",
    "band not observed",
    "constant image",
    "NaN in centre",
    "no sky noise",
    "noise unlike weights",
    "mask in centre",
    "masked fraction",
)
"""Why a cutout is not fit for use; the first that holds is given."""

_PER_GALAXY = {
    "nan_pixel_count": int,
    "nan_in_centre": bool,
    "dark_band": bool,
    "constant_band": bool,
    "bad_pixel_frac": float,
    "wise_brightmask_frac": float,
    "maskbit_frac_above_threshold": float,
    "masked_in_centre": bool,
    "core_brightness_r": float,
    "outer_brightness_r": float,
    "clip_frac_r": float,
    "bright_star_dist": float,
    "gaia_mag_nearest": float,
    "annulus_snr_r": float,
    "annulus_brightness_r": float,
    "arc_snr": float,
    "arc_radius": float,
}
_STATISTICS = (
    "mean",
    "std",
    "percentile_1",
    "median",
    "percentile_99",
)  # of the pixels, to normalise with; in r also under their own names
_PER_BAND = {
    **{f"pixel_{name}": float for name in _STATISTICS},
    "sigma": float,
    "noise_correlation": float,
    "sky_invvar": float,
}


def measure(cutouts: xr.Dataset, stars: pd.DataFrame, settings: config.Quality) -> xr.Dataset:
    """Quality of each cutout; lazy when the cutouts are, and the same for any chunks along `galaxy`.

    Parameters
    ----------
    cutouts : Dataset
        As declared in `schema.CUTOUTS`; whole images in every chunk.
    stars : DataFrame
        ra, dec (degree), gaia_phot_g_mean_mag; rows that are not brighter than 16 (or are 0) are not used, nor is what
        is farther than `STAR_RADIUS` from a galaxy.
    settings : config.Quality
        Radii, mask bits and limits.

    Returns
    -------
    Dataset
        As declared in `schema.QUALITY`. `reason` is one of `REASONS`, or empty where `cutout_ok`.
    """
    schema.CUTOUTS.check(cutouts)
    bands = [str(band) for band in cutouts["band"].values]
    if missing := [band for band in schema.BANDS if band not in bands]:
        raise InputError(f"quality: the cutouts have no band {missing}; {', '.join(schema.BANDS)} are all required")
    if cutouts.sizes["y"] != cutouts.sizes["x"]:
        raise InputError(f"quality: stamps are {cutouts.sizes['y']} x {cutouts.sizes['x']} px, not square")
    measured = xr.apply_ufunc(
        _measures,
        cutouts["image"],
        cutouts["invvar"],
        cutouts["mask"],
        cutouts["ra"],
        cutouts["dec"],
        cutouts["label"] == 1,
        kwargs={
            "bands": [bands.index(band) for band in schema.BANDS],  # arcs are of g, r, z, in whatever other bands
            "areas": _areas(cutouts.sizes["x"], settings),
            "bits": mask_bits(settings),
            "stars": _Stars(stars),
        },
        input_core_dims=[["band", "y", "x"], ["band", "y", "x"], ["y", "x"], [], [], []],
        output_core_dims=[[] for _ in _PER_GALAXY] + [["band"] for _ in _PER_BAND] + [["band", "lag_y", "lag_x"]],
        dask_gufunc_kwargs={"output_sizes": {"lag_y": pixels.LAG + 1, "lag_x": 2 * pixels.LAG + 1}},
        dask="parallelized",
        keep_attrs=False,
        output_dtypes=[*_PER_GALAXY.values(), *_PER_BAND.values(), float],
    )
    found = dict(zip([*_PER_GALAXY, *_PER_BAND, "noise_lags"], measured))
    dark, constant = found.pop("dark_band"), found.pop("constant_band")
    out = cutouts[["galaxy_id", "split", "pool", "band"]].assign(found).assign_coords(schema.LAGS)
    for band in bands:
        out[f"psf_fwhm_{band}"] = cutouts["psf_fwhm_core"].isel(band=bands.index(band), drop=True)
    out["psfdepth_r_centre"] = cutouts["psfdepth"].isel(band=bands.index("r"), drop=True)
    out["mad_r"] = out["sigma"].isel(band=bands.index("r"), drop=True)
    for name in _STATISTICS:
        out[f"{name}_r"] = out[f"pixel_{name}"].isel(band=bands.index("r"), drop=True)
    out["has_nan"] = out["nan_pixel_count"] > 0
    ratio = out["sigma"] ** 2 * out["sky_invvar"]  # NaN without weights, which are then not held against anything
    holds = [
        cutouts["failure"] != "",
        dark,
        constant,
        out["nan_in_centre"],
        ~(out["sigma"] > 0).all("band"),
        ((ratio < settings.cutout_noise_ratio_limits[0]) | (ratio > settings.cutout_noise_ratio_limits[1])).any("band"),
        out["masked_in_centre"],
        out["maskbit_frac_above_threshold"] > settings.masked_fraction_max,
    ]
    out["reason"] = xr.apply_ufunc(
        _first_reason, *holds, dask="parallelized", keep_attrs=False, output_dtypes=[np.dtypes.StringDType()]
    )
    out["cutout_ok"] = out["reason"] == ""
    out = out.drop_vars([name for name in out.coords if name not in schema.QUALITY.variables]).assign_attrs(
        cutouts.attrs
    )
    return schema.QUALITY.check(
        schema.QUALITY.describe(out[[name for name in schema.QUALITY.variables if name in out.variables]])
    )


def check(settings: config.Quality) -> None:
    """Refuse radii that no stamp has.

    Raises
    ------
    InputError
        The ring of the sky is none, or the centre is smaller than a pixel.
    """
    inner, outer = settings.sky_ring_px
    if not 0 < inner < outer:
        raise InputError(f"quality.sky_ring_px is {settings.sky_ring_px}; expected 0 < inner < outer, in pixels")
    if settings.central_radius_arcsec < schema.PIXEL_SCALE:
        raise InputError(
            f"quality.central_radius_arcsec is {settings.central_radius_arcsec} arcsec, less than a pixel of "
            f"{schema.PIXEL_SCALE} arcsec"
        )


def _areas(size: int, settings: config.Quality) -> dict[str, np.ndarray]:
    """Parts of a stamp that measures are taken on, (size, size) bool each."""
    check(settings)
    inner, outer = settings.sky_ring_px
    central = settings.central_radius_arcsec / schema.PIXEL_SCALE
    r = pixels.radius(size)
    return {
        "centre": r <= central,
        "mask": r < settings.mask_radius_px,
        "core": r <= CORE_PX,
        "outer": (r >= OUTER_PX[0]) & (r <= OUTER_PX[1]),
        "ring": pixels.ring(size, inner, outer),
        "annulus": (r * schema.PIXEL_SCALE >= ANNULUS_ARCSEC[0]) & (r * schema.PIXEL_SCALE <= ANNULUS_ARCSEC[1]),
    }


def mask_bits(settings: config.Quality) -> dict[str, int]:
    """Bits that exclude at the centre, that count for the fraction, and of WISE, as masks."""

    def union(names: Iterable[str]) -> int:
        return int(sum({1 << schema.maskbits()[name] for name in names}))

    return {
        "centre": union(settings.centre_bits),
        "area": union(settings.area_bits),
        "wise": union(["WISEM1", "WISEM2"]),
    }


class _Stars:
    """Bright stars, and the nearest of them to a position."""

    def __init__(self, stars: pd.DataFrame) -> None:
        stars = stars[["ra", "dec", "gaia_phot_g_mean_mag"]].astype(float).drop_duplicates()
        stars = stars[(stars["gaia_phot_g_mean_mag"] > 0) & (stars["gaia_phot_g_mean_mag"] < STAR_MAG_MAX)].dropna()
        stars = stars.sort_values(["gaia_phot_g_mean_mag", "ra", "dec"])
        self._magnitude = stars["gaia_phot_g_mean_mag"].to_numpy()
        self._tree = cKDTree(_unit(stars["ra"].to_numpy(), stars["dec"].to_numpy())) if len(stars) else None

    def nearest(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance [arcsec] and magnitude of the nearest star within `STAR_RADIUS`; NaN without one."""
        distance, magnitude = np.full(ra.shape, np.nan), np.full(ra.shape, np.nan)
        known = np.isfinite(ra) & np.isfinite(dec)
        if self._tree is not None and known.any():
            chord, index = self._tree.query(_unit(ra[known], dec[known]))
            distance[known] = np.rad2deg(2 * np.arcsin(np.minimum(chord / 2, 1))) * 3600
            magnitude[known] = self._magnitude[index]
            far = distance > STAR_RADIUS
            distance[far] = magnitude[far] = np.nan
        return distance, magnitude


def _unit(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    ra, dec = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _measures(
    image: np.ndarray,
    invvar: np.ndarray,
    mask: np.ndarray,
    ra: np.ndarray,
    dec: np.ndarray,
    lens: np.ndarray,
    *,
    bands: list[int],
    areas: dict[str, np.ndarray],
    bits: dict[str, int],
    stars: _Stars,
) -> tuple[np.ndarray, ...]:
    """The measures of `_PER_GALAXY` and `_PER_BAND`, in that order, and the lag table; arrays
    are (galaxy[, band], y, x).
    """
    image = np.ascontiguousarray(image, np.float32)
    unseen = ~np.isfinite(image)
    image = np.where(unseen, np.float32(np.nan), image)
    lowest = np.where(unseen, np.inf, image).min(axis=(-2, -1))
    highest = np.where(unseen, -np.inf, image).max(axis=(-2, -1))
    sky = areas["ring"] & ~pixels.sources(image, areas["ring"])
    level, sigma, correlation, lags = pixels.sky_statistics(image, sky)
    weight = np.where(unseen | ~(invvar > 0), np.float32(np.nan), invvar).astype(np.float32)
    red = bands[schema.BANDS.index("r")]
    r = image[..., red, :, :]
    mean = moments.mean(r, areas["annulus"]) - level[..., red]
    with np.errstate(invalid="ignore", divide="ignore"):
        snr = mean * np.sqrt(areas["annulus"].sum() / correlation[..., red]) / sigma[..., red]
        brightness = np.where(mean > 0, schema.ZEROPOINT - 2.5 * np.log10(mean / schema.PIXEL_SCALE**2), np.nan)
    distance, magnitude = stars.nearest(ra, dec)
    return (
        unseen.sum(axis=(-3, -2, -1)),
        (unseen & areas["centre"]).any(axis=(-3, -2, -1)),
        unseen.all(axis=(-2, -1)).any(axis=-1),
        (lowest == highest).any(axis=-1),
        (~(invvar > 0)).any(axis=-3).mean(axis=(-2, -1)),
        ((mask & bits["wise"]) != 0).mean(axis=(-2, -1)),
        ((mask & bits["area"]) != 0).mean(axis=(-2, -1)),
        (((mask & bits["centre"]) != 0) & areas["mask"]).any(axis=(-2, -1)),
        moments.mean(r, areas["core"]),
        moments.mean(r, areas["outer"]),
        moments.clipped(r, level[..., red], sigma[..., red]),
        distance,
        magnitude,
        snr,
        brightness,
        *_arc(image[..., bands, :, :], sigma[..., bands], correlation[..., bands], lens),
        *moments.moments(image),
        sigma,
        correlation,
        moments.median(weight, areas["ring"]),
        lags,
    )


def _arc(
    image: np.ndarray, sigma: np.ndarray, correlation: np.ndarray, lens: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """SNR and radius [arcsec] of the arcs of positives; NaN for others, and where a band has no pixel or no noise."""
    snr, radius = np.full(lens.shape, np.nan), np.full(lens.shape, np.nan)
    with np.errstate(invalid="ignore"):
        known = (
            lens & ((sigma > 0) & (correlation > 0)).all(axis=-1) & np.isfinite(image).any(axis=(-2, -1)).all(axis=-1)
        )
    if known.any():
        light = arclight.measured(image[known], sigma[known], correlation[known])
        snr[known], radius[known] = light.snr, light.arcs.radius * schema.PIXEL_SCALE
    return snr, radius


def _first_reason(*holds: np.ndarray) -> np.ndarray:
    """Of the conditions in the order of `REASONS`, the name of the first that holds."""
    text = np.dtypes.StringDType()
    out = np.full(np.broadcast_shapes(*(np.shape(h) for h in holds)), "", text)
    for reason, hold in reversed(list(zip(REASONS, holds))):
        out = np.where(hold, np.array(reason, text), out)
    return out
