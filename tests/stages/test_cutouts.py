"""Each galaxy of the manifest has one row of pixels in the manifest's order, and what has no pixels says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lenscal import cutouts, schema
from lenscal.config import Cutouts
from lenscal.kernels import light

SIZE = 25
SETTINGS = Cutouts(size=SIZE, psf_beta=2.5)


def manifest(n=4):
    """Rows with every column of the manifest."""
    columns = {}
    for name, variable in schema.MANIFEST.variables.items():
        columns[name] = (
            [f"{name}{i}" for i in range(n)] if variable.dtype == "str" else np.arange(n).astype(variable.dtype)
        )
    rows = pd.DataFrame(columns)
    rows["galaxy_id"] = (np.int64(10000) << 42) + np.arange(n)
    for b, band in enumerate("grz"):
        rows[f"psfsize_{band}"] = np.float32(1.2 + 0.1 * b)
        rows[f"psfdepth_{band}"] = np.float32(24 + 0.1 * b)
    return schema.MANIFEST.cast_table(rows)


def stamps(rows, size):
    """Pixels that are a function of the galaxy alone."""
    text = np.dtypes.StringDType()
    ids = rows["galaxy_id"].to_numpy() % 1000
    grid = np.arange(3 * size * size, dtype="f4").reshape(3, size, size)
    image = ids[:, None, None, None] + 0.001 * grid
    every = np.full(len(rows), "", text)
    dims = ("galaxy", "band", "y", "x")
    return xr.Dataset(
        {
            "galaxy_id": ("galaxy", rows["galaxy_id"].to_numpy()),
            "image": (dims, image.astype("f4"), {"units": "nanomaggy"}),
            "invvar": (dims, np.ones(image.shape, "f4"), {"units": "nanomaggy^-2"}),
            "mask": (("galaxy", "y", "x"), np.full((len(rows), size, size), 4, "i4")),
            "psfsize": (("galaxy", "band"), np.full((len(rows), 3), 1.5, "f4")),
            "failure": ("galaxy", every),
            "cutout_url": ("galaxy", np.full(len(rows), "here", text)),
            "download_timestamp": ("galaxy", every),
            "layer_version": ("galaxy", np.full(len(rows), "layer", text)),
        },
        coords={"band": np.array(schema.BANDS, text)},
    )


def spoilt(**changes):
    """A reader whose Dataset is changed: {variable: function of its values}."""

    def read(rows, size):
        data = stamps(rows, size)
        for name, change in changes.items():
            data[name] = (data[name].dims, change(data[name].values.copy()), data[name].attrs)
        return data

    return read


def first(value):
    def change(values):
        values[0] = value
        return values

    return change


def test_pixels_and_manifest_meet_in_the_declared_dataset():
    rows = manifest()
    out = cutouts.cut(rows, stamps, SETTINGS)
    schema.CUTOUTS.check(out)
    np.testing.assert_array_equal(out.image, stamps(rows, SIZE).image)
    for name in schema.GALAXY_COORDS:
        assert name in out.coords
        assert out[name].values.tolist() == rows[name].tolist(), name
    assert out.stamp_size.values.tolist() == [SIZE] * 4
    assert set(out.bandset.values.tolist()) == {"grz"}
    np.testing.assert_allclose(out.psfdepth, np.tile([24, 24.1, 24.2], (4, 1)), rtol=1e-6)


def test_blocks_put_together_are_the_whole():
    rows = manifest(7)
    whole = cutouts.cut(rows, stamps, SETTINGS)
    parts = [cutouts.cut(rows.iloc[part], stamps, SETTINGS) for part in (slice(0, 1), slice(1, 5), slice(5, 7))]
    xr.testing.assert_identical(xr.concat(parts, "galaxy"), whole)


def test_a_failed_galaxy_keeps_its_row_without_pixels():
    out = cutouts.cut(manifest(), spoilt(failure=first("band r: file 'a' is missing")), SETTINGS)
    assert out.sizes["galaxy"] == 4
    assert out.failure.values.tolist() == ["band r: file 'a' is missing", "", "", ""]
    assert np.isnan(out.image.values[0]).all()
    assert (out.invvar.values[0] == 0).all()
    assert (out["mask"].values[0] == 0).all()
    assert np.isfinite(out.image.values[1:]).all()


def test_a_galaxy_nobody_observed_is_a_failure():
    out = cutouts.cut(manifest(), spoilt(image=first(np.nan)), SETTINGS)
    assert out.failure.values[0].startswith("no coverage:")
    assert (out.failure.values[1:] == "").all()


def test_the_bandset_is_that_of_the_bands_that_were_observed():
    def change(image):
        image[0, 2], image[1], image[2, :, 0] = np.nan, np.nan, np.nan
        return image

    out = cutouts.cut(
        manifest(), spoilt(image=change, failure=lambda f: np.where(np.arange(4) == 3, "brick: gone", f)), SETTINGS
    )
    assert out.bandset.values.tolist() == ["gr", "", "grz", ""]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_without_a_number_has_no_weight(value):
    def change(image):
        image[1, 2, 3, 4] = value
        return image

    out = cutouts.cut(manifest(), spoilt(image=change), SETTINGS)
    assert np.isnan(out.image.values[1, 2, 3, 4])
    assert out.invvar.values[1, 2, 3, 4] == 0
    assert np.isnan(out.image).sum() == 1
    assert (out.invvar == 0).sum() == 1


def test_weights_that_are_no_weights_are_zero():
    def change(invvar):
        invvar[0, 0, 0, :3] = [-1, np.nan, np.inf]
        return invvar

    out = cutouts.cut(manifest(), spoilt(invvar=change), SETTINGS)
    assert out.invvar.values[0, 0, 0, :4].tolist() == [0, 0, 0, 1]
    assert np.isfinite(out.image).all()


def test_psfsize_is_that_of_the_pixels_and_else_that_of_the_manifest():
    def change(psfsize):
        psfsize[0], psfsize[1, 2] = [np.nan, 0, -1], np.nan
        return psfsize

    rows = manifest()
    rows.loc[1, "psfsize_z"] = np.float32(0)
    out = cutouts.cut(rows, spoilt(psfsize=change), SETTINGS)
    np.testing.assert_allclose(out.psfsize.values[0], [1.2, 1.3, 1.4], rtol=1e-6)
    assert np.isnan(out.psfsize.values[1, 2])
    assert (out.psfsize.values[2:] == 1.5).all()


@pytest.mark.parametrize(("beta", "ratio"), [(2.5, 0.720), (3.5, 0.811), (4.5, 0.858)])
def test_the_core_width_is_that_of_the_moffat_of_equal_noise_area(beta, ratio):
    out = cutouts.cut(manifest(), stamps, Cutouts(size=SIZE, psf_beta=beta))
    np.testing.assert_allclose(out.psf_fwhm_core / out.psfsize, ratio, atol=5e-4)
    fwhm = float(out.psf_fwhm_core[0, 0])
    scale = 0.05  # fine enough for the sum over pixels to be the integral
    psf = light.moffat(fwhm, beta, 1601, scale)
    area = scale**2 / (psf**2).sum()
    assert 2.3548 * np.sqrt(area / (4 * np.pi)) == pytest.approx(1.5, rel=0.02)


def test_psf_images_pass_through():
    def read(rows, size):
        psf = np.random.default_rng(0).random((len(rows), 3, 7, 7)).astype("f4")
        return stamps(rows, size).assign(psf=(("galaxy", "band", "psf_y", "psf_x"), psf))

    rows = manifest()
    np.testing.assert_array_equal(cutouts.cut(rows, read, SETTINGS).psf, read(rows, SIZE).psf)
    assert "psf" not in cutouts.cut(rows, stamps, SETTINGS)


def test_a_galaxy_twice_is_refused():
    rows = pd.concat([manifest(), manifest().iloc[:1]])
    with pytest.raises(ValueError, match=r"galaxy_id \d+ is there more than once \(1 rows too many\)"):
        cutouts.cut(rows, stamps, SETTINGS)


def test_a_manifest_without_a_column_is_refused():
    with pytest.raises(ValueError, match=r"the manifest has no column \['psfdepth_z'\]"):
        cutouts.cut(manifest().drop(columns="psfdepth_z"), stamps, SETTINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.isel(galaxy=[1, 0, 2, 3]), "not those asked for, in that order"),
        (lambda d: d.isel(galaxy=[0, 1]), "asked for 4 stamps"),
        (lambda d: d.isel(x=slice(1, None)), "asked for 4 stamps of 25 px"),
        (lambda d: d.isel(band=[0, 2, 1]), r"bands are \['g', 'z', 'r'\]"),
        (lambda d: d.drop_vars("failure"), "'failure' is missing"),
        (lambda d: d.assign(image=d.image.assign_attrs(units="mag")), "'image' is in 'mag', not 'nanomaggy'"),
        (lambda d: d.assign(image=d.image.isel(band=0)), "'image' has dims"),
        (lambda d: d.assign(mask=d["mask"].astype("f4")), "'mask' is float32"),
    ],
)
def test_pixels_other_than_asked_for_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        cutouts.cut(manifest(), lambda rows, size: change(stamps(rows, size)), SETTINGS)


@pytest.mark.parametrize("size", [64, 63, 101, 1])
def test_a_crop_takes_the_same_pixels_however_they_are_held(size):
    array = np.arange(2 * 101 * 101).reshape(2, 101, 101)
    data = xr.Dataset({"image": (("galaxy", "y", "x"), array), "score": ("galaxy", [1.0, 2.0])})
    start = (101 - size) // 2
    expected = array[:, start : start + size, start : start + size]
    np.testing.assert_array_equal(cutouts.crop(array, size), expected)
    np.testing.assert_array_equal(cutouts.crop(data, size).image, expected)
    np.testing.assert_array_equal(cutouts.crop(data.image, size), expected)


def test_a_crop_of_64_has_the_object_at_pixel_32():
    image = np.zeros((101, 101))
    image[50, 50] = 1
    assert np.argwhere(cutouts.crop(image, 64)).tolist() == [[32, 32]]


@pytest.mark.parametrize("size", [0, 102])
def test_a_crop_that_does_not_fit_is_refused(size):
    with pytest.raises(ValueError, match=f"a crop of {size} px does not fit a stamp of 101 x 101 px"):
        cutouts.crop(np.zeros((101, 101)), size)


# --- rounding


def noisy(rows, size):
    data = stamps(rows, size)
    data["image"].values[:] = np.random.default_rng(0).normal(0, 0.003, data.image.shape)
    data["invvar"].values[:] = 1 / 0.003**2
    return data


def test_rounded_images_are_multiples_of_a_power_of_two_within_half_a_step():
    exact = cutouts.cut(manifest(8), noisy, SETTINGS).image.values
    rounded = cutouts.cut(manifest(8), noisy, Cutouts(size=SIZE, rounding_nanomaggy=0.0003)).image.values
    step = 2.0**-12
    assert cutouts.rounding_step(Cutouts(rounding_nanomaggy=0.0003)) == step <= 0.0003
    np.testing.assert_array_equal(rounded / step, np.rint(rounded / step))
    assert np.abs(rounded - exact).max() <= step / 2
    assert (rounded - exact).std() == pytest.approx(step / np.sqrt(12), rel=0.02)
    assert np.sqrt(rounded.std() ** 2 - exact.std() ** 2) < 0.03 * 0.003


def test_rounded_images_take_half_the_room():
    from numcodecs.blosc import Blosc

    codec = Blosc("zstd", 1, Blosc.BITSHUFFLE)
    exact, rounded = (
        len(codec.encode(cutouts.cut(manifest(8), noisy, settings).image.values))
        for settings in (SETTINGS, Cutouts(size=SIZE, rounding_nanomaggy=0.0003))
    )
    assert rounded < 0.5 * exact


def test_without_a_step_every_bit_stays():
    assert SETTINGS.rounding_nanomaggy is None
    np.testing.assert_array_equal(
        cutouts.cut(manifest(2), noisy, SETTINGS).image.values, noisy(manifest(2), SIZE).image.values
    )


def test_a_band_without_weights_is_not_rounded_since_nothing_says_how_deep_it_is():
    def weightless(rows, size):
        data = noisy(rows, size)
        data["invvar"].values[1, 2] = 0
        return data

    made = cutouts.cut(manifest(2), weightless, Cutouts(size=SIZE, rounding_nanomaggy=0.0003)).image.values
    exact = noisy(manifest(2), SIZE).image.values
    step = 2.0**-12
    np.testing.assert_array_equal(made[1, 2], exact[1, 2])
    np.testing.assert_array_equal(made[1, :2], np.rint(exact[1, :2] / step) * step)


def test_a_step_that_is_not_far_below_the_noise_is_refused_with_the_one_that_would_be():
    def deep(rows, size):
        data = noisy(rows, size)
        data["invvar"].values[1, 2, 5, 5] = 1 / 0.0015**2
        return data

    with pytest.raises(
        ValueError,
        match=(
            r"rounding to 0.000244 nanomaggy is not far below the noise of galaxy \d+, 0.0015 nanomaggy "
            r"in z; set .* to 0.00015 or less"
        ),
    ):
        cutouts.cut(manifest(2), deep, Cutouts(size=SIZE, rounding_nanomaggy=0.00025))
