"""A stamp holds the pixels of the brick that shows the galaxy best, untouched, and says what it lacks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from brick_files import CENTRES, SCALE, SIDE, header, planes, sky, table, write, write_brick, write_survey
from contracts import check_survey

from lenscal import schema
from lenscal.config import Cutouts
from lenscal.io.survey import BrickFiles, CoaddSurvey, PixelError, SurveyError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three bricks that overlap by 40 pixels, in the layout of DR10."""
    root = tmp_path_factory.mktemp("survey")
    write_survey(root)
    return root


@pytest.fixture
def survey(root):
    return CoaddSurvey(root, "ls-dr10-south")


def test_bricks_keep_the_contract_of_surveys(survey, tmp_path):
    check_survey(survey, table(sky(60, 70), sky(81.3, 90.6)), tmp_path)


def slow_stamp(number, band, x, y, size):
    """Five obvious lines: the stamp of a brick pixel by pixel."""
    image, invvar, exposures = planes(10 * number + band)
    out, weight = np.full((size, size), np.nan, "f4"), np.zeros((size, size), "f4")
    for j in range(size):
        for i in range(size):
            v, u = y - size // 2 + j, x - size // 2 + i
            if 0 <= v < SIDE and 0 <= u < SIDE and exposures[v, u] > 0:
                out[j, i], weight[j, i] = image[v, u], invvar[v, u]
    return out, weight


@pytest.mark.parametrize("size", [21, 20])
@pytest.mark.parametrize(("x", "y"), [(120, 100), (121, 12), (57, 52)])
def test_a_stamp_holds_the_pixels_of_the_file_about_the_nearest_pixel(survey, x, y, size):
    read = survey.read(table(sky(x + 0.4, y - 0.4)), size)
    for band in range(3):
        image, invvar = slow_stamp(0, band, x, y, size)
        np.testing.assert_array_equal(read.image[0, band], image)
        np.testing.assert_array_equal(read.invvar[0, band], invvar)
    np.testing.assert_allclose(read.psfsize[0], [1.0, 1.1, 1.2], rtol=1e-6)
    assert read.failure.values[0] == ""


def test_unobserved_pixels_are_nan_whether_the_image_was_filled_in_or_is_zero(survey):
    read = survey.read(table(sky(120, 100), sky(120, 8)), 21)
    assert np.isnan(read.image[0, :, 10, 10]).all()
    assert int(np.isnan(read.image[0]).sum()) == 3
    assert np.isnan(read.image[1, :, :9]).all()
    assert not np.isnan(read.image[1, :, 9:]).any()
    np.testing.assert_array_equal(np.isnan(read.image), read.invvar == 0)


def test_mask_bits_come_with_their_place(survey):
    read = survey.read(table(sky(55, 55)), 31)
    wise = (read["mask"].values[0] >> schema.MASKBITS["WISEM1"]) & 1
    assert wise.sum() == 100
    assert wise[10:20, 10:20].all()


def test_a_stamp_across_the_edge_of_the_survey_is_nan_there_and_says_how_many_pixels(survey):
    read = survey.read(table(sky(4, 100)), 21)  # no brick lies East of the middle one
    assert read.edge_pixel_count.values[0] == 6 * 21
    outside = np.isnan(read.image.values[0, 0])
    assert outside.sum() == read.edge_pixel_count.values[0]
    assert (read.invvar.values[0, 0][outside] == 0).all()
    assert (read["mask"].values[0][outside] == 0).all()


@pytest.mark.parametrize("own", list(CENTRES))
def test_a_galaxy_in_two_bricks_is_cut_where_it_is_most_central(survey, own):
    # 25 px below the upper edge of the middle brick is 15 px above the lower edge of the next one, and the other way
    # round.
    here, there = sky(120, SIDE - 26), sky(120, SIDE - 16)
    read = survey.read(table(here, there, brick=own), 21)
    assert ["1500p000" in url for url in read.cutout_url.values] == [True, False]
    assert "1500p001" in read.cutout_url.values[1]
    np.testing.assert_array_equal(read.image[0, 0], slow_stamp(0, 0, 120, SIDE - 26, 21)[0])


def test_most_central_is_judged_by_the_true_edges_of_the_images(survey):
    rng = np.random.default_rng(3)
    x, y = rng.uniform(5, SIDE + 35, size=(2, 60))
    rows = table(*(sky(*place) for place in zip(x, y)))
    read = survey.read(rows, 5)
    for i in range(len(rows)):
        margins = {}
        for name, centre in CENTRES.items():
            u, v = WCS(header(*centre)).wcs_world2pix(rows.ra[i], rows.dec[i], 0)
            margins[name] = min(u + 0.5, SIDE - 0.5 - u, v + 0.5, SIDE - 0.5 - v)
        best = max(margins, key=margins.get)
        assert (best in read.cutout_url.values[i]) == (margins[best] > 0)
        assert (read.failure.values[i] == "") == (margins[best] > 0)


def test_result_depends_neither_on_the_grouping_nor_on_the_order_of_the_rows(survey):
    rng = np.random.default_rng(1)
    rows = table(*(sky(*place) for place in rng.uniform(2, SIDE + 40, size=(40, 2))))
    rows["brickname"] = rng.choice([*CENTRES, "9999p999"], len(rows))
    whole = survey.read(rows, 15)
    order = rng.permutation(len(rows))
    pieces = [survey.read(rows.iloc[part], 15) for part in np.array_split(order, 7)]
    xr.testing.assert_identical(xr.concat(pieces, "galaxy"), whole.isel(galaxy=order))


def test_a_dense_brick_read_whole_gives_the_same_bits_as_stamp_by_stamp(root):
    rng = np.random.default_rng(2)
    x, y = rng.uniform(3, SIDE - 3, size=(2, 30))
    ra, dec = WCS(header(*CENTRES["1500p000"])).wcs_pix2world(x, y, 0)
    folder = root / "south/coadd/150/1500p000"
    together = BrickFiles(folder, "1500p000").read(ra, dec, 25)
    kept = BrickFiles(folder, "1500p000", keep=True)
    again = [kept.read(ra, dec, 25), kept.read(ra, dec, 25)]
    for i in range(len(x)):
        one = BrickFiles(folder, "1500p000").read(ra[i : i + 1], dec[i : i + 1], 25)
        for name, values in one.items():
            for read in (together, *again):
                np.testing.assert_array_equal(values[0], read[name][i])


@pytest.mark.parametrize("count", [3, 40])
def test_each_file_is_opened_once_a_block_however_many_galaxies_lie_in_it(survey, monkeypatch, count):
    """The first image twice: its header says what lies in it before its pixels are read."""
    opened, fits_open = [], fits.open
    monkeypatch.setattr(
        fits, "open", lambda path, *more, **named: opened.append(path.name) or fits_open(path, *more, **named)
    )
    rng = np.random.default_rng(4)
    rows = table(*(sky(*place) for place in rng.uniform(5, SIDE + 35, size=(count, 2))))
    rows["brickname"] = rng.choice([*CENTRES, "9999p999"], count)
    survey.read(rows, 15)
    times = {name: opened.count(name) for name in opened}
    assert times
    assert {name for name, number in times.items() if number > 1} <= {
        f"legacysurvey-{brick}-image-g.fits.fz" for brick in CENTRES
    }
    assert max(times.values()) == 2


def test_a_reference_pixel_away_from_the_centre_is_honoured(tmp_path):
    cards = header(150.0, 2.0, offset=37.25)
    write_brick(tmp_path, "1500p020", 5, cards)
    ra, dec = WCS(cards).wcs_pix2world([90.2], [130.3], 0)
    read = BrickFiles(tmp_path, "1500p020").read(ra, dec, 11)
    image = planes(50)[0]
    np.testing.assert_array_equal(read["image"][0, 0], image[125:136, 85:96])


def test_planes_that_may_be_absent_may_be_absent(tmp_path):
    write_brick(tmp_path, "1500p000", 0, header(150.0, 0.0), nexp=False, psfsize=False)
    read = BrickFiles(tmp_path, "1500p000").read(*(np.array([v]) for v in sky(120, 8)), 21)
    assert np.isnan(read["psfsize"]).all()
    assert np.isnan(read["image"][0, :, :9]).all()


def test_paths_in_the_result_are_relative_to_the_survey(survey):
    read = survey.read(table(sky(120, 120), (10.0, 10.0)), 5)
    assert read.cutout_url.values[0] == "south/coadd/150/1500p000/legacysurvey-1500p000-image-{g,r,z}.fits.fz"
    assert str(survey.root) not in "".join([*read.failure.values, *read.cutout_url.values, *read.layer_version.values])


@pytest.mark.parametrize(
    ("position", "brick", "reason"),
    [
        ((10.0, 10.0), "1500p000", "outside: the position is not in the image of brick 1500p000"),
        ((330.0, 0.0), "1500p000", "outside"),
        ((np.nan, 0.0), "1500p000", "position: ra or dec is not a place"),
        ((10.0, 10.0), "0100p100", "brick: '0100p100' has no folder"),
    ],
)
def test_a_galaxy_without_pixels_keeps_its_row_and_gets_a_reason(survey, position, brick, reason):
    rows = table(position, sky(120, 120))
    rows["brickname"] = [brick, "1500p000"]
    read = survey.read(rows, 9)
    assert read.failure.values[0].startswith(reason)
    assert read.failure.values[1] == ""
    assert np.isnan(read.image.values[0]).all()
    assert (read.invvar.values[0] == 0).all()


def test_a_missing_band_is_named_and_costs_only_the_galaxies_of_that_brick(tmp_path):
    write_brick(tmp_path / "coadd/150/1500p000", "1500p000", 0, header(150.0, 0.0))
    Table({"BRICKNAME": ["1500p000"], "RA": [150.0], "DEC": [0.0]}).write(tmp_path / "survey-bricks.fits.gz")
    (tmp_path / "coadd/150/1500p000/legacysurvey-1500p000-image-r.fits.fz").unlink()
    survey = CoaddSurvey(tmp_path, "ls-dr10-south")
    read = survey.read(table(sky(120, 120)), 9)
    assert read.failure.values[0].startswith(
        "band r: file 'coadd/150/1500p000/legacysurvey-1500p000-image-r.fits.fz' is missing"
    )
    with pytest.raises(SurveyError, match=r"lists 1 bricks and has the files of none; the first: band r"):
        survey.check()


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0])
def test_pixels_without_a_weight_are_unobserved_whatever_nexp_says(tmp_path, value):
    write_brick(tmp_path, "1500p000", 0, header(150.0, 0.0))
    brick = BrickFiles(tmp_path, "1500p000")
    _, weights, _ = planes(1)
    weights[115:120] = value
    write(brick.path("invvar", "r"), weights, header(150.0, 0.0), "1/nanomaggy^2")
    read = brick.read(*centre())
    unseen = np.isnan(read["image"][0, 1])
    assert unseen.all(axis=1).sum() == 5
    np.testing.assert_array_equal(unseen, read["invvar"][0, 1] == 0)
    assert not np.isnan(read["image"][0, 0]).all(axis=1).any()


@pytest.fixture
def brick(tmp_path):
    write_brick(tmp_path, "1500p000", 0, header(150.0, 0.0))
    return BrickFiles(tmp_path, "1500p000")


def centre():
    return np.array([150.0]), np.array([0.0]), 21


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_a_truncated_file_is_named(brick):
    path = brick.path("invvar", "z")
    path.write_bytes(path.read_bytes()[:-20000])
    with pytest.raises(PixelError, match=r"band z: file 'legacysurvey-1500p000-invvar-z.fits.fz' is truncated"):
        brick.read(*centre())


@pytest.mark.parametrize("content", [b"", b"not FITS at all" * 400])
def test_a_file_that_is_no_fits_is_named(brick, content):
    brick.path("image", "g").write_bytes(content)
    with pytest.raises(PixelError, match=r"band g: file 'legacysurvey-1500p000-image-g.fits.fz' cannot be read"):
        brick.read(*centre())


def test_pixels_that_do_not_decompress_are_named(brick):
    path = brick.path("image", "r")
    content = bytearray(path.read_bytes())
    content[-len(content) // 2 :] = bytes(len(content[-len(content) // 2 :]))
    path.write_bytes(content)
    with pytest.raises(PixelError, match=r"band r: file 'legacysurvey-1500p000-image-r.fits.fz' cannot be read"):
        brick.read(*centre())


@pytest.mark.parametrize(
    ("product", "cards", "units", "message"),
    [
        ("image", header(150, 0), "mag", "is in 'mag', not 'nanomaggy'"),
        ("invvar", header(150, 0), "nanomaggy", "is in 'nanomaggy', not '1/nanomaggy"),
        ("image", header(150, 0, MAGZERO=30.0), "nanomaggy", "has zero point 30.0, not 22.5"),
        (
            "image",
            header(150, 0, scale=0.27 / 3600),
            "nanomaggy",
            "has pixels of 0.2700 x 0.2700 arcsec, not 0.262 within 1 %",
        ),
        ("image", header(150, 0, scale=-SCALE), "nanomaggy", "is not North up and East left"),
        ("image", fits.Header(), "nanomaggy", "has the projection"),
        ("image", fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")]), "nanomaggy", "has no pixel scale"),
        (
            "image",
            fits.Header(c for c in header(150, 0).cards if c.keyword not in ("CRVAL2", "CRPIX1")),
            "nanomaggy",
            "does not say where it is: it has no CRVAL2, CRPIX1",
        ),
        ("invvar", header(150.01, 0), "1/nanomaggy^2", "has CRVAL1 150.01, its sisters 150.0"),
        ("maskbits", header(150, 0, MBIT_2="BRIGHT"), None, "calls bit 2 'BRIGHT', not 'SATUR_G'"),
    ],
)
def test_planes_of_other_units_scale_or_place_are_refused(brick, product, cards, units, message):
    band = "" if product == "maskbits" else "g"
    data = np.ones((SIDE, SIDE), "i4" if product == "maskbits" else "f4")
    write(brick.path(product, band), data, cards, units)
    with pytest.raises(PixelError, match=message):
        BrickFiles(brick.folder, brick.brickname).read(*centre())


def test_scale_within_a_percent_is_accepted(tmp_path):
    write_brick(tmp_path, "1500p000", 0, header(150.0, 0.0, scale=SCALE * 1.008))
    assert np.isfinite(BrickFiles(tmp_path, "1500p000").read(*centre())["image"]).sum() == 3 * (21 * 21)


def test_another_spelling_of_a_mask_bit_is_no_contradiction(brick):
    cards = header(150, 0, MBIT_0="nprimary", MBIT_2="SAT_G", MBIT_17="RESOLVED")
    write(brick.path("maskbits"), np.full((SIDE, SIDE), 4, "i4"), cards)
    assert (brick.read(*centre())["mask"] == 4).all()


def test_a_plane_of_another_shape_is_refused(brick):
    write(brick.path("nexp", "r"), np.ones((SIDE, SIDE - 1), "i2"), header(150, 0))
    with pytest.raises(PixelError, match=r"band r: .* has shape \(240, 239\), its sisters \(240, 240\)"):
        brick.read(*centre())


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_a_broken_file_becomes_the_failure_of_its_galaxies_alone(root, tmp_path):
    import shutil

    shutil.copytree(root, tmp_path / "copy")
    survey = CoaddSurvey(tmp_path / "copy", "ls-dr10-south")
    path = survey.brick("1500p001").path("image", "z")
    path.write_bytes(path.read_bytes()[:-10000])
    read = survey.read(table(sky(120, 120), sky(120, 120, "1500p001")), 9)
    assert read.failure.values[0] == ""
    assert "image-z.fits.fz' is truncated" in read.failure.values[1]
    assert np.isnan(read.image.values[1]).all()


def test_bricks_join_geometry_and_summary(survey):
    bricks = survey.bricks()
    assert bricks.brickname.tolist() == sorted(CENTRES)
    assert bricks.psfdepth_r.tolist() == [24.0] * 3
    assert bricks.ra.max() == 150.0  # of the geometry, not of the summary
    assert survey.check()[:2] == ["3 bricks listed", "3 bricks with image and invvar in g, r, z and maskbits"]


def test_of_a_long_list_of_bricks_a_spread_few_are_looked_at_and_all_when_these_have_no_files(
    root, tmp_path, monkeypatch
):
    import shutil

    monkeypatch.setattr("lenscal.io.survey.coadds.LOOKED_AT", 2)
    assert CoaddSurvey(root, "ls-dr10-south").check() == [
        "3 bricks listed",
        "2 bricks of the 2 looked at with image and invvar in g, r, z and maskbits",
    ]
    shutil.copytree(root, tmp_path / "copy")
    for name in ("1499p000", "1500p001"):
        shutil.rmtree(tmp_path / "copy" / "south" / "coadd" / name[:3] / name)
    found = CoaddSurvey(tmp_path / "copy", "ls-dr10-south").check()
    assert found[1].startswith("0 bricks of the 2 looked at")
    assert found[2].startswith("2 bricks of the 2 looked at without files; the first: brick: '1499p000' has no folder")
    shutil.rmtree(tmp_path / "copy" / "south" / "coadd")
    with pytest.raises(SurveyError, match="lists 3 bricks and has the files of none; the first: brick: '1499p000'"):
        CoaddSurvey(tmp_path / "copy", "ls-dr10-south").check()


def test_a_survey_without_tables_or_folder_is_refused(tmp_path):
    with pytest.raises(SurveyError, match="has no table of bricks: it is empty; expected survey-bricks"):
        CoaddSurvey(tmp_path, "ls-dr10-south").check()
    with pytest.raises(SurveyError, match="is no folder"):
        CoaddSurvey(tmp_path / "none", "ls-dr10-south").check()
    with pytest.raises(SurveyError, match="is a URL"):
        CoaddSurvey("s3://bucket/dr10", "ls-dr10-south").check()
    Table({"BRICKNAME": ["a", "a"], "RA": [1.0, 1.0], "DEC": [0.0, 0.0]}).write(tmp_path / "survey-bricks.fits.gz")
    with pytest.raises(SurveyError, match="names brick 'a' twice"):
        CoaddSurvey(tmp_path, "ls-dr10-south").bricks()


def test_rows_without_a_column_are_refused(survey):
    with pytest.raises(ValueError, match=r"rows have no column \['brickname'\]"):
        survey.read(table(sky(1, 1)).drop(columns="brickname"), 9)


def test_no_rows_give_no_stamps(survey):
    assert survey.read(table(), 9).sizes == {"galaxy": 0, "band": 3, "y": 9, "x": 9}


def test_a_survey_travels_to_a_worker(survey):
    again = pickle.loads(pickle.dumps(survey))
    rows = table(sky(120, 120))
    xr.testing.assert_identical(again.read(rows, 9), survey.read(rows, 9))


def test_what_the_survey_reads_becomes_cutouts(survey):
    from lenscal import cutouts

    rows = table(sky(120, 120), (10.0, 10.0))
    for name, variable in (schema.MANIFEST.variables | schema.GALAXY_COORDS).items():
        if name not in rows:
            rows[name] = "" if variable.dtype == "str" else np.zeros(len(rows), variable.dtype)
    out = cutouts.cut(rows, survey.read, Cutouts(size=21))
    np.testing.assert_array_equal(out.failure.values == "", [True, False])
    np.testing.assert_allclose(out.psfsize[0], [1.0, 1.1, 1.2], rtol=1e-6)


# --- the real brick at the edge of the footprint: g and z exist, r does not


def test_the_real_brick_without_r_is_refused_by_name(real):
    survey = CoaddSurvey(real / "coadds" / "brick-0959p805", "ls-dr6-north")
    row = survey.bricks().iloc[0]
    read = survey.read(table((row.ra, row.dec), brick="0959p805"), 101)
    assert read.failure.values[0].startswith("band r: file 'legacysurvey-0959p805-image-r.fits.fz' is missing")
    with pytest.raises(SurveyError, match="band r"):
        survey.check()


def test_the_real_exact_zeros_are_no_coverage(real, tmp_path):
    """The g plane stands for all three bands, since this brick has no r; its pixels are as the survey wrote them."""
    folder = real / "coadds" / "brick-0959p805"
    for band in "grz":
        for product in ("image", "invvar", "nexp"):
            content = (folder / f"legacysurvey-0959p805-{product}-g.fits.fz").read_bytes()
            assert content.count(b"FILTER  = 'g       '") == 1
            (tmp_path / f"legacysurvey-0959p805-{product}-{band}.fits.fz").write_bytes(
                content.replace(b"FILTER  = 'g", f"FILTER  = '{band}".encode())
            )
    with fits.open(folder / "legacysurvey-0959p805-image-g.fits.fz") as hdus:
        cards, image = hdus[1].header, hdus[1].data
    exposures = fits.getdata(folder / "legacysurvey-0959p805-nexp-g.fits.fz")
    write(tmp_path / "legacysurvey-0959p805-maskbits.fits.fz", np.zeros(image.shape, "i2"), fits.Header())
    brick = BrickFiles(tmp_path, "0959p805")
    pixel = WCS(cards)
    y, x = np.array([300, 5, 700, 2500, 100]), np.array([300, 400, 500, 2500, 870])
    ra, dec = pixel.wcs_pix2world(x, y, 0)
    read = brick.read(ra, dec, 101)
    assert read["edge_pixel_count"].tolist() == [0, 45 * 101, 0, 0, 0]
    for i in range(len(x)):
        top, left = y[i] - 50, x[i] - 50
        n = 101 - max(0, -top)
        box = (slice(max(top, 0), top + 101), slice(left, left + 101))
        expected = np.where(exposures[box] > 0, image[box], np.nan)
        np.testing.assert_array_equal(read["image"][i, 0, 101 - n :], expected)
    assert np.isnan(read["image"][3]).all()  # outside the footprint: exact zeros in the file
    assert (image[2450:2551, 2450:2551] == 0).all()
    assert np.isfinite(read["image"][0]).mean() > 0.5


CARDS = {
    "FILTER of the survey": ({"FILTER": "z DECam SDSS c0004 9260.0 1520.0"}, "says that its band is z, not g"),
    "FILTER of Mosaic": ({"FILTER": "rd DECam"}, "says that its band is r, not g"),
    "EXTNAME": ({"EXTNAME": "{P}_z"}, "says that its band is z, not g"),
    "EXTNAME with a dash": ({"EXTNAME": "{P}-r"}, "says that its band is r, not g"),
    "another product by EXTNAME": ({"EXTNAME": "CHI2_g"}, "says that it is the plane 'chi2'"),
    "another product by IMTYPE": ({"IMTYPE": "model"}, "says that it is the plane 'model'"),
    "another product by PRODTYPE": ({"PRODTYPE": "galdepth"}, "says that it is the plane 'galdepth'"),
}


@pytest.mark.parametrize("product", ["image", "invvar", "nexp", "psfsize"])
@pytest.mark.parametrize("case", CARDS)
def test_a_plane_of_another_band_or_kind_is_refused_by_its_cards(brick, product, case):
    cards, message = CARDS[case]
    for card, value in cards.items():
        fits.setval(brick.path(product, "g"), card, value=value.replace("{P}", product.upper()), ext=1)
    with pytest.raises(PixelError, match=message):
        BrickFiles(brick.folder, brick.brickname).read(*centre())


@pytest.mark.parametrize("product", ["image", "invvar", "nexp", "psfsize"])
@pytest.mark.parametrize(
    "cards",
    [
        {"FILTER": "g"},
        {"FILTER": "g DECam SDSS c0001 4720.0 1520.0"},
        {"FILTER": "gd"},
        {"EXTNAME": "{P}_g"},
        {"EXTNAME": "{P}-g"},
        {"EXTNAME": "COMPRESSED_IMAGE"},
        {"EXTNAME": "IMAGE"},
        {"FILTER": "clear"},
        {"IMTYPE": "{P}"},
    ],
)
def test_cards_that_say_the_band_and_kind_or_nothing_are_accepted(brick, product, cards):
    for card, value in cards.items():
        word = {"IMTYPE": product}.get(card, value.replace("{P}", product.upper()))
        fits.setval(brick.path(product, "g"), card, value=word, ext=1)
    assert np.isfinite(BrickFiles(brick.folder, brick.brickname).read(*centre())["image"]).any()
