"""A cutout is called fit for use only when its centre was observed, its sky can be measured and
no bright star is on it.
"""

from __future__ import annotations

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from cutout_sets import SETTINGS, SIGMA, SIZE, STARS, cutouts

from lenscal import gates, quality, schema
from lenscal.config import Quality

CENTRE = 50


def spoil(data, name, index, value):
    data[name].values[index] = value
    return data


def reasons(data, settings=SETTINGS):
    measured = quality.measure(data, STARS, settings)
    np.testing.assert_array_equal(measured.cutout_ok, measured.reason == "")
    return measured.reason.values.tolist()


# --- what makes a cutout unfit


def test_a_good_cutout_is_fit_for_use():
    measured = quality.measure(cutouts(), STARS, SETTINGS)
    assert measured.cutout_ok.all()
    assert not measured.has_nan.any()
    schema.QUALITY.check(measured)


@pytest.mark.parametrize(("offset", "excluded"), [(0, True), (22, True), (23, False)])
@pytest.mark.parametrize("band", [0, 1, 2])
def test_nan_in_the_centre_excludes_and_nan_in_the_rim_is_tracked(offset, excluded, band):
    data = spoil(cutouts(), "image", (0, band, CENTRE, CENTRE + offset), np.nan)
    measured = quality.measure(data, STARS, SETTINGS)
    assert measured.reason.values[0] == ("NaN in centre" if excluded else "")
    assert measured.nan_in_centre.values.tolist() == [excluded] + [False] * 11
    assert measured.has_nan.values.tolist() == [True] + [False] * 11
    assert measured.nan_pixel_count.values.tolist() == [1] + [0] * 11


def test_the_radius_of_the_centre_is_that_of_the_settings():
    data = spoil(cutouts(), "image", (0, 0, CENTRE, CENTRE + 15), np.nan)  # 3.93 arcsec
    assert reasons(data, Quality(central_radius_arcsec=4.0))[0] == "NaN in centre"
    assert reasons(data, Quality(central_radius_arcsec=3.9))[0] == ""


@pytest.mark.parametrize(("offset", "excluded"), [(7, True), (8, False)])
@pytest.mark.parametrize("bit", ["BRIGHT", "SATUR_R", "ALLMASK_G", "MEDIUM"])
def test_star_saturation_and_bleed_bits_exclude_within_eight_pixels(offset, excluded, bit):
    data = spoil(cutouts(), "mask", (3, CENTRE + offset, CENTRE), 1 << schema.MASKBITS[bit])
    measured = quality.measure(data, STARS, SETTINGS)
    assert measured.masked_in_centre.values[3] == excluded
    assert (measured.reason.values[3] == "mask in centre") == excluded


@pytest.mark.parametrize("bit", ["WISEM1", "WISEM2", "GALAXY", "SUB_BLOB"])
def test_other_bits_in_the_centre_do_not_exclude(bit):
    data = spoil(cutouts(), "mask", (3, CENTRE, CENTRE), 1 << schema.MASKBITS[bit])
    assert reasons(data)[3] == ""


@pytest.mark.parametrize(("pixels", "excluded"), [(204, False), (205, True)])  # 2 % of 101 x 101 is 204.02
def test_a_masked_fraction_above_the_limit_excludes(pixels, excluded):
    data = cutouts()
    data["mask"].values[1].reshape(-1)[:pixels] = (1 << schema.MASKBITS["CLUSTER"]) | (1 << schema.MASKBITS["GALAXY"])
    measured = quality.measure(data, STARS, SETTINGS)
    assert measured.maskbit_frac_above_threshold.values[1] == pytest.approx(pixels / 101**2)
    assert (measured.reason.values[1] == "masked fraction") == excluded


@pytest.mark.parametrize(
    ("index", "value", "reason"),
    [
        ((0,), np.nan, "band not observed"),
        ((0, 2), np.nan, "band not observed"),
        ((0,), 0.0, "constant image"),
        ((0, 1), 0.25, "constant image"),
    ],
)
def test_a_stamp_of_one_value_or_none_is_excluded(index, value, reason):
    data = spoil(cutouts(), "image", index, value)
    assert reasons(data) == [reason] + [""] * 11
    assert quality.gates(quality.measure(data, STARS, SETTINGS))[1].verdict == gates.PASS


def test_infinite_pixels_count_as_unobserved():
    data = spoil(cutouts(), "image", (0, 0, CENTRE, CENTRE), np.inf)
    assert reasons(data)[0] == "NaN in centre"


def test_a_cutout_that_failed_has_no_pixels_to_judge():
    data = spoil(cutouts(), "failure", 2, "band r: file 'a' is missing")
    data["image"].values[2] = np.nan
    assert reasons(data)[2] == "no pixels"


def test_a_stamp_whose_sky_cannot_be_measured_is_excluded():
    data = cutouts()
    outside = np.hypot(*np.mgrid[-50:51, -50:51]) > 30
    data["image"].values[4, 1][outside] = np.nan
    measured = quality.measure(data, STARS, SETTINGS)
    assert measured.reason.values[4] == "no sky noise"
    assert np.isnan(measured.sigma.values[4, 1])


@pytest.mark.parametrize(
    ("factor", "reason"), [(1000.0, "noise unlike weights"), (0.001, "noise unlike weights"), (3.0, ""), (0.3, "")]
)
def test_a_band_in_another_unit_than_its_weights_is_excluded(factor, reason):
    data = cutouts()
    data["image"].values[5, 2] *= factor
    assert reasons(data) == [""] * 5 + [reason] + [""] * 6
    data["invvar"].values[5, 2] = 0
    assert reasons(data)[5] == "", "without weights nothing is held against them"


def test_every_reason_is_of_the_vocabulary_and_the_first_that_holds():
    data = spoil(cutouts(), "mask", (slice(None), CENTRE, CENTRE), 2)
    data["image"].values[:, :, CENTRE, CENTRE] = np.nan
    assert set(reasons(data)) == {"NaN in centre"}
    assert "NaN in centre" in quality.REASONS


# --- measures


def test_measures_are_those_of_five_obvious_lines():
    data = cutouts()
    rng = np.random.default_rng(9)
    data["image"].values[rng.random(data.image.shape) < 0.001] = np.nan
    data["invvar"].values[0, 1, :4] = 0
    data["mask"].values[0, :5] = 1 << schema.MASKBITS["WISEM2"]
    measured = quality.measure(data, STARS, SETTINGS)
    radius = np.hypot(*np.mgrid[-50:51, -50:51])
    for i in range(data.sizes["galaxy"]):
        red = data.image.values[i, 1].astype(float)
        row = measured.isel(galaxy=i)
        assert float(row.core_brightness_r) == pytest.approx(np.nanmean(red[radius <= 8]), rel=1e-5)
        assert float(row.outer_brightness_r) == pytest.approx(
            np.nanmean(red[(radius >= 20) & (radius <= 33)]), rel=1e-3, abs=1e-6
        )
        assert float(row.mean_r) == pytest.approx(np.nanmean(red), rel=1e-5)
        assert float(row.std_r) == pytest.approx(np.nanstd(red), rel=1e-5)
        found = [float(row[name]) for name in ("percentile_1_r", "median_r", "percentile_99_r")]
        assert found == pytest.approx(np.nanpercentile(red, [1, 50, 99]).tolist(), rel=1e-5)
        for b in range(3):
            flat = data.image.values[i, b].astype(float)
            found = [
                float(row[f"pixel_{name}"][b]) for name in ("mean", "std", "percentile_1", "median", "percentile_99")
            ]
            assert found == pytest.approx(
                [np.nanmean(flat), np.nanstd(flat), *np.nanpercentile(flat, [1, 50, 99])], rel=1e-5
            )
        assert int(row.nan_pixel_count) == np.isnan(data.image.values[i]).sum()
        assert float(row.clip_frac_r) == pytest.approx(
            (np.abs(red) > 5 * 0.003).sum() / np.isfinite(red).sum(), abs=2e-3
        )
    assert float(measured.bad_pixel_frac[0]) == pytest.approx(4 / 101)
    assert float(measured.wise_brightmask_frac[0]) == pytest.approx(5 / 101)
    np.testing.assert_allclose(measured.sigma.mean("galaxy"), SIGMA, rtol=0.02)
    np.testing.assert_array_equal(measured.mad_r, measured.sigma[:, 1])
    np.testing.assert_allclose(measured.noise_correlation.mean("galaxy"), 1, atol=0.2)
    np.testing.assert_allclose(measured.sky_invvar[0], 1 / SIGMA**2, rtol=1e-6)
    np.testing.assert_allclose(measured.psf_fwhm_z, 1.3, rtol=1e-6)


@pytest.mark.parametrize("size", [64, 91])
def test_smaller_stamps_have_a_sky_ring_of_their_own(size):
    measured = quality.measure(cutouts(size=size), STARS, SETTINGS)
    assert measured.cutout_ok.all()
    np.testing.assert_allclose(measured.sigma.mean("galaxy"), SIGMA, rtol=0.02)


def test_the_nearest_bright_star_is_found_on_the_sphere():
    data = cutouts(4)
    data["ra"].values[:] = [149.999, 150.009, 0.0, np.nan]
    data["dec"].values[:] = [2.0, 2.0, 90.0, np.nan]
    measured = quality.measure(data, STARS, SETTINGS)
    cosine = np.cos(np.deg2rad(2.0))
    np.testing.assert_allclose(measured.bright_star_dist[:2], [np.hypot(36.0, 3.6 * cosine), 3.6 * cosine], rtol=1e-3)
    np.testing.assert_allclose(measured.gaia_mag_nearest[:2], [12.5, 15.9], rtol=1e-6)
    assert np.isnan(measured.bright_star_dist[2])
    assert np.isnan(measured.gaia_mag_nearest[2])
    assert np.isnan(measured.bright_star_dist[3])


def test_without_bright_stars_there_is_no_distance():
    faint = STARS.assign(gaia_phot_g_mean_mag=[16.0, 0.0, np.nan])
    for stars in (faint, STARS.iloc[:0]):
        assert np.isnan(quality.measure(cutouts(2), stars, SETTINGS).bright_star_dist).all()


# --- lazy, and the same for any chunks


def mixed():
    data = cutouts(11)
    spoil(data, "image", (0, 0, CENTRE, CENTRE), np.nan)
    spoil(data, "mask", (1, CENTRE, CENTRE), 2)
    spoil(data, "image", (2,), 0.0)
    return spoil(data, "failure", 3, "no brick")


@pytest.mark.parametrize("size", [1, 4, 11])
def test_quality_does_not_depend_on_chunks(size):
    whole = quality.measure(mixed(), STARS, SETTINGS)
    chunked = quality.measure(mixed().chunk(galaxy=size), STARS, SETTINGS)
    assert chunked.reason.chunks == chunked.sigma.chunks[:1]
    xr.testing.assert_identical(whole, chunked.compute())


def test_quality_does_not_depend_on_the_order_of_galaxies_or_stars():
    order = np.random.default_rng(0).permutation(11)
    whole = quality.measure(mixed(), STARS, SETTINGS)
    xr.testing.assert_identical(
        quality.measure(mixed().isel(galaxy=order), STARS.iloc[::-1], SETTINGS), whole.isel(galaxy=order)
    )


def test_nothing_is_computed_before_it_is_asked_for():
    with dask.config.set(scheduler=lambda *_, **__: pytest.fail("computed too early")):
        quality.measure(mixed().chunk(galaxy=2), STARS, SETTINGS)


# --- what is refused


def test_pixels_in_other_units_are_refused():
    data = cutouts(2)
    data["image"] = data.image.assign_attrs(units="mag")
    with pytest.raises(schema.SchemaError, match="cutouts: 'image' is in 'mag', not 'nanomaggy'"):
        quality.measure(data, STARS, SETTINGS)


def test_a_missing_band_is_refused():
    with pytest.raises(ValueError, match=r"the cutouts have no band \['r'\]"):
        quality.measure(cutouts(2).isel(band=[0, 2]), STARS, SETTINGS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Quality(central_radius_arcsec=0.1), "less than a pixel of 0.262 arcsec"),
        (Quality().model_copy(update={"sky_ring_px": (48, 33)}), "expected 0 < inner < outer"),
    ],
)
def test_impossible_areas_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        quality.measure(cutouts(2), STARS, settings)


def test_a_bad_block_stops_the_run_with_its_name():
    data = cutouts()
    data["image"].values[:7, 1, CENTRE, CENTRE] = np.nan
    measured = quality.measure(data, STARS, SETTINGS)
    with pytest.raises(
        quality.QualityError,
        match=r"of the 12 cutouts of block 'south-17' 7 \(58.3 %\) are unfit .* \(NaN in centre: 7\)",
    ):
        quality.check_block(measured, "south-17", SETTINGS)
    within = quality.check_block(measured, "south-17", Quality(failed_fraction_max=0.6))
    assert (within["usable"], within["reasons"]) == (5, {"NaN in centre": 7})


def test_the_reason_of_a_bad_block_has_its_own_limit():
    data = cutouts()
    data["image"].values[:3, 1, CENTRE, CENTRE] = np.nan
    measured = quality.measure(data, STARS, SETTINGS)
    with pytest.raises(
        quality.QualityError,
        match=(
            r"of the 12 cutouts of block 'b' 3 \(25.0 %\) have 'NaN in centre', above the limit of 20 "
            r"%.*quality.reason_fraction_max"
        ),
    ):
        quality.check_block(measured, "b", Quality(reason_fraction_max={"NaN in centre": 0.2}))
    assert (
        quality.check_block(measured, "b", Quality(reason_fraction_max={"NaN in centre": 0.25, "mask in centre": 0.0}))[
            "usable"
        ]
        == 9
    )
    with pytest.raises(ValueError, match="reason_fraction_max names 'cloud'; reasons are no pixels"):
        quality.check_block(measured, "b", Quality(reason_fraction_max={"cloud": 0.2}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda d: d["invvar"].values[:, 2].__imul__(30),
            r"block 'b' has a median sigma\^2 invvar of the sky of .* in z, outside 0.1 to "
            r"10.*quality.noise_ratio_limits",
        ),
        (
            lambda d: (
                d["image"]
                .values[:, 1]
                .__setitem__(
                    ...,
                    np.kron(np.random.default_rng(0).normal(0, 0.003, (20, 26, 26)), np.ones((4, 4)))[:, :SIZE, :SIZE],
                )
            ),
            r"block 'b' has a median correlation of the noise of 1\d.* in r, outside 0.5 to 10",
        ),
        (
            lambda d: d["image"].values[:, 1].__imul__(-1),
            r"of the 20 usable cutouts of block 'b' 20 \(100.0 %\) have a annulus_snr_r beyond its "
            r"histogram or none \(20 below",
        ),
    ],
)
def test_a_block_of_another_unit_resampling_or_sign_stops_the_run(spoil, message):
    data = cutouts(20)
    assert quality.check_block(quality.measure(data, STARS, SETTINGS), "b", SETTINGS)["usable"] == 20
    spoil(data)
    measured = quality.measure(data, STARS, SETTINGS)
    with pytest.raises(quality.QualityError, match=message):
        quality.check_block(measured, "b", SETTINGS)
    few = measured.isel(galaxy=slice(0, 15))
    assert quality.check_block(few, "b", SETTINGS)["usable"] == 15, "medians of few cutouts are not judged"


# --- gates


def verdicts(measured):
    return {gate.id: gate.verdict for gate in quality.gates(measured)}


def test_gates_pass_on_a_good_sky():
    assert set(verdicts(quality.measure(cutouts(), STARS, SETTINGS)).values()) == {gates.PASS}


def test_a_nan_stamp_marked_good_fails_its_gate():
    measured = quality.measure(mixed(), STARS, SETTINGS)
    assert verdicts(measured)["quality.nan"] == gates.PASS
    measured["cutout_ok"].values[0] = True
    measured["reason"].values[0] = ""
    assert verdicts(measured)["quality.nan"] == gates.FAIL


def test_a_cutout_dropped_without_a_reason_fails_its_gate():
    measured = quality.measure(mixed(), STARS, SETTINGS)
    measured["reason"].values[0] = ""
    assert verdicts(measured)["quality.reasons"] == gates.FAIL


@pytest.mark.parametrize("factor", [0.3, 3])
def test_noise_that_is_not_that_of_the_inverse_variance_fails_its_gate(factor):
    data = cutouts()
    data["invvar"].values[:, 2] *= factor
    found = verdicts(quality.measure(data, STARS, SETTINGS))
    assert [found[f"quality.sigma.{band}"] for band in "grz"] == [gates.PASS, gates.PASS, gates.FAIL]


def test_noise_smoothed_by_a_resampler_fails_its_gate():
    from scipy.ndimage import uniform_filter

    data = cutouts()
    data["image"].values[:, 0] = uniform_filter(data.image.values[:, 0], (1, 4, 4))
    assert verdicts(quality.measure(data, STARS, SETTINGS))["quality.correlation.g"] == gates.FAIL


def test_stamps_without_weights_cannot_be_held_to_them():
    data = cutouts()
    data["invvar"].values[:] = 0
    assert verdicts(quality.measure(data, STARS, SETTINGS))["quality.sigma.r"] == gates.ABSENT


def test_too_few_usable_cutouts_fail_a_gate():
    data = spoil(cutouts(), "failure", slice(0, 7), "no brick")
    assert verdicts(quality.measure(data, STARS, SETTINGS))["quality.used"] == gates.FAIL


# --- the real sky


def test_the_measures_of_real_cutouts_are_those_written_beside_them(real):
    files = sorted((real / "cutouts" / "dr10_lens_candidates").glob("*.npz"))
    data = cutouts(len(files))
    for i, file in enumerate(files):
        data["image"].values[i] = np.load(file)["cutout"].transpose(2, 0, 1)
    measured = quality.measure(data, STARS, SETTINGS)
    assert measured.cutout_ok.all()
    for name in ("mean_r", "std_r", "percentile_1_r", "percentile_99_r", "median_r"):
        written = [float(np.load(file)[f"meta_{name}"]) for file in files]
        np.testing.assert_allclose(measured[name], written, rtol=1e-4, atol=1e-7, err_msg=name)


# --- summaries of the blocks, and the page


def blocks(data, size):
    measured = quality.measure(data, STARS, SETTINGS)
    return measured, [
        quality.summary(measured.isel(galaxy=slice(i, i + size)), f"block-{i}")
        for i in range(0, data.sizes["galaxy"], size)
    ]


def test_summaries_of_blocks_add_to_that_of_the_whole():
    data = mixed()
    _, whole = blocks(data, 11)
    _, parts = blocks(data, 4)
    table = quality.partitions(parts)
    assert table["partition"].tolist() == ["block-0", "block-4", "block-8"]
    assert table["rows"].sum() == whole[0]["rows"] == 11
    assert table["usable"].sum() == whole[0]["usable"] == 7
    for name, count in whole[0]["reasons"].items():
        assert table[f"reason: {name}"].sum() == count
    for column in ("annulus_snr_r", "annulus_brightness_r"):
        np.testing.assert_array_equal(np.sum(table[column].tolist(), axis=0), whole[0][column])
        assert sum(whole[0][column]) == 7


def test_a_summary_survives_its_marker():
    import json

    _, (one,) = blocks(mixed(), 11)
    assert json.loads(json.dumps(one)) == one


def test_annulus_measures_are_those_of_a_known_ring():
    data = cutouts(40)
    yy, xx = np.mgrid[:SIZE, :SIZE] - CENTRE
    radius = np.hypot(yy, xx) * schema.PIXEL_SCALE
    inside = (radius >= 1.0) & (radius <= 3.5)
    data["image"].values[:] -= (0.2 * np.exp(-(yy**2 + xx**2) / 2 / 3.0**2)).astype("f4")  # the host goes
    data["image"].values[:, 1] += np.where(inside, np.float32(0.001), 0)
    measured = quality.measure(data, STARS, SETTINGS)
    expected = 0.001 * np.sqrt(inside.sum()) / 0.003
    assert float(measured.annulus_snr_r.mean()) == pytest.approx(expected, rel=0.1)
    flux = 0.001 / schema.PIXEL_SCALE**2
    assert float(np.nanmedian(measured.annulus_brightness_r)) == pytest.approx(22.5 - 2.5 * np.log10(flux), abs=0.1)
    data["image"].values[:, 1] -= np.where(inside, np.float32(0.01), 0)
    assert np.isnan(quality.measure(data, STARS, SETTINGS).annulus_brightness_r).all()


def test_the_arc_of_a_positive_is_measured_and_that_of_no_other():
    data = cutouts(40, seed=3)
    yy, xx = np.mgrid[:SIZE, :SIZE] - CENTRE
    radius, turn = np.hypot(yy, xx), np.arctan2(yy, xx)
    arc = np.exp(-((radius - 6) ** 2) / 2 / 1.5**2) * (
        np.abs(turn) < 1
    )  # of a fifth of an ellipse or so: the host's model leaves it
    data["label"].values[:30] = 1
    data["image"].values[:15] += (arc * np.array([0.02, 0.02, 0.01])[:, None, None]).astype("f4")
    measured = quality.measure(data, STARS, SETTINGS)
    snr, found = measured.arc_snr.values, measured.arc_radius.values
    assert np.isnan(snr[30:]).all()
    assert np.isfinite(snr[:30]).all()
    pixels = np.abs(radius - 6) <= 2
    one = [0.02 * arc[pixels].sum() / (sigma * np.sqrt(pixels.sum())) for sigma in SIGMA[:2]]
    assert np.median(snr[:15]) == pytest.approx(sum(one) / np.sqrt(2), rel=0.3)
    assert np.median(found[:15]) == pytest.approx(6 * schema.PIXEL_SCALE, abs=0.3)
    assert snr[:15].min() > np.percentile(snr[15:30], 90) + 3
    lazy = quality.measure(data.chunk(galaxy=7), STARS, SETTINGS)
    np.testing.assert_array_equal(lazy.arc_snr, measured.arc_snr)
    turned = quality.measure(data.isel(band=[2, 0, 1]), STARS, SETTINGS)
    np.testing.assert_array_equal(turned.arc_snr, measured.arc_snr)
    data["image"].values[:5, 0] = np.nan
    assert np.isnan(quality.measure(data, STARS, SETTINGS).arc_snr.values[:5]).all()


def test_the_page_says_how_many_why_and_beside_what():
    data = mixed()
    measured, summaries = blocks(data, 4)
    rows = quality.shown(measured, 6)
    assert len(rows) == 6
    reason = measured.reason.values[rows].tolist()
    assert {"NaN in centre", "mask in centre", "constant image", ""} <= set(reason)
    assert "no pixels" not in reason
    origin = np.array(["north"] * 6 + ["south"] * 5, object)
    files = quality.page(
        measured,
        data.reset_coords().isel(galaxy=rows),
        quality.partitions(summaries),
        origin,
        SETTINGS,
        {"run": "one", "mock": 1},
    )
    text = files["index.html"].decode()
    for part in (
        "11 cutouts in 3 partitions; 7 (63.6 %)",
        "<td>NaN in centre</td><td>1</td><td>9.09 %</td>",
        "north: 2 usable",
        "south: 5 usable",
        "mock",
    ):
        assert part in text, part
    assert all(files[name].startswith(b"\x89PNG") for name in ("cutouts.png", "histograms.png", "partitions.png"))
    again = quality.page(
        measured,
        data.reset_coords().isel(galaxy=rows),
        quality.partitions(summaries),
        origin,
        SETTINGS,
        {"run": "one", "mock": 1},
    )
    assert again == files, "the same run has the same page"


def test_text_of_files_and_headers_is_text_on_the_page():
    data = mixed()
    measured, summaries = blocks(data, 4)
    rows, evil = quality.shown(measured, 6), "<script>alert('x')</script>&\""
    text = quality.page(
        measured,
        data.reset_coords().isel(galaxy=rows),
        quality.partitions(summaries),
        np.array([evil] * 11, object),
        SETTINGS,
        {"run": evil},
    )["index.html"].decode()
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;") == 3


def test_partitions_have_one_order_of_columns_whatever_that_of_the_keys():
    import json

    _, summaries = blocks(mixed(), 4)
    back = [json.loads(json.dumps(summary, sort_keys=True)) for summary in summaries]
    pd.testing.assert_frame_equal(quality.partitions(back), quality.partitions(summaries))
    assert any(list(one) != list(other) for one, other in zip(back, summaries))
    none = [
        dict.fromkeys(summary, None) | {"reasons": {}, "partition": "a", "rows": 0, "usable": 0}
        for summary in summaries
    ]
    assert quality.partitions(none).dtypes["sigma_r"] == "float64"


def test_the_noise_of_real_candidates_is_that_known_of_the_survey(real):
    files = sorted((real / "cutouts" / "dr10_lens_candidates").glob("*.npz"))
    data = cutouts(len(files))
    for i, file in enumerate(files):
        data["image"].values[i] = np.load(file)["cutout"].transpose(2, 0, 1)
    measured = quality.measure(data, STARS, SETTINGS)
    known = {
        (1, 0): (0.18, 0.20),
        (0, 1): (0.27, 0.29),
        (1, 1): (0.05, 0.07),
        (2, 0): (-0.1, -0.1),
        (3, 0): (0.04, 0.04),
    }
    for (x, y), (low, high) in known.items():
        both = measured.noise_lags.values[:, :, y, [3 + x, 3 - x]].mean(-1)  # both diagonals
        assert low - 0.05 <= float(np.median(both)) <= high + 0.05, (x, y)
    np.testing.assert_allclose(np.median(measured.sigma, axis=0), [0.0017, 0.0024, 0.0079], rtol=0.15)
    assert 1.1 <= float(np.median(measured.noise_correlation)) <= 2.9


@pytest.mark.parametrize("columns", [1, 3, 11, 40])
@pytest.mark.parametrize("rim", ["x", "y"])
def test_the_rim_of_a_brick_that_a_neighbour_owns_is_no_defect(columns, rim):
    data = cutouts(2)
    place = (
        (slice(None), slice(None), slice(SIZE - columns, None))
        if rim == "x"
        else (slice(None), slice(SIZE - columns, None))
    )
    data["mask"].values[place] |= 1 << schema.MASKBITS["NPRIMARY"]
    assert reasons(data) == ["", ""]
    data["mask"].values[place] |= 1 << schema.MASKBITS["BAILOUT"]
    assert reasons(data) == (["", ""] if columns < 3 else ["masked fraction"] * 2)
