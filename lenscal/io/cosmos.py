"""Real galaxies as sources: HST/ACS F814W stamps of COSMOS with their ground-based colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from scipy import ndimage

from lenscal.errors import LenscalError
from lenscal.io import folders
from lenscal.kernels.light import half_light_radius

_COLUMNS = (
    "IDENT",
    "PIXEL_SCALE",
    "NOISE_MEAN",
    "NOISE_VARIANCE",
    "flux_radius",
    "HSC_g",
    "HSC_r",
    "HSC_z",
    "ZPHOT",
    "MAG",
)


class SourceError(LenscalError, ValueError):
    """Source stamps that cannot be used."""


def read_cosmos(path: str | Path) -> list[dict]:
    """Sources, one dict each, in the order of the catalogue.

    The image is the light of the galaxy as HST saw it: it is *not* deconvolved from the ACS PSF (FWHM 0.1 arcsec, small
    beside ground-based seeing and magnified with the source), and it keeps the noise of the galaxy's own pixels. The
    sky and the neighbours are cut off: what is kept is the connected patch at the centre of the stamp above 1.5 sigma
    of the smoothed sky, grown by 2 px; outside of it the image is exactly zero.

    Parameters
    ----------
    path : path
        `cosmos_stamps.fits.gz` (HDUs ``GAL_<IDENT>``), with `cosmos_catalog.csv` beside it; or their folder.

    Returns
    -------
    list of dict
        name : str; image : (n, n) float32, n odd, sum 1, the centroid of the light in the middle pixel;
        pixel_scale : arcsec; snr : of the whole galaxy in HST's noise;
        half_light_radius : arcsec, of a circle about the centroid;
        colours : {"gr", "rz"} in AB magnitudes (HSC); magnitudes : {"g", "r", "z"} (HSC); z_phot : float.

    Raises
    ------
    SourceError
        A missing file, column or stamp, and a stamp without a galaxy at its centre.
    """
    stamps, catalogue = files_of(path)
    for file in (stamps, catalogue):
        if not file.exists():
            raise SourceError(f"source stamps: '{file}' is missing; correct injections.source_stamps")
    try:
        table = pd.read_csv(catalogue)
    except (ValueError, EOFError) as error:
        raise SourceError(
            f"source stamps: '{catalogue.name}' cannot be read as CSV ({str(error).strip()}); copy it again"
        ) from None
    if missing := [name for name in _COLUMNS if name not in table.columns]:
        raise SourceError(f"source stamps: '{catalogue.name}' has no column {', '.join(missing)}")
    try:
        with fits.open(stamps, memmap=False) as hdus:
            images = {hdu.name: np.array(hdu.data, dtype=np.float64) for hdu in hdus if hdu.name.startswith("GAL_")}
    except (OSError, EOFError, TypeError, ValueError, fits.VerifyError) as error:
        folders.pass_on(error, stamps)
        raise SourceError(f"source stamps: '{stamps.name}' cannot be read ({error}); copy it again") from None
    if absent := [str(ident) for ident in table["IDENT"] if f"GAL_{ident}" not in images]:
        raise SourceError(f"source stamps: '{stamps.name}' has no stamp of {', '.join(absent)}")
    return [_source(row, images[f"GAL_{row.IDENT}"]) for row in table.itertuples()]


def files_of(path: str | Path) -> tuple[Path, Path]:
    """The files that are read: of the stamps, or of the folder that holds them, and the catalogue beside them."""
    path = Path(path)
    stamps = path / "cosmos_stamps.fits.gz" if path.is_dir() else path
    return stamps, stamps.parent / "cosmos_catalog.csv"


def _source(row, image: np.ndarray) -> dict:  # noqa: ANN001
    name = f"cosmos-{row.IDENT}"
    image = image - row.NOISE_MEAN
    patch = galaxy_patch(image, float(np.sqrt(row.NOISE_VARIANCE)))
    flux = image[patch].sum() if patch.any() else 0.0
    if not flux > 0:
        raise SourceError(f"source stamps: '{name}' has no galaxy at its centre")
    light = np.where(patch, image, 0.0) / flux
    light = _centred(light, patch)
    return {
        "name": name,
        "image": light.astype(np.float32),
        "snr": float(flux / np.sqrt(row.NOISE_VARIANCE * patch.sum())),
        "pixel_scale": float(row.PIXEL_SCALE),
        "half_light_radius": half_light_radius(light, float(row.PIXEL_SCALE), finer=5)[0],
        "colours": {"gr": float(row.HSC_g - row.HSC_r), "rz": float(row.HSC_r - row.HSC_z)},
        "magnitudes": {"g": float(row.HSC_g), "r": float(row.HSC_r), "z": float(row.HSC_z)},
        "z_phot": float(row.ZPHOT),
    }


def _centred(light: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """The patch on a square of odd side whose middle pixel holds the centroid of the light."""
    y, x = np.nonzero(patch)
    centre_y, centre_x = round(float((y * light[patch]).sum())), round(float((x * light[patch]).sum()))
    half = int(max(np.abs(y - centre_y).max(), np.abs(x - centre_x).max()))
    out = np.zeros((2 * half + 1, 2 * half + 1))
    out[y - centre_y + half, x - centre_x + half] = light[patch]
    return out


def galaxy_patch(image: np.ndarray, sigma: float, threshold: float = 1.5, grow: int = 2) -> np.ndarray:
    """Pixels of the galaxy at the centre: connected, above `threshold` sigma once smoothed, grown by `grow` px.

    Parameters
    ----------
    image : (y, x) array
        Sky subtracted.
    sigma : float
        Noise per pixel, taken as white; smoothing with a Gaussian of 1.5 px lowers it by 2 sqrt(pi) 1.5.
    """
    smooth = ndimage.gaussian_filter(image, 1.5, mode="constant")
    labels, count = ndimage.label(smooth > threshold * sigma / (2 * np.sqrt(np.pi) * 1.5))
    if count == 0:
        return np.zeros(image.shape, bool)
    y, x = np.nonzero(labels)
    distance = np.hypot(y - (image.shape[0] - 1) / 2, x - (image.shape[1] - 1) / 2)
    return ndimage.binary_dilation(labels == labels[y, x][np.argmin(distance)], iterations=grow)
