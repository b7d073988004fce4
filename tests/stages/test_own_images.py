"""An arc in an image of one's own is the arc that `render` draws, wherever it lies, with the noise of its
own electrons and no other.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy import units as u
from scipy import ndimage

import lenscal as lc
from lenscal.injections import own

LENS = {"theta_e": 1.5, "q": 0.8, "phi": 0.4, "gamma1": 0.02, "gamma2": 0.03, "lens_x": 0.1, "lens_y": -0.2}
SOURCE = LENS | {"n": 1.0, "r_e": 0.3, "source_q": 0.7, "source_phi": 1.0, "source_x": 0.2, "source_y": 0.1}
BANDS = SOURCE | {"mag_g": 23.0, "mag_r": 22.0, "mag_z": 21.5}
ONE = SOURCE | {"mag": 22.0}


def gaussian(sigma=1.8, side=25):
    y, x = np.indices((side, side)) - side // 2
    image = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return image / image.sum()


PSF = gaussian()


def rendered(parameters=BANDS, psf=PSF, **options):
    kernel = xr.DataArray(
        np.broadcast_to(psf, (3, *psf.shape[-2:])), dims=("band", "psf_y", "psf_x"), attrs={"includes_pixel": True}
    )
    return lc.render(pd.DataFrame([parameters]), kernel, **options).values[0]


def test_in_the_middle_it_is_the_image_of_render_to_the_bit():
    made = lc.inject_into(np.zeros((3, 101, 101)), PSF, BANDS)
    np.testing.assert_array_equal(made.arc, rendered())
    np.testing.assert_array_equal(made.image, made.arc)


def test_each_band_has_its_own_psf_and_magnitude():
    psfs = np.stack([gaussian(s) for s in (1.5, 2.0, 2.5)])
    made = lc.inject_into(np.zeros((3, 101, 101)), psfs, BANDS)
    for band, psf in enumerate(psfs):
        np.testing.assert_array_equal(made.arc[band], rendered(psf=psf)[band])
        name = "grz"[band]
        alone = lc.inject_into(np.zeros((101, 101)), psf, SOURCE | {"mag": BANDS[f"mag_{name}"]})
        assert alone.arc.shape == (101, 101)
        np.testing.assert_allclose(alone.arc, made.arc[band], rtol=1e-6, atol=1e-9)


def test_bands_may_have_any_name_and_number():
    made = lc.inject_into(np.zeros((2, 101, 101)), PSF, SOURCE | {"mag_y": 22.0, "mag_i": 23.0}, bands=["i", "y"])
    np.testing.assert_allclose(made.arc[1], 10**0.4 * made.arc[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", [(120, 77), (0, 0), (199, 229), (3, 220)])
def test_at_another_pixel_it_is_the_same_arc_and_what_leaves_the_image_is_cut_off(place):
    arc = rendered()
    made = lc.inject_into(np.zeros((3, 200, 230)), PSF, BANDS, place=place).arc
    canvas = np.zeros((3, 400, 430), "f4")
    canvas[:, 100 + place[0] - 50 : 100 + place[0] + 51, 100 + place[1] - 50 : 100 + place[1] + 51] = arc
    np.testing.assert_array_equal(made, canvas[:, 100:300, 100:330])


@pytest.mark.parametrize("offset", [(0.4, -0.3), (-0.5, 0.49), (0.0, 0.25)])
def test_between_pixels_lens_source_and_shear_move_together(offset):
    made = lc.inject_into(
        np.zeros((3, 101, 101)), PSF, BANDS | {"gamma1": 0.1, "gamma2": -0.08}, place=(50 + offset[0], 50 + offset[1])
    ).arc
    still = rendered(BANDS | {"gamma1": 0.1, "gamma2": -0.08})
    moved = np.stack([ndimage.shift(band.astype(float), offset, order=5) for band in still])
    assert np.abs(moved - made)[:, 10:-10, 10:-10].max() < 1e-4 * still.max()


def test_even_sides_have_their_middle_between_pixels():
    made = lc.inject_into(np.zeros((100, 60)), PSF, ONE)
    named = lc.inject_into(np.zeros((100, 60)), PSF, ONE, place=(49.5, 29.5))
    np.testing.assert_array_equal(made.arc, named.arc)


def test_flux_is_magnified_and_in_the_unit_of_the_zeropoint():
    made = lc.inject_into(np.zeros((101, 101)), PSF, ONE, zeropoint=27.0)
    assert made.arc.sum() == pytest.approx(made.magnification * 10 ** (0.4 * 5), rel=0.01)
    np.testing.assert_allclose(
        made.arc, 10 ** (0.4 * 4.5) * lc.inject_into(np.zeros((101, 101)), PSF, ONE).arc, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("scale", [0.1, 0.262, 0.4])
def test_pixels_may_have_any_scale(scale):
    made = lc.inject_into(np.zeros((101, 101)), PSF, ONE, pixel_scale=scale)
    np.testing.assert_array_equal(made.arc, rendered(BANDS | {"mag_g": 22.0}, pixel_scale=scale)[0])


def test_shear_and_offset_are_nothing_where_they_are_not_given():
    less = {name: value for name, value in ONE.items() if name not in own.AT_REST}
    still = ONE | dict.fromkeys(own.AT_REST, 0.0)
    np.testing.assert_array_equal(
        lc.inject_into(np.zeros((101, 101)), PSF, less).arc, lc.inject_into(np.zeros((101, 101)), PSF, still).arc
    )


def test_angles_may_have_units_and_a_row_of_a_table_serves():
    known = lc.inject_into(np.zeros((101, 101)), PSF, ONE).arc
    angles = ONE | {
        "theta_e": 1.5 * u.arcsec,
        "phi": np.degrees(0.4) * u.deg,
        "r_e": 300 * u.mas,
        "mag": 22.0 * u.ABmag,
    }
    np.testing.assert_allclose(
        lc.inject_into(np.zeros((101, 101)), PSF, angles, pixel_scale=262 * u.mas).arc, known, rtol=1e-4, atol=1e-7
    )
    np.testing.assert_array_equal(lc.inject_into(np.zeros((101, 101)), PSF, pd.DataFrame([ONE]).iloc[0]).arc, known)
    bare = lc.inject_into(np.zeros((101, 101)), PSF, ONE | {"inner_images": False}).arc
    assert 0 < bare.sum() < known.sum()


def test_unobserved_pixels_stay_so_and_all_others_have_the_arc():
    image = np.random.default_rng(1).normal(size=(101, 101)).astype("f4")
    image[40:50, 30:60] = np.nan
    made = lc.inject_into(image, PSF, ONE)
    np.testing.assert_array_equal(made.image, image + made.arc)
    assert np.isnan(made.image).sum() == 300


def test_snr_is_that_of_the_weights_and_pixels_without_weight_tell_nothing():
    weights = np.full((101, 101), 400.0)
    made = lc.inject_into(np.zeros((101, 101)), PSF, ONE, weights=weights)
    assert made.snr == pytest.approx(20 * np.sqrt((made.arc.astype(float) ** 2).sum()))
    np.testing.assert_array_equal(made.weights, weights)
    weights[:, :50] = 0
    half = lc.inject_into(np.zeros((101, 101)), PSF, ONE, weights=weights)
    assert half.snr < made.snr
    assert np.isnan(lc.inject_into(np.zeros((101, 101)), PSF, ONE).snr).all()
    assert lc.inject_into(np.zeros((101, 101)), PSF, ONE).weights is None


def test_noise_of_the_arc_has_the_variance_of_its_electrons_which_the_weights_know():
    gain, weights = 300.0, np.full((101, 101), 1e3)
    clean = lc.inject_into(np.zeros((101, 101)), PSF, ONE)
    made = [
        lc.inject_into(np.zeros((101, 101)), PSF, ONE, weights=weights, gain=gain, seed=seed) for seed in range(200)
    ]
    bright = clean.arc > 0.05
    values = np.stack([one.image for one in made])[:, bright]
    expected = clean.arc[bright] / gain
    assert values.var(0).mean() == pytest.approx(expected.mean(), rel=0.05)
    assert abs((values.mean(0) - clean.arc[bright]).mean()) < 3 * np.sqrt(expected.mean() / values.size)
    np.testing.assert_allclose(1 / made[0].weights[bright], 1 / weights[bright] + expected, rtol=1e-5)
    np.testing.assert_array_equal(made[0].arc, clean.arc)
    np.testing.assert_array_equal(
        made[3].image, lc.inject_into(np.zeros((101, 101)), PSF, ONE, weights=weights, gain=gain, seed=3).image
    )


IMAGE = np.zeros((101, 101))
NEGATIVE = PSF.copy()
NEGATIVE[0, 0] = -0.1
NEGATIVE /= NEGATIVE.sum()
BROKEN = {
    "image dims": ({"image": np.zeros(5)}, r"the image has shape \(5,\), expected \(y, x\)"),
    "image empty": ({"image": np.zeros((0, 5))}, "the image has shape"),
    "image of nan": ({"image": IMAGE * np.nan}, "the image has no finite pixel"),
    "image with unit": ({"image": IMAGE * u.nJy}, "the image is in nJy, which cannot be converted to 1"),
    "image of text": ({"image": "m31.fits"}, "the image holds 'm31.fits', expected numbers"),
    "psf even": ({"psf": gaussian(side=25)[:24, :]}, "the PSF is 24 x 25 pixels, expected odd sides"),
    "psf sum": ({"psf": 2 * PSF}, "the PSF sums to 2.0000, not 1"),
    "psf nan": ({"psf": PSF * np.nan}, "the PSF holds NaN or infinity"),
    "psf off": ({"psf": np.roll(PSF, 3, 1)}, r"the PSF has its star on x 15.00, y 12.00, and its middle pixel is x 12"),
    "psf level": ({"psf": (PSF + 1e-3) / (PSF + 1e-3).sum()}, "the PSF stands on a level that holds"),
    "psf of a band": (
        {"image": np.zeros((3, 101, 101)), "source": BANDS, "psf": np.stack([PSF, np.roll(PSF, 3, 0), PSF])},
        "the PSF of band 1 has its star on x 12.00, y 15.00",
    ),
    "psf negative": ({"psf": NEGATIVE}, "of its light in negative pixels"),
    "psf dims": ({"psf": PSF[0]}, r"the PSF has shape \(25,\), expected"),
    "psf bands": ({"psf": np.stack([PSF] * 2)}, r"the PSF has shape \(2, 25, 25\), expected"),
    "weights shape": (
        {"weights": np.ones((100, 101))},
        r"the weights have shape \(100, 101\), expected that of the image, \(101, 101\)",
    ),
    "weights negative": ({"weights": IMAGE - 1}, "10201 weights are negative"),
    "weights nan": ({"weights": IMAGE * np.nan}, "the weights is not finite in 10201"),
    "scale": ({"pixel_scale": 0}, "pixel_scale is .*expected one number above 0"),
    "scale in metres": ({"pixel_scale": 1 * u.m}, "pixel_scale is in m, which cannot be converted to arcsec"),
    "zeropoint": ({"zeropoint": np.nan}, "zeropoint is not finite"),
    "place outside": ({"place": (101, 5)}, "expected a row and a column of the image of 101 x 101"),
    "place nan": ({"place": (np.nan, 5)}, "place is not finite"),
    "place of three": ({"place": (1, 2, 3)}, "expected a row and a column"),
    "gain": ({"gain": 0}, "the gain is 0.*expected one positive number"),
    "gain nan": ({"gain": np.nan}, "the gain is nan"),
    "gain bands": ({"gain": [1.0, 2.0]}, "or one for each of 1 bands"),
    "bands of one": ({"bands": ["g"]}, "leave bands out"),
    "bands without names": ({"image": np.zeros((2, 9, 9))}, "the image has 2 bands without names"),
    "bands twice": ({"image": np.zeros((2, 9, 9)), "bands": ["g", "g"]}, "expected one name for each"),
    "missing": (
        {"source": {k: v for k, v in ONE.items() if k not in ("theta_e", "mag")}},
        "the source lacks theta_e, mag",
    ),
    "unknown": ({"source": ONE | {"gamma_1": 0.1}}, "a parameter 'gamma_1' that is none"),
    "range": ({"source": ONE | {"q": 1.2}}, r"q is 1.2, expected a finite number in \(0, 1\]"),
    "nan": ({"source": ONE | {"mag": np.nan}}, "mag is nan, expected a finite number"),
    "two": ({"source": ONE | {"mag": [22.0, 23.0]}}, "put one source in at a time"),
    "unit": ({"source": ONE | {"theta_e": 1 * u.kpc}}, "theta_e is in kpc, which cannot be converted to arcsec"),
    "too bright": ({"source": ONE | {"mag": -99.0}}, "brighter than single precision holds"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_does_not_fit_is_refused_by_name(broken):
    change, message = BROKEN[broken]
    with pytest.raises(ValueError, match=message):
        lc.inject_into(**({"image": IMAGE, "psf": PSF, "source": ONE} | change))
