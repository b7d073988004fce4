"""Whether the numbers that an injection rests on are those of the pixels it goes into: gain, PSF
width, depth, zeropoint.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.errors import LenscalError
from lenscal.gates import Gate, absent
from lenscal.kernels import light, moments, noise, pixels, widths

FACTOR_MAX = 1.5  # of gains
WIDTH_RATIO = 0.9, 1.1  # width of the PSF over PSFSIZE
CORE_RATIO = 0.6, 0.95  # core FWHM over PSFSIZE: 0.72-0.86 for Moffat profiles, 1 for a Gaussian
DEPTH_MAX = 0.5  # magnitudes, median
ZEROPOINT_MAX = 0.5  # magnitudes, median
APERTURE_PX = 15.0  # 4 arcsec: most of a galaxy's light, few neighbours
NOISY_FACTOR, NOISY_SHARE_MAX = 2.0, 0.05  # one host's noise correlation is known to a third or so
HOST_MEASURES = ("psf_width_ratio", "psf_core_ratio", "depth_offset")  # (galaxy, band); and zeropoint_offset (galaxy,)


class GainError(LenscalError, ValueError):
    """A configured gain that the pixels contradict."""


def of_hosts(hosts: xr.Dataset, psf: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of each host that the gates rest on.

    Parameters
    ----------
    hosts : Dataset (galaxy)
        Cutouts with `sigma` and `noise_correlation`.
    psf : (galaxy, band, y, x) array
        Effective PSF images as rendered with; all 0 where there is none.

    Returns
    -------
    dict
        psf_width_ratio (galaxy, band): the survey's own measure of width, of the PSF image, over PSFSIZE;
        psf_core_ratio (galaxy, band): FWHM of its core over PSFSIZE; depth_offset (galaxy, band): 5-sigma depth of the
        pixels' noise under that PSF less the depth column, mag; zeropoint_offset (galaxy,): magnitude of the pixels
        about the centre less the catalogue's mag_r, NaN without one.
    """
    value = {
        name: hosts[name].transpose("galaxy", "band").values.astype(float)
        for name in ("psfsize", "psfdepth", "sigma", "noise_correlation")
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        width, core = widths.psfsize(psf, schema.PIXEL_SCALE), light.core_fwhm(psf, schema.PIXEL_SCALE)
        depth = widths.depth(value["sigma"], value["noise_correlation"], psf)
        image = hosts["image"].isel(band=hosts["band"].values.tolist().index("r")).transpose("galaxy", "y", "x").values
        aperture = pixels.radius(image.shape[-1]) <= APERTURE_PX
        flux = moments.mean(image, aperture) * aperture.sum()
        magnitude = schema.ZEROPOINT - 2.5 * np.log10(flux)
    return {
        "psf_width_ratio": width / value["psfsize"],
        "psf_core_ratio": core / value["psfsize"],
        "depth_offset": depth - value["psfdepth"],
        "zeropoint_offset": magnitude - hosts["mag_r"].values.astype(float),
    }


def configured_gain(
    settings: config.Injections, pixel_gain: np.ndarray, bands: Sequence[str], where: str
) -> np.ndarray:
    """The gain of each host and band: the configured one where there is one, once the pixels agree,
    else that of the pixels.

    Parameters
    ----------
    settings : config.Injections
    pixel_gain : (host, band) array
        From the pixels' noise; NaN where that is not known.
    bands : sequence of str
        Of the gains.
    where : str
        Name of the block.

    Raises
    ------
    GainError
        A configured gain that differs by more than a factor 1.5 from the median of the hosts', with both numbers.
    """
    if settings.gain is None:
        return pixel_gain
    if lacking := [band for band in bands if band not in settings.gain]:
        raise GainError(f"injections: injections.gain has none for {', '.join(lacking)}, and the hosts have that band")
    out = np.array(pixel_gain)
    for b, band in enumerate(bands):
        given, known = settings.gain[band], pixel_gain[np.isfinite(pixel_gain[:, b]), b]
        if not known.size:
            continue
        measured = float(np.median(known))
        if not 1 / FACTOR_MAX <= given / measured <= FACTOR_MAX:
            sky = noise.DARK_SKY[band]
            excess = (
                f": light fainter than the dark sky ({sky:g} nanomaggy) would be noisier than the sky"
                if given < measured
                else ""
            )
            raise GainError(
                f"injections: {where}: injections.gain is {given:.4g} electrons per nanomaggy in {band}, but the "
                f"noise of the pixels of {known.size} hosts says {measured:.4g} (they may differ by a factor "
                f"{FACTOR_MAX:g}){excess}; give the gain of the sum of exposures, or leave injections.gain out to "
                "have it taken from the pixels"
            )
        out[:, b] = np.where(np.isfinite(pixel_gain[:, b]), given, np.nan)
    return out


def gates(injections: xr.Dataset, made: np.ndarray) -> list[Gate]:
    """Gain, shot noise, PSF width and depth in each band, and the zeropoint, over the trials that were
    made (bool, as `failure`).
    """
    out = []
    for b, band in enumerate(str(band) for band in injections["band"].values):
        value = {
            name: injections[name].isel(band=b).values[made].astype(float)
            for name in ("gain", "gain_ratio", *HOST_MEASURES)
        }
        out += [
            Gate(
                f"injections.gain_{band}",
                f"{band}: the gain in use is that of the weights",
                "median ratio of the two",
                float(np.median(value["gain_ratio"])),
                minimum=1 / FACTOR_MAX,
                maximum=FACTOR_MAX,
                evidence=(
                    f"median gain {np.median(value['gain']):.4g} electrons per nanomaggy; ratio 5-95 %: "
                    f"{_span(value['gain_ratio'])}"
                ),
            ),
            Gate(
                f"injections.shot_noise_{band}",
                f"{band}: light fainter than the dark sky is not noisier than the sky",
                f"share of trials where it has more than {NOISY_FACTOR:g} times the variance "
                "that the weights give the sky",
                float(np.mean(~(1 / value["gain_ratio"] <= NOISY_FACTOR))),
                maximum=NOISY_SHARE_MAX,
                evidence=(
                    f"variance of light as bright as the sky over the sky's, 5-95 %: {_span(1 / value['gain_ratio'])}"
                ),
            ),
            Gate(
                f"injections.psf_width_{band}",
                f"{band}: the PSF has the width that PSFSIZE says",
                "median of its noise-equivalent width over PSFSIZE",
                float(np.median(value["psf_width_ratio"])),
                *WIDTH_RATIO,
                evidence=f"5-95 %: {_span(value['psf_width_ratio'])}",
            ),
            Gate(
                f"injections.psf_core_{band}",
                f"{band}: PSFSIZE is not taken for the FWHM of the core",
                "median of the core's FWHM over PSFSIZE",
                float(np.median(value["psf_core_ratio"])),
                *CORE_RATIO,
                evidence=f"5-95 %: {_span(value['psf_core_ratio'])}",
            ),
            Gate(
                f"injections.depth_{band}",
                f"{band}: the depth column is the pixels' own depth",
                "median of pixels less column, mag",
                float(np.median(value["depth_offset"])),
                -DEPTH_MAX,
                DEPTH_MAX,
                evidence=f"5-95 %: {_span(value['depth_offset'])}",
            ),
        ]
    out.append(_zeropoint(injections["zeropoint_offset"].values[made].astype(float)))
    return out


def _zeropoint(offset: np.ndarray) -> Gate:
    claim = "pixels have the zeropoint of the catalogue"
    offset = offset[np.isfinite(offset)]
    if not offset.size:
        return absent("injections.zeropoint", claim, "no host has a catalogue magnitude")
    return Gate(
        "injections.zeropoint",
        claim,
        f"r: median magnitude within {APERTURE_PX:g} px less the catalogue's",
        float(np.median(offset)),
        -ZEROPOINT_MAX,
        ZEROPOINT_MAX,
        evidence=f"{offset.size} trials, 5-95 %: {_span(offset)}",
    )


def _span(values: np.ndarray) -> str:
    values = values[np.isfinite(values)]
    if not values.size:
        return "none known"
    low, high = np.quantile(values, [0.05, 0.95])
    return f"{low:.2f} to {high:.2f}"
