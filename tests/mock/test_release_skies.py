"""The embedded sky of DR11, south and north, is in the formats of its region, and looks as its telescopes see it."""

import json

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from release_skies import drawn, imported, plain

from lenscal import config, mock, schema
from lenscal.audit import Run

galsim = pytest.importorskip("galsim")

from lenscal.mock import catalogues, columns, pixels, telescopes  # noqa: E402

REGIONS = ("south", "north")


@pytest.fixture(scope="module", params=REGIONS)
def sky(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param) / "survey"
    return root, drawn(root, "dr11", request.param), schema.release("dr11", request.param)


def header_and_table(path):
    with fits.open(path) as hdus:
        return hdus[1].header, hdus[1].data.copy()


def test_sweeps_have_the_columns_units_and_codes_of_their_region(sky):
    root, _, release = sky
    header, table = header_and_table(sorted((root / release.sweeps).iterdir())[0])
    names = table.columns.names
    assert len(names) == {"south": 130, "north": 115}[release.region]
    assert [name for name in columns.SWEEP if name not in names] == [
        name for name in columns.SWEEP if name.endswith("_I") and release.region == "north"
    ]
    units = {column.name: column.unit for column in table.columns}
    assert (units["FLUX_R"], units["FLUX_IVAR_R"], units["PMRA_IVAR"]) == (
        "nanomaggies",
        "nanomaggies^(-2)",
        "(mas/yr)^(-2)",
    )
    assert header["EXTNAME"] == "SWEEP"
    assert set(table["RELEASE"]) <= set(release.drawn)
    assert {str(code).strip() for code in table["REF_CAT"]} == {"", "G3"}
    assert table["MASKBITS"].dtype.itemsize == 4


def test_the_table_of_bricks_and_the_random_points_are_those_of_the_region(sky):
    root, _, release = sky
    _, bricks = header_and_table(root / release.region / f"survey-bricks-dr11-{release.region}.fits.gz")
    assert ("psfdepth_i" in bricks.columns.names) == ("i" in release.bands)
    assert (bricks["psfdepth_r"] > 20).all()
    header, points = header_and_table(root / "randoms" / "randoms-1-0.fits")
    assert header["DENSITY"] == 2500
    assert set(points["PHOTSYS"]) == {release.photsys}
    assert ("NOBS_I" in points.columns.names) == ("i" in release.bands)


def test_random_points_are_as_dense_as_they_say(sky):
    root, _, release = sky
    bricks = pd.read_parquet(root / "truth" / "bricks.parquet")
    points = catalogues.random_points(bricks, release, 1, 1e6)
    area = fits.getdata(root / release.region / f"survey-bricks-dr11-{release.region}.fits.gz")["area"].sum()
    assert points.size / 1e6 == pytest.approx(area, rel=0.05)


def test_masks_name_the_bits_of_the_release_but_those_of_a_band_that_was_not_observed(sky):
    root, _, release = sky
    path = sorted(root.rglob("*maskbits.fits.fz"))[0]
    header = fits.getheader(path, 1)
    named = {header[f"MBIT_{bit}"]: bit for bit in range(20) if f"MBIT_{bit}" in header}
    assert named["RESOLVED"] == 17
    assert named["WISE_GAIA"] == 19
    assert ("ALLMASK_I" in named) == ("i" in release.bands)
    assert fits.getdata(path, 1).dtype.itemsize == 4


def test_a_rare_brick_has_bits_that_sixteen_cannot_hold(sky):
    root, _, _ = sky
    held = np.zeros(1, np.int64)
    for path in root.rglob("*maskbits.fits.fz"):
        held |= np.bitwise_or.reduce(fits.getdata(path, 1).astype(np.int64), axis=None)
    brick = {"brickname": "1550p050", "side": "", "release": 11010, "pixels": 300}
    none = {band: np.zeros((300, 300), bool) for band in schema.BANDS}
    found = [
        pixels._masks(brick | {"brickid": 700_001 + k}, [], none, 7, schema.release("dr11", "south"))[0]
        for k in range(60)
    ]
    whole = [mask for mask in found if (mask >> 19 & 1).all()]
    assert 0 < len(whole) < 15
    assert 0 < sum(bool((mask >> 17 & 1).any()) for mask in found) < 15
    assert held[0] < 1 << 20


def test_the_north_lies_where_the_survey_has_it_and_sees_z_better_than_r(sky):
    root, _, release = sky
    bricks = pd.read_parquet(root / "truth" / "bricks.parquet")
    ratio = float((bricks.psfsize_z / bricks.psfsize_r).median())
    if release.region == "north":
        assert (bricks.dec > 32.375).all()
        assert ratio == pytest.approx(0.71, abs=0.06)
    else:
        assert (bricks.dec < 32.375).all()
        assert ratio == pytest.approx(0.95, abs=0.08)
    said = json.loads((root / "mock.json").read_text())
    assert (said["sky"]["release"], said["folders"][0], said["folders"][-1]) == ("dr11", release.region, "randoms")


@pytest.mark.parametrize("band", schema.BANDS)
def test_noise_of_coarse_pixels_reaches_further_and_keeps_the_depth(tmp_path, band):
    north = schema.release("dr11", "north")
    brick = {"brickname": "1550p350", "brickid": 700_001, "ra": 155.0, "dec": 35.0, "ra1": 154.9, "ra2": 155.1}
    brick |= {"dec1": 34.9, "dec2": 35.1, "pixels": 600, "special": "", "side": "", "release": 11011, "ebv": 0.03}
    for name in schema.BANDS:
        brick |= {f"psfsize_{name}": 1.4, f"depth_{name}": 24.0, f"nobs_{name}": 4, f"beta_{name}": 2.5}
    pixels.draw(brick, [], str(tmp_path), 3, north)
    place = tmp_path / f"north/coadd/155/1550p350/legacysurvey-1550p350-image-{band}.fits.fz"
    image = fits.getdata(place).astype(float)
    weights = fits.getdata(str(place).replace("-image-", "-invvar-")).astype(float)
    assert 0.5 < np.median(weights) * image.var() < 1.3  # per pixel, as the survey's are
    image /= image.std()
    along = float((image[:, 1:] * image[:, :-1]).mean())
    assert along == pytest.approx(telescopes.of(north).noise[band][0][1], abs=0.03)
    psf = galsim.Moffat(beta=2.5, fwhm=pixels.conditions.moffat_fwhm(1.4, 2.5))
    weight = psf.drawImage(nx=21, ny=21, scale=schema.PIXEL_SCALE, method="no_pixel").array.astype(float)
    raw = fits.getdata(place).astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(raw, (21, 21))[::11, ::11]
    flux = (windows * weight).sum((-1, -2)) / (weight**2).sum()
    assert np.std(flux) == pytest.approx(1 / np.sqrt(pixels.conditions.depth_ivar(24.0)), rel=0.07)


def test_the_south_of_dr11_is_drawn_in_i_where_a_run_asks_for_it(tmp_path):
    root = tmp_path / "survey"
    settings = config.Settings.model_validate(plain(root, "dr11", "south", bands=["g", "r", "i", "z"]))
    mock.draw(settings, workers=1)
    run = Run(settings)
    imported(run)
    table = run.galaxies.read(run.galaxies.leaves[0], ["nobs_i", "psfsize_i", "flux_i"])
    assert (table["nobs_i"] > 0).any()
    seen = table["psfsize_i"][table["nobs_i"] > 0]
    assert seen.between(0.5, 2.5).all()
    _, points = header_and_table(root / "randoms" / "randoms-1-0.fits")
    assert (points["NOBS_I"] > 0).all()
    assert ((points["PSFSIZE_I"] > 0.5) & (points["PSFDEPTH_I"] > 0)).all()
    _, bricks = header_and_table(root / "south" / "survey-bricks-dr11-south.fits.gz")
    assert ((bricks["psfdepth_i"] > 20) & (bricks["psfdepth_i"] < bricks["psfdepth_r"])).all()
    assert run.survey.check()[1].endswith("with image and invvar in g, r, i, z and maskbits")
