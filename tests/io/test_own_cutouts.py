"""Cutouts of one's own, whatever they lie in: where the object is, what is known of each, and what is missing."""

import numpy as np
import pandas as pd
import pytest
import zarr
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from stamp_files import galaxy, moffat

from lenscal import config
from lenscal.audit.surveys import survey_of
from lenscal.io.survey.stamps import StampError, StampSurvey
from lenscal.io.survey.stamps.hosts import host_gates, said
from lenscal.kernels import resampling, widths

COUNT, SIDE = 3, 64
CONDITIONS = {"psf": {"fwhm": 1.3}, "depth": 24.0}


def images(side=SIDE, count=COUNT, dx=0.5):
    """(object, band, y, x): galaxies in white sky, `dx` pixels off the middle of the array along both axes."""
    rng = np.random.default_rng(11)
    one = [galaxy(rng, side, "grz") for _ in range(count)]
    light = np.stack([20 * moffat(side, 6.0, dx, dx, beta=2.5)] * 3)
    return np.stack([image + light for image in one]).astype("f4")


def survey(root, **keys):
    return StampSurvey(root, [], resampling.resample, widths, sets={"mine": {"files": "mine.npz", **keys}})


def written(folder, how, pixels, **more):
    """The stamps in a file of some kind, with further arrays."""
    name = {"npz": "mine.npz", "hdf5": "mine.h5", "zarr": "mine.zarr"}[how]
    if how == "npz":
        np.savez(folder / name, image=pixels, **more)
    elif how == "hdf5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(folder / name, "w") as file:
            for key, values in {"image": pixels, **more}.items():
                file[key] = values
    else:
        group = zarr.create_group(folder / name)
        for key, values in {"image": pixels, **more}.items():
            values = np.asarray(values)
            group.create_array(key, shape=values.shape, dtype=values.dtype)[...] = values
    return name


@pytest.mark.parametrize("how", ["npz", "hdf5", "zarr"])
def test_many_objects_with_arrays_of_positions_are_read_from_every_kind_of_file(tmp_path, how):
    ra, dec = np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, 3.0])
    name = written(tmp_path, how, images(), ra=ra, dec=dec)
    stamps = survey(tmp_path, files=name, centre="pixel", position={"ra": "ra", "dec": "dec"}, **CONDITIONS)
    rows = stamps.rows()
    assert rows["ra"].tolist() == ra.tolist()
    assert rows["host"].all()
    found = stamps.read(rows, SIDE)
    assert (found["failure"].values == "").all()
    np.testing.assert_array_equal(found["image"].values, images())


def test_the_keys_that_nobody_names_are_not_opened(tmp_path):
    np.savez(tmp_path / "mine.npz", image=images(), meta=np.array([{"a": 1}], dtype=object))
    assert len(survey(tmp_path, centre="pixel", **CONDITIONS).rows()) == COUNT
    with pytest.raises(StampError, match=r"'mine\.npz' cannot be read \(Object arrays cannot be loaded"):
        survey(tmp_path, centre="pixel", fields={"lens_id": "meta"}, **CONDITIONS).check()


def test_an_even_side_without_a_word_on_the_centre_says_what_to_declare(tmp_path):
    written(tmp_path, "npz", images())
    with pytest.raises(StampError, match=r"even side \(64, 64\).*`centre: pixel`.*pixel 32 .*`centre: middle`"):
        survey(tmp_path).check()


def centroid(image):
    y, x = np.mgrid[: image.shape[-2], : image.shape[-1]]
    image = np.nan_to_num(image)
    return [(image * axis).sum() / image.sum() for axis in (y, x)]


@pytest.mark.parametrize("size", [64, 63, 41])
@pytest.mark.parametrize(("centre", "dx"), [("pixel", 0.5), ("middle", 0.0)])
def test_the_object_of_an_even_stamp_comes_to_lie_on_the_pixel_of_cutouts(tmp_path, centre, dx, size):
    light = np.stack([[100 * moffat(SIDE, 5.0, dx, dx)] * 3] * COUNT)
    written(tmp_path, "npz", light.astype("f8"))
    found = survey(tmp_path, centre=centre, **CONDITIONS).read(
        survey(tmp_path, centre=centre, **CONDITIONS).rows(), size
    )
    assert (found["failure"].values == "").all()
    inner = found["image"].values[0, 1, size // 2 - 15 : size // 2 + 16, size // 2 - 15 : size // 2 + 16]
    np.testing.assert_allclose(centroid(inner), [15, 15], atol=2e-3)
    assert np.unravel_index(np.nanargmax(found["image"].values[0, 1]), (size, size)) == (size // 2, size // 2)


CARDS = {
    "CD": {"CD1_1": -0.262 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.262 / 3600},
    "PC": {"PC1_1": 1.0, "PC2_2": 1.0, "CDELT1": -0.262 / 3600, "CDELT2": 0.262 / 3600},
    "CDELT": {"CDELT1": -0.262 / 3600, "CDELT2": 0.262 / 3600},
}


def header(way, side=SIDE, reference=None, **more):
    place = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0}
    middle = (side + 1) / 2 if reference is None else reference
    return fits.Header({**place, "CRPIX1": middle, "CRPIX2": middle, **CARDS[way], **more})


@pytest.mark.parametrize("way", CARDS)
@pytest.mark.parametrize("reference", [32.5, 33.0])
def test_any_wcs_that_is_north_up_says_scale_place_and_centre(tmp_path, way, reference):
    dx = 0.5 if reference == 33.0 else 0.0
    image = images(count=1, dx=dx)[0]
    fits.PrimaryHDU(image, header(way, reference=reference)).writeto(tmp_path / "a.fits")
    stamps = survey(tmp_path, files="*.fits", pixel_scale="wcs", position="wcs", **CONDITIONS)
    rows = stamps.rows()
    np.testing.assert_allclose(rows[["ra", "dec"]].to_numpy(), [[150.0, 2.0]], atol=1e-9)
    found = stamps.read(rows, SIDE)["image"].values[0, 1]
    assert np.unravel_index(np.nanargmax(found), found.shape) == (32, 32)


def test_a_stamp_that_is_not_about_its_reference_pixel_says_what_to_do(tmp_path):
    fits.PrimaryHDU(images(count=1)[0], header("CD", reference=20.0)).writeto(tmp_path / "a.fits")
    with pytest.raises(StampError, match=r"not centred on its reference pixel.*found \[20.0, 20.0\], expected .*32\.5"):
        survey(tmp_path, files="*.fits", position="wcs").check()


BY_CARDS = {"files": "*.fits", "position": {"ra": "RA", "dec": "DEC"}, **CONDITIONS}


def placed(folder, side, x, y=None, scale=0.262, **more):
    """A stamp whose WCS puts its RA and Dec on a pixel counted from 0; its reference pixel lies elsewhere."""
    cards = header("CD", side, reference=20.0, CD1_1=-scale / 3600, CD2_2=scale / 3600)
    ra, dec = WCS(cards).all_pix2world(x, x if y is None else y, 0)
    cards.update({"RA": float(ra), "DEC": float(dec), **more})
    fits.PrimaryHDU(images(side, count=1)[0], cards).writeto(folder / "a.fits", overwrite=True)


@pytest.mark.parametrize(("side", "centre", "middle", "limit"), [(101, None, 50, 0.99), (64, "middle", 31.5, 0.75)])
@pytest.mark.parametrize("away", [0.0, 0.4, -0.7, 1.0, -1.3, 15.0])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_position_that_the_wcs_puts_beside_the_centre_is_refused(tmp_path, side, centre, middle, limit, away, axis):
    x, y = (middle + away, middle) if axis == "x" else (middle, middle + away)
    placed(tmp_path, side, x, y)
    stamps = survey(tmp_path, **BY_CARDS, centre=centre)
    if abs(away) < limit:
        assert stamps.rows()["host"].all()
        return
    on = rf"of its object on pixel x {x:.2f}, y {y:.2f} by its WCS, and the centre of the stamp is on x {middle}"
    with pytest.raises(StampError, match=rf"'a\.fits' has ra .*{on}.*cut it about the object"):
        stamps.check()


@pytest.mark.parametrize(("said", "other", "x"), [("pixel", "middle", 31.5), ("middle", "pixel", 32.0)])
def test_a_centre_that_the_wcs_contradicts_by_half_a_pixel_is_refused(tmp_path, said, other, x):
    placed(tmp_path, 64, x)
    with pytest.raises(StampError, match=rf"centre of the stamp is on .*`{said}`.*declare `centre: {other}`"):
        survey(tmp_path, **BY_CARDS, centre=said).check()
    assert survey(tmp_path, **BY_CARDS, centre=other).rows()["host"].all()


@pytest.mark.parametrize(("said", "other", "reference"), [("pixel", "middle", 32.5), ("middle", "pixel", 33.0)])
def test_without_a_position_the_reference_pixel_contradicts_the_centre(tmp_path, said, other, reference):
    fits.PrimaryHDU(images(count=1)[0], header("CD", reference=reference)).writeto(tmp_path / "a.fits")
    with pytest.raises(StampError, match=rf"has its reference pixel on pixel .*declare `centre: {other}`"):
        survey(tmp_path, files="a.fits", centre=said, **CONDITIONS).check()
    assert survey(tmp_path, files="a.fits", centre=other, **CONDITIONS).rows()["host"].all()
    fits.PrimaryHDU(images(count=1)[0], header("CD", reference=20.0)).writeto(tmp_path / "a.fits", overwrite=True)
    assert survey(tmp_path, files="a.fits", centre=said, **CONDITIONS).rows()["host"].all()


def test_of_stamps_with_fine_pixels_the_position_may_be_off_by_a_pixel_of_the_survey(tmp_path):
    for away, right in ((4.0, True), (6.0, False)):
        placed(tmp_path, 501, 250 + away, scale=0.05)
        stamps = survey(tmp_path, **BY_CARDS, pixel_scale=0.05)
        if right:
            stamps.check()
        else:
            with pytest.raises(StampError, match=r"expected them within 5\.2 pixels"):
                stamps.check()


def test_a_position_beyond_the_projection_of_its_wcs_is_refused(tmp_path):
    placed(tmp_path, 101, 50, RA=330.0)
    with pytest.raises(StampError, match="on pixel x inf, y inf by its WCS"):
        survey(tmp_path, **BY_CARDS).check()


def test_the_wcs_of_a_file_of_many_stamps_says_nothing_of_their_places(tmp_path):
    fits.PrimaryHDU(images(), header("CD", reference=20.0)).writeto(tmp_path / "a.fits")
    pd.DataFrame({"ra": [10.0, 20.0, 30.0], "dec": 1.0}).to_csv(tmp_path / "t.csv", index=False)
    place = {"table": "t.csv", "position": {"ra": "ra", "dec": "dec"}}
    assert len(survey(tmp_path, files="a.fits", centre="pixel", **place, **CONDITIONS).rows()) == COUNT


@pytest.mark.parametrize("way", ["image", "extension", "named", "packed", "gzipped", "bands"])
def test_pixels_come_from_any_hdu_packed_or_not_and_places_from_cards(tmp_path, way):
    pixels = images(count=1)[0]
    cards = fits.Header({"RA": 33.25, "DEC": -4.5, "SEEING": 1.25})
    keys = {"files": "a.*", "centre": "pixel", "position": {"ra": "RA", "dec": "DEC"}, "psf": {"fwhm": "SEEING"}}
    if way in ("image", "gzipped"):
        fits.PrimaryHDU(pixels, cards).writeto(tmp_path / ("a.fits.gz" if way == "gzipped" else "a.fits"))
    elif way == "extension":
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, cards)]).writeto(tmp_path / "a.fits")
    elif way == "named":
        other = fits.ImageHDU(np.zeros((3, SIDE, SIDE)), name="OTHER")
        fits.HDUList([fits.PrimaryHDU(), other, fits.ImageHDU(pixels, cards, name="SCI")]).writeto(tmp_path / "a.fits")
        keys["hdu"] = "SCI"
    elif way == "packed":
        packed = fits.CompImageHDU(pixels, cards, compression_type="GZIP_2", quantize_level=0)
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(tmp_path / "a.fits.fz")
    else:
        planes = [fits.ImageHDU(plane, cards, name=f"S_{i}") for i, plane in enumerate(pixels)]
        fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(tmp_path / "a.fits")
        keys["hdus"] = [1, "S_1", 3]
    stamps = survey(tmp_path, **keys, depth=24.0)
    rows = stamps.rows()
    assert rows[["ra", "dec"]].to_numpy().tolist() == [[33.25, -4.5]]
    np.testing.assert_array_equal(stamps.read(rows, SIDE)["image"].values[0], pixels)
    assert rows["psfsize_r"].iloc[0] > 1.25, "the wings of a Moffat profile make it wider than its core"


def in_extension(path, primary, own=None, first=None):
    """A stamp in the first extension, its cards in the primary header, and some of its own."""
    image = fits.ImageHDU(images(count=1)[0], fits.Header(own or {}), name="IMAGE")
    fits.HDUList([fits.PrimaryHDU(first, fits.Header(primary)), image]).writeto(path, overwrite=True)


@pytest.mark.parametrize("first", [None, np.ones((5, 5), "f4")])
def test_cards_of_the_primary_header_count_where_the_image_lies_in_an_extension(tmp_path, first):
    keys = {"files": "a.fits", "hdu": 1, "centre": "pixel", **CONDITIONS}
    for cards, message in (
        ({"MAGZERO": 30.0}, r"has zero point 30\.0; expected 22\.5"),
        ({"BUNIT": "mJy"}, "is in 'mJy'; expected 'nanomaggy'"),
        ({"BANDS": "gri"}, "says its bands are g, r, i"),
    ):
        in_extension(tmp_path / "a.fits", cards, first=first)
        with pytest.raises(StampError, match=message):
            survey(tmp_path, **keys).check()
    in_extension(tmp_path / "a.fits", {"MAGZERO": 30.0, "RA": 10.0, "DEC": 1.0}, {"MAGZERO": 22.5, "RA": 20.0}, first)
    rows = survey(tmp_path, **keys, position={"ra": "RA", "dec": "DEC"}).rows()
    assert rows[["ra", "dec"]].to_numpy().tolist() == [[20.0, 1.0]]


def test_cards_that_are_of_the_primary_image_alone_are_not_those_of_an_extension(tmp_path):
    elsewhere = dict(header("CD", reference=20.0)) | {"FILTER": "g", "RA": 33.0, "DEC": -4.0}
    in_extension(tmp_path / "a.fits", elsewhere, first=np.ones((SIDE, SIDE), "f4"))
    keys = {"files": "a.fits", "hdu": "IMAGE", "centre": "pixel", **CONDITIONS}
    rows = survey(tmp_path, **keys, position={"ra": "RA", "dec": "DEC"}).rows()
    assert rows[["ra", "dec"]].to_numpy().tolist() == [[33.0, -4.0]]
    with pytest.raises(StampError, match="has no 'CRPIX1'"):
        survey(tmp_path, **keys, position="wcs").check()


def test_the_place_of_an_empty_primary_header_is_that_of_the_image(tmp_path):
    in_extension(tmp_path / "a.fits", dict(header("CD", reference=33.0)))
    rows = survey(tmp_path, files="a.fits", position="wcs", **CONDITIONS).rows()
    np.testing.assert_allclose(rows[["ra", "dec"]].to_numpy(), [[150.0, 2.0]], atol=1e-9)


def test_a_psf_that_is_given_as_image_width_or_model_is_that_of_the_host(tmp_path, real):
    image = np.stack([moffat(31, 5.0)] * 3)
    name = written(tmp_path, "npz", images(), psf_image=image, seeing=np.array([[1.2, 1.1, 1.0]] * COUNT))
    given = survey(tmp_path, files=name, centre="pixel", psf={"image": "psf_image"}, depth=24.0)
    found = given.read(given.rows(), SIDE)["psf"].values[0, 1]
    np.testing.assert_allclose(found[16:47, 16:47], image[0], atol=1e-6)
    widths_ = survey(tmp_path, files=name, centre="pixel", psf={"fwhm": "seeing"}, depth=24.0).rows()
    assert widths_[["psfsize_g", "psfsize_r", "psfsize_z"]].diff(axis=1).iloc[:, 1:].lt(0).all(axis=None)
    np.save(tmp_path / "one.npy", 0)
    fits.PrimaryHDU(moffat(31, 5.0)).writeto(tmp_path / "psf.fits")
    of_file = survey(tmp_path, files=name, centre="pixel", psf=[{"image": "psf.fits"}], depth=24.0)
    np.testing.assert_allclose(of_file.read(of_file.rows(), SIDE)["psf"].values[0, 1], found, atol=1e-7)
    assert tmp_path / "psf.fits" in of_file.files()
    models = {
        band: f"psf/psfex/decals_grz/decam-0039{n}.fits.gz"
        for band, n in {"g": "0498-S10", "r": "0924-S10", "z": "0498-S10"}.items()
    }
    for path in models.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((real / path).read_bytes())
    of_model = survey(tmp_path, files=name, centre="pixel", psf={"model": models}, depth=24.0).rows()
    assert of_model["psfsize_r"].between(0.8, 2.0).all()


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (
            moffat(31, 5.0, 5.0),
            r"star on x 20\.0\d, y 15\.00, and its middle pixel is x 15, y 15 .* cut it about its star",
        ),
        (moffat(31, 5.0, 0.5, 0.5), r"star on x 15\.[45]\d, y 15\.[45]\d"),
        (moffat(31, 5.0) + 1e-3, r"on a level that holds [\d.]+ % of its light .* subtract the sky from it"),
    ],
)
@pytest.mark.parametrize("where", ["key", "file"])
def test_a_psf_whose_star_is_beside_the_middle_or_on_a_level_is_refused(tmp_path, psf, message, where):
    name = written(tmp_path, "npz", images(), star=np.stack([[moffat(31, 5.0)] * 2 + [psf]] * COUNT))
    fits.PrimaryHDU(psf).writeto(tmp_path / "psf.fits")
    image, band = ("star", "z") if where == "key" else ("psf.fits", "g")
    with pytest.raises(StampError, match=rf"'mine\.npz', stamp 0, band {band}: the PSF .*{message}"):
        survey(tmp_path, files=name, centre="pixel", psf={"image": image}, depth=24.0).check()


def test_a_psf_of_unequal_sides_keeps_its_star_in_the_middle(tmp_path):
    written(tmp_path, "npz", images(), star=moffat(71, 5.0)[20:51], flat=moffat(71, 5.0)[:, 20:51])
    for key in ("star", "flat"):
        stamps = survey(tmp_path, centre="pixel", psf={"image": key}, depth=24.0)
        psf = stamps.read(stamps.rows(), SIDE)["psf"].values[0, 1]
        assert np.unravel_index(psf.argmax(), psf.shape) == (31, 31)


def test_a_psfsize_that_is_given_is_that_of_the_rows(tmp_path):
    written(tmp_path, "npz", images())
    rows = survey(tmp_path, centre="pixel", psf={"psfsize": {"g": 1.4, "r": 1.3, "z": 1.2}}, depth=24.0).rows()
    np.testing.assert_allclose(rows[["psfsize_g", "psfsize_r", "psfsize_z"]], [[1.4, 1.3, 1.2]] * COUNT, rtol=0.02)


def test_depth_is_given_for_all_by_band_or_for_each(tmp_path):
    each = np.linspace(23, 24.5, COUNT * 3).reshape(COUNT, 3)
    name = written(tmp_path, "npz", images(), each=each, depth_g=each[:, 0], depth_r=each[:, 1], depth_z=each[:, 2])
    names = ["psfdepth_g", "psfdepth_r", "psfdepth_z"]
    of = lambda depth: survey(tmp_path, files=name, centre="pixel", psf={"fwhm": 1.3}, depth=depth).rows()[names]  # noqa: E731
    np.testing.assert_allclose(of(24.0), 24.0)
    np.testing.assert_allclose(of({"g": 24.0, "r": 23.5, "z": 22.5}), [[24.0, 23.5, 22.5]] * COUNT)
    np.testing.assert_allclose(of("each"), each, rtol=1e-6)
    np.testing.assert_allclose(of("depth_{band}"), each, rtol=1e-6)


@pytest.mark.parametrize("way", ["npz", "fits"])
def test_weights_and_masks_reach_the_cutouts(tmp_path, way):
    pixels, weight, bad, bits = images(count=1), np.full((1, 3, 64, 64), 4e4), np.zeros((1, 64, 64), int), None
    weight[0, 1, 10, 12] = 0
    bad[0, 50, 51] = 1
    bits = bad * 2
    planes = {"weight": "w", "mask": "m", "maskbits": "b"}
    if way == "npz":
        name = written(tmp_path, "npz", pixels, w=weight, m=bad, b=bits)
    else:
        name = "a.fits"
        hdus = [fits.ImageHDU(plane, name=key) for key, plane in (("w", weight[0]), ("m", bad[0]), ("b", bits[0]))]
        fits.HDUList([fits.PrimaryHDU(pixels[0]), *hdus]).writeto(tmp_path / name)
    stamps = survey(tmp_path, files=name, centre="pixel", zeropoint=25.0, **planes, **CONDITIONS)
    found = stamps.read(stamps.rows(), SIDE)
    factor = 10 ** (-0.4 * 2.5)
    assert found["invvar"].values[0, 1, 5, 5] == pytest.approx(4e4 / factor**2)
    assert (found["invvar"].values[0, 1, 10, 12], found["invvar"].values[0, 0, 50, 51]) == (0, 0)
    assert np.isnan(found["image"].values[0, 1, 10, 12])
    assert np.isfinite(found["image"].values[0, 0, 10, 12])
    assert np.isnan(found["image"].values[0, :, 50, 51]).all()
    assert found["mask"].values[0, 50, 51] == 2


def at_another_scale(folder, scale, **more):
    """Stamps of an odd side at another pixel scale, with further arrays."""
    name = written(folder, "npz", images(side=101, dx=0.0), **more)
    return lambda **keys: survey(folder, files=name, pixel_scale=scale, **{**CONDITIONS, **keys})


@pytest.mark.parametrize("scale", [0.396, 0.2, 0.05])
@pytest.mark.parametrize("fwhm", [1.4, 2.0])
def test_a_psf_image_is_on_the_pixels_of_the_stamps_and_resampled_with_them(tmp_path, scale, fwhm):
    side = 2 * round(4 / scale) + 1
    y, x = (np.mgrid[:side, :side] - side // 2) * scale
    image = np.exp(-4 * np.log(2) * (x**2 + y**2) / fwhm**2)
    of = at_another_scale(tmp_path, scale, star=np.stack([3 * image] * 3))
    stamps = of(psf={"image": "star"})
    rows = stamps.rows()
    expected = of(psf={"psfsize": fwhm}).rows()
    sizes = ["psfsize_g", "psfsize_r", "psfsize_z"]
    np.testing.assert_allclose(rows[sizes], expected[sizes], rtol=0.04)
    psf = stamps.read(rows, 31)["psf"].values[0, 1].astype(float)
    assert psf.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(centroid(psf), [31, 31], atol=1e-4)


def test_the_light_of_a_psf_image_that_is_small_at_the_new_scale_is_kept(tmp_path):
    stamps = at_another_scale(tmp_path, 0.05, star=np.ones((9, 9)))(psf={"image": "star"})
    psf = stamps.read(stamps.rows(), 15)["psf"].values[0, 1].astype(float)
    assert psf[30:33, 30:33].sum() == pytest.approx(1, abs=1e-6)
    assert psf[31, 31] == pytest.approx((0.262 / 0.45) ** 2, rel=1e-3)


@pytest.mark.parametrize("what", ["weight", "mask", "maskbits"])
@pytest.mark.parametrize("scale", [0.396, 0.2])
def test_planes_of_stamps_at_another_scale_are_refused(tmp_path, what, scale):
    of = at_another_scale(tmp_path, scale, plane=np.ones((COUNT, 101, 101), int))
    with pytest.raises(StampError, match=rf"{scale:.4f} arcsec per pixel, where .* maskbits are not carried over"):
        of(**{what: "plane"}).check()


def test_models_of_stamps_at_another_scale_are_refused(tmp_path, real):
    models = dict.fromkeys("grz", "model.fits.gz")
    name = "psf/psfex/decals_grz/decam-00390924-S10.fits.gz"
    (tmp_path / "model.fits.gz").write_bytes((real / name).read_bytes())
    with pytest.raises(StampError, match="do not say of which pixels they are; give an image"):
        at_another_scale(tmp_path, 0.396)(psf={"model": models}).check()


def weights_by_band(side=SIDE):
    return np.stack([np.full((side, side), value) for value in (4e4, 3e4, 2e4)])


@pytest.mark.parametrize(
    ("what", "plane"),
    [
        ("weight", weights_by_band()),
        ("mask", weights_by_band() > 3e4),
        ("maskbits", (weights_by_band() // 1e4).astype(int)),
        ("psf", np.stack([moffat(31, fwhm) for fwhm in (4.0, 5.0, 6.0)])),
    ],
)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_one_plane_for_each_of_as_many_bands_as_stamps_is_refused(tmp_path, what, plane, count):
    name = written(tmp_path, "npz", images(count=count), plane=plane)
    keys = {"psf": {"image": "plane"}} if what == "psf" else {what: "plane"}
    stamps = survey(tmp_path, files=name, centre="pixel", **{**CONDITIONS, **keys})
    if count != 3:
        stamps.check()
        return
    whole = r"\(3, 3, 31, 31\)" if what == "psf" else r"\(3, 3, 64, 64\)"
    with pytest.raises(StampError, match=rf"3 stamps in 3 bands, so its .* one for each band; write it .*{whole}"):
        stamps.check()


@pytest.mark.parametrize("way", ["all axes", "a key for each band", "a key with all stamps for each band"])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_weights_of_three_stamps_in_three_bands_are_those_of_their_band(tmp_path, way, count):
    plane = weights_by_band()
    more, weight = {"w": np.stack([plane] * count)}, "w"
    if way != "all axes":
        stacked = way == "a key with all stamps for each band"
        weight = ["w0", "w1", "w2"]
        more = {key: np.stack([one] * count) if stacked else one for key, one in zip(weight, plane)}
    name = written(tmp_path, "npz", images(count=count), **more)
    stamps = survey(tmp_path, files=name, centre="pixel", weight=weight, **CONDITIONS)
    found = stamps.read(stamps.rows(), SIDE)["invvar"].values
    np.testing.assert_allclose(found[:, :, 5, 5], [[4e4, 3e4, 2e4]] * count)


@pytest.mark.parametrize("count", [3, 4])
def test_psfs_lie_along_the_axes_that_are_declared(tmp_path, count):
    psf = np.array([[moffat(31, fwhm + row) for fwhm in (4.0, 5.0, 6.0)] for row in range(count)])
    pixels = images(count=count)
    for axes, order in ((["object", "band", "y", "x"], (0, 1, 2, 3)), (["band", "object", "y", "x"], (1, 0, 2, 3))):
        name = written(tmp_path, "npz", pixels.transpose(order), star=psf.transpose(order))
        stamps = survey(tmp_path, files=name, centre="pixel", axes=axes, psf={"image": "star"}, depth=24.0)
        found = stamps.read(stamps.rows(), SIDE)["psf"].values[:, :, 16:47, 16:47]
        np.testing.assert_allclose(found, psf, atol=1e-6)


@pytest.mark.parametrize("key", ["depth", "fwhm"])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_one_number_for_each_of_as_many_bands_as_stamps_is_refused_unless_a_table_has_it(tmp_path, key, count):
    values = np.array([21.0, 22.0, 23.0]) / (1 if key == "depth" else 15)
    keys = {"depth": "v"} if key == "depth" else {"psf": {"fwhm": "v"}}
    name = written(tmp_path, "npz", images(count=count), v=values)
    stamps = survey(tmp_path, files=name, centre="pixel", **{**CONDITIONS, **keys})
    if count != 3:
        stamps.check()
        return
    with pytest.raises(StampError, match=r"'v' .* holds 3 numbers for 3 stamps in 3 bands.*each stamp or .* \(3, 3\)"):
        stamps.check()
    pd.DataFrame({"v": values}).to_csv(tmp_path / "t.csv", index=False)
    rows = survey(tmp_path, files=name, centre="pixel", table="t.csv", **{**CONDITIONS, **keys}).rows()
    assert rows["psfdepth_r" if key == "depth" else "psfsize_r"].is_monotonic_increasing


def test_maskbits_of_any_band_count(tmp_path):
    bits = np.zeros((3, SIDE, SIDE), int)
    bits[0, 10, 12], bits[1, 10, 12], bits[2, 20, 22] = 2, 4, 8
    name = written(tmp_path, "npz", images(count=4), bits=bits)
    stamps = survey(tmp_path, files=name, centre="pixel", maskbits="bits", **CONDITIONS)
    mask = stamps.read(stamps.rows(), SIDE)["mask"].values
    assert (mask[:, 10, 12] == 6).all()
    assert (mask[:, 20, 22] == 8).all()
    assert np.count_nonzero(mask) == 8


@pytest.mark.parametrize("suffix", ["csv", "fits", "ecsv"])
@pytest.mark.parametrize("by_file", [True, False])
def test_a_table_tells_of_each_stamp_what_it_is(tmp_path, suffix, by_file):
    for i, image in enumerate(images()):
        fits.PrimaryHDU(image).writeto(tmp_path / f"s{i}.fits")
    order = [2, 0, 1] if by_file else [0, 1, 2]
    told = Table(
        {
            "file": [f"s{i}.fits" for i in order],
            "RA": [[10.0, 20.0, 30.0][i] for i in order],
            "Dec": [[1.0, 2.0, 3.0][i] for i in order],
            "type": [["SER", "DEV", "REX"][i] for i in order],
            "class": [["", "edge_on", ""][i] for i in order],
            "pool": [["N1", "N2", "N1"][i] for i in order],
            "split": [["val", "train", "test"][i] for i in order],
            "seeing": [[1.1, 1.2, 1.3][i] for i in order],
        }
    )
    if not by_file:
        told.remove_column("file")
    told.write(tmp_path / f"rows.{suffix}", format={"csv": "ascii.csv", "ecsv": "ascii.ecsv", "fits": "fits"}[suffix])
    rows = survey(
        tmp_path,
        files="s*.fits",
        centre="pixel",
        table=f"rows.{suffix}",
        position={"ra": "ra", "dec": "dec"},
        psf={"fwhm": "seeing"},
        depth=24.0,
    ).rows()
    assert rows["ra"].tolist() == [10.0, 20.0, 30.0]
    assert rows["type"].astype(str).tolist() == ["SER", "DEV", "REX"]
    assert rows["confuser_class"].astype(str).tolist() == ["", "edge_on", ""]
    assert rows["pool"].astype(str).tolist() == ["N1", "N2", "N1"]
    assert rows["split"].astype(str).tolist() == ["val", "train", "test"]
    assert rows["host"].tolist() == [True, False, True]
    assert rows["psfsize_r"].is_monotonic_increasing


def with_cards(folder, count=2, **cards):
    for i, image in enumerate(images(count=count)):
        fits.PrimaryHDU(image, fits.Header(cards)).writeto(folder / f"s{i}.fits")
    return {"files": "s*.fits", "centre": "pixel", "split": "val", **CONDITIONS}


def test_fields_that_nothing_holds_are_refused_with_what_there_is(tmp_path):
    keys = with_cards(tmp_path, MYPOOL="N2")
    with pytest.raises(
        StampError, match=r"'s0\.fits' has no 'MYPOL', which `fields` names for pool; expected .*MYPOOL"
    ):
        survey(tmp_path, **keys, fields={"pool": "MYPOL"}).check()
    pd.DataFrame({"file": ["s0.fits", "s1.fits"], "Kind": "N2"}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(StampError, match=r"no 'sort', which `fields` names for pool; expected one of MYPOOL.*kind"):
        survey(tmp_path, **keys, table="t.csv", fields={"pool": "sort"}).check()
    written(tmp_path, "npz", images(), kind=np.array(["N2"] * COUNT), other=1)
    with pytest.raises(
        StampError, match="no 'sort', which `fields` names for pool; expected one of image, kind, other"
    ):
        survey(tmp_path, centre="pixel", fields={"pool": "sort"}).check()


@pytest.mark.parametrize("word", ["pol", "class", "ra"])
def test_fields_of_a_word_that_is_none_of_ours_are_refused(tmp_path, word):
    written(tmp_path, "npz", images(), kind=np.array(["N2"] * COUNT))
    with pytest.raises(StampError, match=rf"fields names '{word}', which nothing reads; expected some of type, pool, "):
        survey(tmp_path, centre="pixel", fields={word: "kind"})


@pytest.mark.parametrize("name", ["Kind", "KIND", "kind"])
@pytest.mark.parametrize("where", ["header", "table"])
def test_cards_and_columns_are_named_in_any_case(tmp_path, name, where):
    keys = with_cards(tmp_path, **({"KIND": "N2"} if where == "header" else {}))
    if where == "table":
        columns = {"file": ["s0.fits", "s1.fits"], "Kind": "N2", "RA": [10.0, 11.0], "Dec": 1.0}
        pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
        keys |= {"table": "t.csv", "position": {"ra": "RA", "dec": "DEC"}}
    rows = survey(tmp_path, **keys, fields={"pool": name}).rows()
    assert rows["pool"].astype(str).tolist() == ["N2"] * 2
    assert not rows["host"].any()
    assert where == "header" or rows["ra"].tolist() == [10.0, 11.0]


def test_a_column_class_may_be_named(tmp_path):
    keys = with_cards(tmp_path)
    pd.DataFrame({"file": ["s0.fits", "s1.fits"], "Class": "edge_on"}).to_csv(tmp_path / "t.csv", index=False)
    for more in ({}, {"fields": {"confuser_class": "Class"}}):
        rows = survey(tmp_path, **keys, table="t.csv", **more).rows()
        assert rows["confuser_class"].astype(str).tolist() == ["edge_on"] * 2


def test_a_position_that_nothing_holds_is_refused_with_what_there_is(tmp_path):
    keys = with_cards(tmp_path, ALPHA=10.0)
    with pytest.raises(StampError, match="has no 'RA', where its scale and place are read; expected one of ALPHA"):
        survey(tmp_path, **keys, position={"ra": "RA", "dec": "DEC"}).check()


def test_positives_and_negatives_of_ones_own_are_what_they_are_said_to_be(tmp_path):
    written(tmp_path, "npz", images())
    more = {"centre": "pixel", "files": "mine.npz", **CONDITIONS}
    sets = {
        "hosts": {**more, "type": "SER"},
        "others": {**more, "use": "negative", "pool": "N2", "confuser_class": "edge_on", "split": "val"},
        "lenses": {**more, "use": "positive", "split": "train"},
        "judged": {**more, "use": "anchor", "split": "val"},
    }
    stamps = StampSurvey(tmp_path, [], resampling.resample, widths, sets=sets)
    rows = stamps.rows().groupby("brickname", observed=True)
    assert rows["label"].first().to_dict() == {"hosts": 0, "others": 0, "lenses": 1, "judged": 1}
    assert rows["host"].all().to_dict() == {"hosts": True, "others": False, "lenses": False, "judged": False}
    assert rows["tier"].first().astype(str).to_dict() == {
        "hosts": "",
        "others": "",
        "lenses": "A",
        "judged": "literature",
    }
    assert rows["split"].first().astype(str).to_dict() == {
        "hosts": "",
        "others": "val",
        "lenses": "train",
        "judged": "val",
    }
    assert stamps.trains
    assert stamps.negatives() == COUNT
    from lenscal import manifest

    built = manifest.external(stamps.rows(), config.Manifest(), 1, {}).table
    own = built.groupby("brickname", observed=True)
    assert own["split"].first().astype(str).to_dict() == {
        "hosts": "none",
        "others": "val",
        "lenses": "train",
        "judged": "val",
    }
    assert own["role"].first().astype(str).to_dict() == {
        "hosts": "none",
        "others": "none",
        "lenses": "train",
        "judged": "anchor",
    }


def test_a_split_that_is_given_is_not_held_against_the_place_of_a_row(tmp_path):
    from lenscal import manifest

    written(tmp_path, "npz", images(), ra=np.array([10.0, 20.0, 30.0]), dec=np.array([1.0, 2.0, 3.0]))
    keys = {"centre": "pixel", "position": {"ra": "ra", "dec": "dec"}, **CONDITIONS}
    verdicts = {}
    for split in ("val", "test", None):
        rows = survey(tmp_path, **keys, **({"split": split} if split else {})).rows()
        gates = manifest.external(rows, config.Manifest(), 1, {}).gates
        verdicts[split] = {gate.id: gate.verdict for gate in gates if gate.id in ("X.2", "1B.4")}
    assert verdicts["val"] == verdicts["test"] == {"X.2": "pass", "1B.4": "not applicable"}
    assert verdicts[None]["X.2"] == "pass"


def test_a_set_of_which_most_cannot_be_hosts_fails_a_gate_that_says_what_to_give(tmp_path):
    written(tmp_path, "npz", images(side=101, count=50, dx=0.0)[:, :, :, :])
    stamps = survey(tmp_path)
    (gate,) = host_gates(stamps.ledger)
    assert (gate.id, gate.verdict) == ("stamps.hosts", "fail")
    assert "50 of 50 cannot: 50 no PSF: no star in the stamp; give the PSF" in gate.measure
    assert said(survey(tmp_path, **CONDITIONS).ledger) == ""
    assert host_gates(survey(tmp_path, **CONDITIONS).ledger)[0].verdict == "pass"


BAD = {
    "psf of even sides": ({"psf": {"image": "psf"}}, {"psf": np.ones((3, 30, 30))}, "its PSF has the sides"),
    "psf without light": ({"psf": {"image": "psf"}}, {"psf": np.zeros((3, 31, 31))}, "has no light"),
    "psf of another shape": ({"psf": {"image": "psf"}}, {"psf": np.ones((5, 31, 31))}, "its PSF has the shape"),
    "psf that is nowhere": ({"psf": {"image": "psf"}}, {}, "its PSF 'psf' is no key or HDU"),
    "width that is nowhere": ({"psf": {"fwhm": "seeing"}}, {}, "has no 'seeing'"),
    "depth of another shape": ({"depth": "d"}, {"d": np.ones((2, 2))}, "'d' .depth. has the shape"),
    "depth in words": ({"depth": "d"}, {"d": np.array(["deep"] * 3)}, "holds no numbers"),
    "weight that is nowhere": ({"weight": "w"}, {}, "no array 'w' .weight."),
    "weight of another shape": ({"weight": "w"}, {"w": np.ones((3, 3, 9, 9))}, "its weight has the shape"),
    "table that is nowhere": ({"table": "no.csv"}, {}, "table of stamps: catalogue .*no.csv' is missing"),
    "negative width": ({"psf": {"fwhm": -1.0}}, {}, "expected numbers above 0"),
    "depth of two bands": ({"depth": {"g": 24.0, "r": 24.0}}, {}, "lacks z"),
    "class that there is not": ({"confuser_class": "ufo"}, {}, "confuser_class is 'ufo'"),
    "pool that there is not": ({"fields": {"pool": "p"}}, {"p": np.array(["N9"] * 3)}, "has the pool 'N9'"),
    "key that there is not": ({"colour": "red"}, {}, "survey.sets of the run file.*colour"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_contradicts_itself_or_is_missing_is_named(tmp_path, case):
    keys, more, message = BAD[case]
    np.savez(tmp_path / "mine.npz", image=images(), **more)
    with pytest.raises(StampError, match=message):
        survey(tmp_path, **{"centre": "pixel", **CONDITIONS, **keys}).check()


def test_a_table_of_too_few_rows_is_refused(tmp_path):
    written(tmp_path, "npz", images())
    pd.DataFrame({"type": ["SER"]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(StampError, match=r"'t\.csv' has 1 rows, fewer than there are stamps"):
        survey(tmp_path, centre="pixel", table="t.csv").check()


@pytest.mark.parametrize("where", ["run file", "file beside it"])
def test_profiles_are_declared_in_the_run_file_or_beside_it(tmp_path, where):
    (tmp_path / "stamps").mkdir()
    written(tmp_path / "stamps", "npz", images())
    body = "{files: mine.npz, centre: pixel, psf: {fwhm: 1.3}, depth: 24.0}"
    if where == "run file":
        own = f"sets: {{mine: {body}}}"
    else:
        (tmp_path / "own.yaml").write_text(f"mine: {body}\n")
        own = "profiles: [mine], profiles_file: own.yaml"
    rest = "name: mine, seed: 1, stores: out, objects: {lenses: []}"
    (tmp_path / "run.yaml").write_text(f"{{{rest}, survey: {{layout: stamps, root: stamps, {own}}}}}")
    settings = config.load(tmp_path / "run.yaml")
    found = survey_of(settings)
    assert found.rows()["host"].tolist() == [True] * COUNT
    assert (
        found.rows()["galaxy_id"].tolist() == survey(tmp_path / "stamps", centre="pixel").rows()["galaxy_id"].tolist()
    )
    assert ("sets" in settings.survey.content()) == (where == "run file")


def test_sets_are_no_part_of_bricks_and_take_no_shipped_name(tmp_path):
    with pytest.raises(ValueError, match="sets declares stamps, and layout is 'dr10'"):
        config.Survey(root=str(tmp_path), sets={"mine": {"files": "a"}})
    with pytest.raises(StampError, match=r"survey\.sets declares 'des_hosts', and so does"):
        StampSurvey(tmp_path, [], sets={"des_hosts": {"files": "a"}})
