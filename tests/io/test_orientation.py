"""A pixel is where its header says: turned, mirrored or shifted images are refused by every reader, and every way
to write North up is read.
"""

import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from brick_files import SIDE, header, planes, write, write_brick
from stamp_files import WAYS, decals, declared, galaxy
from viewer import answer, serving

from lenscal.config import Service
from lenscal.io import orientation
from lenscal.io.survey import BrickFiles, PixelError, ServiceSurvey
from lenscal.io.survey.stamps import StampError, StampSurvey
from lenscal.kernels import resampling, widths

NO_CD = dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2"))


def turned(degrees):
    """Cards of an image turned by an angle, for a pixel of `s` degrees."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return lambda p: {"CD1_1": -p * c, "CD1_2": p * s, "CD2_1": p * s, "CD2_2": p * c}


SAME = {
    "CD": lambda p: {},
    "PC and CDELT": lambda p: {**NO_CD, "PC1_1": 1.0, "PC2_2": 1.0, "CDELT1": -p, "CDELT2": p},
    "PC with a sign": lambda p: {
        **NO_CD,
        "PC1_1": -1.0,
        "PC1_2": 0.0,
        "PC2_1": 0.0,
        "PC2_2": 1.0,
        "CDELT1": p,
        "CDELT2": p,
    },
    "CDELT alone": lambda p: {**NO_CD, "CDELT1": -p, "CDELT2": p},
    "CROTA2 of 0": lambda p: {**NO_CD, "CDELT1": -p, "CDELT2": p, "CROTA2": 0.0},
    "arcsec": lambda p: {"CUNIT1": "arcsec", "CUNIT2": "arcsec", "CD1_1": -p * 3600, "CD2_2": p * 3600, "arcsec": True},
    "turned by a third of a degree": turned(0.33),
    "LONPOLE of 180": lambda p: {"LONPOLE": 180.0, "RADESYS": "ICRS", "EQUINOX": 2000.0},
}
OTHER = {
    **{
        f"turned by {angle}": (turned(angle), rf"not North up and East left: its y axis points {angle:.1f} degrees")
        for angle in (1, 2, 5, 30, 60, 90, 180, -45)
    },
    "CROTA2": (lambda p: {**NO_CD, "CDELT1": -p, "CDELT2": p, "CROTA2": 30.0}, "not North up and East left"),
    "turned PC": (
        lambda p: {**NO_CD, "CDELT1": -p, "CDELT2": p, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
        "not North up and East left",
    ),
    "mirrored": (lambda p: {"CD1_1": p}, "not North up and East left: it is mirrored"),
    "South up": (lambda p: {"CD2_2": -p}, "not North up and East left: it is mirrored"),
    "axes swapped": (lambda p: {"CD1_1": 0.0, "CD2_2": 0.0, "CD1_2": p, "CD2_1": -p}, "not North up and East left"),
    "LONPOLE": (lambda p: {"LONPOLE": 90.0}, "not North up and East left"),
    "Galactic": (lambda p: {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "is in Galactic coordinates"),
    "ecliptic": (lambda p: {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}, "is in ecliptic coordinates"),
    "Dec before RA": (lambda p: {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"}, "has the projection"),
    "B1950": (lambda p: {"RADESYS": "FK4", "EQUINOX": 1950.0}, "FK4, not ICRS or J2000"),
    "equinox 1950": (lambda p: {"EQUINOX": 1950.0}, "equinox 1950, not ICRS or J2000"),
    "oblong pixels": (lambda p: {"CD2_2": p * 1.05}, "its pixels are no squares|has pixels of"),
    "sheared": (lambda p: {"CD1_2": p * 0.05}, "not North up and East left"),
    "no matrix": (lambda p: {"CD1_1": 0.0}, "has a matrix that gives no sky"),
    "half a matrix": (lambda p: {"CD1_1": None}, "has a matrix that gives no sky|has no pixel scale"),
    "a number in quotes": (lambda p: {"CD1_2": "none"}, "has CD1_2 'none', no number"),
}


def changed(cards, change, scale):
    """A header with other cards (None: without them)."""
    new = change(scale / 3600)
    if new.pop("arcsec", False):
        new |= {card: cards[card] * 3600 for card in ("CRVAL1", "CRVAL2")}
    for card, value in new.items():
        if value is None:
            cards.remove(card, ignore_missing=True)
        else:
            cards[card] = value
    return cards


def of_stamps(folder, change):
    path = folder / "cutouts/decals_grz/decals_a.fits.gz"
    decals(path, np.random.default_rng(1), 10.0, 1.0)
    data, cards = fits.getdata(path, header=True)
    fits.writeto(path, data, changed(cards, change, 0.131), overwrite=True)
    survey = StampSurvey(folder, ["decals_grz"], resampling.resample, widths)
    (stamp,) = survey._stamps(survey.profiles[0])
    assert (round(stamp.pixel_scale, 6), round(stamp.ra, 6), round(stamp.dec, 6)) == (0.131, 10.0, 1.0)


@cache
def sound_brick():
    """Files of a brick with nothing wrong: name and content."""
    with tempfile.TemporaryDirectory() as folder:
        write_brick(Path(folder), "1500p000", 0, header(150.0, 0.0))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def of_bricks(product, band):
    def read(folder, change):
        for name, content in sound_brick().items():
            (folder / name).write_bytes(content)
        data = planes(1)[{"image": 0, "invvar": 1, "nexp": 2, "psfsize": 0, "maskbits": 2}[product]]
        path = folder / f"legacysurvey-1500p000-{product}{'-' + band if band else ''}.fits.fz"
        write(
            path,
            np.abs(data).astype("i4" if product == "maskbits" else data.dtype),
            changed(header(150.0, 0.0), change, 0.262),
        )
        read = BrickFiles(folder, "1500p000").read(np.array([150.0]), np.array([0.0]), 21)
        assert np.isfinite(read["image"]).any()

    return read


def of_service(plane):
    def read(folder, change):
        with serving() as viewer:
            query = {"ra": ["150.0"], "dec": ["2.0"], "size": ["21"]}
            with fits.open(pd.io.common.BytesIO(answer(query, ("invvar", "maskbits")))) as hdus:
                for hdu in hdus:
                    if hdu.header["IMAGETYP"] == plane:
                        changed(hdu.header, change, 0.262)
                out = pd.io.common.BytesIO()
                hdus.writeto(out)
            viewer.always = {"body": out.getvalue()}
            service = Service(url=viewer.address, requests_per_second=1000, attempts=1, backoff_seconds=0.01)
            rows = pd.DataFrame({"galaxy_id": [7], "ra": [150.0], "dec": [2.0], "brickname": "x"})
            assert ServiceSurvey(service, "ls-dr10", "/nowhere").read(rows, 21).failure.values.tolist() == [""]

    return read


READERS = {
    "stamps": of_stamps,
    **{
        f"brick, {product} {band}": of_bricks(product, band)
        for product, band in (
            ("image", "g"),
            ("image", "z"),
            ("invvar", "r"),
            ("nexp", "g"),
            ("psfsize", "z"),
            ("maskbits", ""),
        )
    },
    "service, image": of_service("IMAGE"),
    "service, invvar": of_service("INVVAR"),
    "service, maskbits": of_service("MASKBITS"),
}


ALONE = ("turned by a third of a degree", "arcsec")  # where other planes say the place, in degrees, and are not turned
WAYS_IN = [(reader, way) for reader in READERS for way in SAME if reader == "stamps" or way not in ALONE]


@pytest.mark.parametrize(("reader", "way"), WAYS_IN)
def test_north_up_is_read_however_a_header_says_it(tmp_path, reader, way):
    READERS[reader](tmp_path, SAME[way])


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("way", OTHER)
def test_what_is_not_north_up_is_refused_with_what_it_is(tmp_path, reader, way):
    change, message = OTHER[way]
    with pytest.raises((StampError, PixelError), match=message):
        READERS[reader](tmp_path, change)


@pytest.mark.parametrize(
    "reader", [name for name in READERS if name not in ("stamps", "brick, image g", "service, image")]
)
@pytest.mark.parametrize(
    "change",
    [turned(0.3), lambda p: {"CRPIX1": "half"}, lambda p: {"CRVAL2": "half"}, lambda p: {"CD1_1": -p * 1.004}],
    ids=["turned", "half a pixel along x", "half a pixel along y", "scaled"],
)
def test_a_plane_that_lies_off_its_sisters_is_refused(tmp_path, reader, change):
    side, dec = (21, 2.0) if reader.startswith("service") else (SIDE, 0.0)
    half = {"CRPIX1": (side + 1) / 2 + 0.5, "CRVAL2": dec + 0.131 / 3600}
    made = lambda p: {card: half[card] if value == "half" else value for card, value in change(p).items()}  # noqa: E731
    if reader.startswith("service") and "CD1_1" in change(1.0):
        made = turned(0.5)
    with pytest.raises(PixelError, match=r"pixels off (its sisters|the image)|its sisters|a stamp about"):
        READERS[reader](tmp_path, made)


@pytest.mark.parametrize("shift", [0.5, 1.0, -0.5])
@pytest.mark.parametrize("axis", ["CRPIX1", "CRPIX2"])
def test_a_stamp_half_a_pixel_off_its_reference_is_refused(tmp_path, shift, axis):
    with pytest.raises(StampError, match="not centred on its reference pixel"):
        of_stamps(tmp_path, lambda p: {axis: 110.5 + shift})


@pytest.mark.parametrize("shift", [0.6, 1.0, -0.6])
def test_an_answer_of_the_service_more_than_half_a_pixel_off_is_refused(tmp_path, shift):
    with pytest.raises(PixelError, match=r"a stamp about ra 1(50|49)"):
        of_service("IMAGE")(tmp_path, lambda p: {"CRPIX1": 11.0 + shift})


@pytest.mark.parametrize("shape", [(91, 90), (90, 91), (90, 90)])
def test_a_side_that_is_even_puts_the_object_on_no_pixel(tmp_path, shape):
    (tmp_path / "cutouts/ways").mkdir(parents=True)
    for band in "grz":
        fits.writeto(tmp_path / f"cutouts/ways/files_a_{band}.fits.gz", np.ones(shape, "f4"))
    profiles = declared(
        tmp_path / "p.yaml",
        "des_hosts",
        array=None,
        axes=["band", "y", "x"],
        bands=["g", "r", "z"],
        pixel_scale=0.262,
        **WAYS["files"],
    )
    with pytest.raises(StampError, match=r"has an even side"):
        StampSurvey(tmp_path, ["des_hosts"], resampling.resample, widths, declared=profiles).check()


@pytest.mark.parametrize("way", ["turned", "mirrored", "shifted"])
def test_bands_of_a_stamp_that_lie_apart_are_refused(tmp_path, way):
    image = galaxy(np.random.default_rng(2), 91, "grz")
    (tmp_path / "cutouts/ways").mkdir(parents=True)
    for plane, band in zip(image, "grz"):
        cards = header(10.0, 1.0, side=91)
        if band == "z":
            cards = changed(
                cards,
                {"turned": turned(20), "mirrored": lambda p: {"CD1_1": p}, "shifted": lambda p: {"CRPIX2": 46.5}}[way],
                0.262,
            )
        fits.writeto(tmp_path / f"cutouts/ways/files_a_{band}.fits.gz", plane, cards)
    profiles = declared(
        tmp_path / "p.yaml",
        "des_hosts",
        array=None,
        axes=["band", "y", "x"],
        bands=["g", "r", "z"],
        pixel_scale=0.262,
        **WAYS["files"],
    )
    with pytest.raises(StampError, match=r"not North up|lie up to 0\.5 pixels off each other"):
        StampSurvey(tmp_path, ["des_hosts"], resampling.resample, widths, declared=profiles).check()


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.0), (359.9999, 45.0), (180.0, -89.9), (12.0, 89.99)])
def test_the_sky_of_a_plane_is_that_of_astropy_everywhere(ra, dec):
    plane = orientation.plane(header(ra, dec, side=101), (101, 101))
    plane.check(0.262)
    assert SkyCoord(*plane.centre, unit="deg").separation(SkyCoord(ra, dec, unit="deg")).arcsec < 1e-3
    assert plane.scale == pytest.approx(0.262, rel=1e-6)
    assert plane.away(plane) < 1e-6


@pytest.mark.parametrize("way", [*SAME, "turned by 30", "mirrored", "sheared", "no off-diagonal cards"])
def test_the_projection_of_a_plane_is_that_astropy_reads_from_its_header_to_the_last_bit(way):
    cards = header(150.0, -30.0, side=101)
    changes = {"no off-diagonal cards": lambda p: {"CD1_2": None, "CD2_1": None}}
    for card, value in (SAME | {name: change for name, (change, _) in OTHER.items()} | changes)[way](
        0.262 / 3600
    ).items():
        if value is None:
            cards.remove(card, ignore_missing=True)
        elif card != "arcsec":
            cards[card] = value * 3600 if way == "arcsec" and card.startswith("CRVAL") else value
    x, y = np.random.default_rng(1).uniform(0, 101, (2, 50))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = WCS(cards, naxis=2).all_pix2world(x, y, 0)
    np.testing.assert_array_equal(orientation.plane(cards, (101, 101)).wcs.all_pix2world(x, y, 0), expected)
