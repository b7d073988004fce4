"""What several test modules build on; taken by those of `test_stamps.py` first."""

import json

import numpy as np
import yaml
from astropy.io import fits

from lenscal.io.survey.stamps.profiles import DECLARED

SIGMA = {"g": 0.0025, "r": 0.0035, "i": 0.006, "z": 0.010}


FLUX = {"g": 2.0, "r": 6.0, "i": 8.0, "z": 11.0}


def moffat(size, fwhm, dx=0.0, dy=0.0, beta=3.0):
    a = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    values = (1 + ((x - dx) ** 2 + (y - dy) ** 2) / a**2) ** -beta
    return values / values.sum()


def galaxy(rng, size, bands, star=False, scale=1.0, bright=1):
    """A galaxy in white sky, nanomaggy per pixel; `scale` is the side of a pixel over 0.262 arcsec."""
    planes = []
    for band in bands:
        image = bright * FLUX[band] * moffat(size, 7.0 / scale, beta=2.0) + rng.normal(
            0, scale * SIGMA[band], (size, size)
        )
        if star:
            image += 2 * FLUX[band] * moffat(size, 4.4 / scale, 22 / scale, -20 / scale)
        planes.append(image)
    return np.array(planes, "f4")


def decals(path, rng, ra, dec, scale=0.131, size=220):
    """A cutout of the viewer: pixels oversampled, each holding the value of its native pixel."""
    image = galaxy(rng, size, "grz", scale=scale / 0.262, bright=5) * (0.262 / scale) ** 2
    header = fits.Header()
    header.update(
        BANDS="grz",
        CTYPE1="RA---TAN",
        CTYPE2="DEC--TAN",
        CRVAL1=ra,
        CRVAL2=dec,
        CRPIX1=(size + 1) / 2,
        CRPIX2=(size + 1) / 2,
        CD1_1=-scale / 3600,
        CD1_2=0.0,
        CD2_1=0.0,
        CD2_2=scale / 3600,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(image, header).writeto(path)
    return image


def declared(path, name, **changes):
    """A file of profiles that says something else of one set."""
    raw = yaml.safe_load(DECLARED.read_text())
    raw[name] |= changes
    path.write_text(json.dumps(raw))
    return path


WAYS = {
    "one image": {"files": "cutouts/ways/cube_*.fits"},
    "HDUs": {"files": "cutouts/ways/hdus_*.fits", "hdus": ["IMG_G", "IMG_R", "IMG_Z"]},
    "files": {"files": "cutouts/ways/files_*_{band}.fits.gz"},
}
