"""What several test modules build on; taken by those of `test_survey.py` first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.wcs import WCS

from lenscal import schema

SIDE = 240


SCALE = 0.262 / 3600


STEP = 200 * SCALE  # two bricks share 40 pixels


CENTRES = {"1500p000": (150.0, 0.0), "1500p001": (150.0, STEP), "1499p000": (150.0 - STEP, 0.0)}


def header(ra, dec, side=SIDE, offset=0.0, scale=SCALE, **more):
    cards = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": (side + 1) / 2 + offset,
        "CRPIX2": (side + 1) / 2 - offset,
        "CD1_1": -scale,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": scale,
    }
    return fits.Header([*cards.items(), *more.items()])


def write(path, data, cards, units=None):
    """Losslessly compressed in tiles of 100, as the coadds are."""
    kind = (
        {"compression_type": "GZIP_1", "quantize_level": 0.0}
        if data.dtype.kind == "f"
        else {"compression_type": "RICE_1"}
    )
    hdu = fits.CompImageHDU(data, cards, tile_shape=(100, 100), **kind)
    if units:
        hdu.header["BUNIT"] = units
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)


def planes(number, side=SIDE):
    """Image, inverse variance and exposures of one band of a brick: every pixel has a value of its
    own, some are unobserved.
    """
    rng = np.random.default_rng(number)
    image = rng.normal(size=(side, side)).astype("f4")
    invvar = rng.uniform(1, 2, size=(side, side)).astype("f4")
    exposures = np.full((side, side), 3, "i2")
    image[:7], invvar[:7], exposures[:7] = 0, 0, 0  # no coverage, as the coadds write it
    invvar[100, 120], exposures[100, 120] = 0, 0  # all exposures masked, the image filled in
    return image, invvar, exposures


def write_brick(folder, name, number, cards, nexp=True, psfsize=True, side=SIDE):
    bits = np.zeros((side, side), "i4")
    bits[50:60, 50:60] = 1 << schema.MASKBITS["WISEM1"]
    bits[:, :3] = 1 << schema.MASKBITS["NPRIMARY"]
    for b, band in enumerate("grz"):
        image, invvar, exposures = planes(10 * number + b, side)
        at = folder / f"legacysurvey-{name}"
        write(at.with_name(f"{at.name}-image-{band}.fits.fz"), image, cards, "nanomaggy")
        write(at.with_name(f"{at.name}-invvar-{band}.fits.fz"), invvar, cards, "1/nanomaggy^2")
        if nexp:
            write(at.with_name(f"{at.name}-nexp-{band}.fits.fz"), exposures, cards)
        if psfsize:
            write(
                at.with_name(f"{at.name}-psfsize-{band}.fits.fz"),
                np.full((side, side), 1.0 + 0.1 * b + number, "f4"),
                cards,
                "arcsec",
            )
    write(folder / f"legacysurvey-{name}-maskbits.fits.fz", bits, cards)


def sky(x, y, name="1500p000"):
    """Position of a pixel of a brick."""
    return [float(v) for v in WCS(header(*CENTRES[name])).wcs_pix2world(x, y, 0)]


def table(*positions, brick="1500p000"):
    return pd.DataFrame(
        {
            "galaxy_id": np.arange(len(positions)) + 7,
            "ra": [p[0] for p in positions],
            "dec": [p[1] for p in positions],
            "brickname": brick,
        }
    )


def write_survey(root):
    """Three bricks that overlap by 40 pixels, in the layout of DR10."""
    from astropy.table import Table

    rows = []
    for number, (name, (ra, dec)) in enumerate(CENTRES.items()):
        write_brick(root / "south" / "coadd" / name[:3] / name, name, number, header(ra, dec))
        rows.append((name, number, ra, dec, ra - STEP / 2, ra + STEP / 2, dec - STEP / 2, dec + STEP / 2))
    names = ["BRICKNAME", "BRICKID", "RA", "DEC", "RA1", "RA2", "DEC1", "DEC2"]
    Table(rows=rows, names=names).write(root / "survey-bricks.fits.gz")
    summary = Table(
        {
            "brickname": list(CENTRES),
            "ra": [1.0] * 3,
            "dec": [1.0] * 3,
            "psfdepth_r": np.full(3, 24.0, "f4"),
            "nexphist_r": np.zeros((3, 6)),
        }
    )
    summary.write(root / "south" / "survey-bricks-dr10-south.fits.gz")
