"""Stamps of one's own are judged by the stages' own measures: quality as of cutouts, realism as of injections."""

import numpy as np
import pandas as pd
import pytest

import lenscal as lc
from lenscal import config, schema
from lenscal.quality import measure
from lenscal.quality.own import _as_cutouts

SETTINGS = config.Realism(anchors_min=8, splits=200)


def noise(n, seed, sigma=0.01, side=101):
    return np.random.default_rng(seed).normal(0, sigma, (n, 3, side, side)).astype("f4")


def arcs(n, seed, magnitude=22.0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"theta_e": rng.uniform(1, 2, n), "phi": rng.uniform(0, 3, n), "source_x": rng.uniform(-0.3, 0.3, n)}
    )
    fixed = {
        "q": 0.8,
        "gamma1": 0.0,
        "gamma2": 0.0,
        "lens_x": 0.0,
        "lens_y": 0.0,
        "n": 1.0,
        "r_e": 0.3,
        "source_q": 0.7,
        "source_phi": 1.0,
        "source_y": 0.1,
    }
    return lc.render(table.assign(**fixed, mag_g=magnitude + 0.5, mag_r=magnitude, mag_z=magnitude - 0.5)).values


@pytest.fixture(scope="module")
def stamps():
    images = noise(5, 1)
    images[1, 0, 48:53, 48:53] = np.nan
    images[2, 2] = np.nan
    images[3] *= 100
    return images


def test_quality_is_that_of_the_stage(stamps):
    weights = np.where(np.isfinite(stamps), 1e4, 0).astype("f4")
    masks = np.zeros((5, 101, 101), int)
    masks[4, 50, 50] = 1 << schema.MASKBITS["BRIGHT"]
    table = lc.stamp_quality(stamps, weights, masks)
    stars = pd.DataFrame({"ra": [], "dec": [], "gaia_phot_g_mean_mag": []}, dtype=float)
    stage = measure(_as_cutouts(stamps, weights, masks.astype("i4")), stars, config.Quality())
    for name in (
        "cutout_ok",
        "reason",
        "nan_pixel_count",
        "bad_pixel_frac",
        "mad_r",
        "annulus_snr_r",
        "masked_in_centre",
    ):
        assert table[name].tolist() == pytest.approx(stage[name].values.tolist(), nan_ok=True)
    for band in schema.BANDS:
        for name in ("sigma", "noise_correlation", "sky_invvar"):
            np.testing.assert_array_equal(table[f"{name}_{band}"], stage[name].sel(band=band))
    assert table["reason"].tolist() == [
        "",
        "NaN in centre",
        "band not observed",
        "noise unlike weights",
        "mask in centre",
    ]
    assert table["cutout_ok"].tolist() == [True, False, False, False, False]


def test_one_stamp_and_many_are_measured_alike_and_a_limit_may_be_named(stamps):
    many = lc.stamp_quality(stamps)
    pd.testing.assert_frame_equal(lc.stamp_quality(stamps[0]), many.head(1))
    assert not lc.stamp_quality(
        stamps[:1], np.full((1, 3, 101, 101), 1.2e4), settings=config.Quality(cutout_noise_ratio_limits=(1e-9, 0.5))
    )["cutout_ok"][0]


def test_without_weights_the_noise_is_held_against_nothing(stamps):
    table = lc.stamp_quality(stamps)
    assert table["reason"].tolist() == ["", "NaN in centre", "band not observed", "", ""]
    assert table[["bad_pixel_frac", "sky_invvar_g", "sky_invvar_r", "sky_invvar_z"]].isna().all(axis=None)


def test_what_a_stamp_alone_does_not_tell_is_not_told(stamps):
    assert not {"galaxy_id", "split", "pool", "bright_star_dist", "psf_fwhm_r", "arc_snr"} & set(
        lc.stamp_quality(stamps).columns
    )


SQUARE = noise(2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((101, 101)),), r"the images have shape \(101, 101\), expected"),
        ((np.zeros((2, 2, 101, 101)),), "expected"),
        ((np.zeros((2, 5, 101, 101)),), "expected"),
        ((np.zeros((2, 3, 101, 99)),), "with y = x"),
        ((np.zeros((0, 3, 101, 101)),), "expected"),
        (("stamp.fits",), "the images holds 'stamp.fits'"),
        ((SQUARE, np.ones((3, 101, 101))), "the weights have shape"),
        ((SQUARE, -np.ones(SQUARE.shape)), "weights are negative or not finite"),
        ((SQUARE, np.full(SQUARE.shape, np.nan)), "61206 weights are negative or not finite"),
        ((SQUARE, None, np.zeros((2, 100, 101), int)), "expected whole numbers of shape"),
        ((SQUARE, None, np.zeros((2, 101, 101))), "the masks are float64"),
    ],
)
def test_stamps_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        lc.stamp_quality(*arguments)


def test_stamps_of_nothing_are_unfit_and_say_so():
    assert lc.stamp_quality(np.full((2, 3, 101, 101), np.nan))["reason"].tolist() == ["band not observed"] * 2
    assert lc.stamp_quality(np.zeros((1, 3, 101, 101)))["reason"].tolist() == ["constant image"]


@pytest.fixture(scope="module")
def alike():
    hosts = noise(12, 12)
    return lc.compare_stamps(arcs(12, 1) + noise(12, 11), arcs(12, 2) + hosts, hosts, settings=SETTINGS)


def test_like_sets_are_go_and_dimmer_arcs_are_not(alike):
    verdicts = dict(zip(alike.criteria["id"], alike.criteria["verdict"]))
    assert all(verdicts[name] == "GO" for name in ("snr_10", "snr_50", "snr_90", "colour_gr", "noise_p_r"))
    dim = lc.compare_stamps(arcs(12, 1) + noise(12, 11), arcs(12, 2, 23.5) + noise(12, 13), settings=SETTINGS)
    verdicts = dict(zip(dim.criteria["id"], dim.criteria["verdict"]))
    assert verdicts["snr_50"] == "NO-GO"
    assert dim.verdict == "NO-GO"


def test_noisier_stamps_are_told_apart_by_their_noise_about_the_arc():
    hosts = noise(12, 21)
    ring = np.hypot(*(np.indices((101, 101)) - 50)) < 30
    grainy = hosts + noise(12, 22, 0.02) * ring
    found = lc.compare_stamps(arcs(12, 1) + noise(12, 23), arcs(12, 2) + grainy, settings=SETTINGS)
    assert dict(zip(found.criteria["id"], found.criteria["verdict"]))["noise_d_r"] == "NO-GO"


def test_criteria_of_a_run_are_left_out_and_the_whole_is_last(alike):
    ids = alike.criteria["id"].tolist()
    assert not {"morphology", "prior", "moffat", "panel"} & set(ids)
    assert ids[-1] == "realism"
    assert {"probe", "concentration", "extent", "opposite"} <= set(ids)
    assert len(alike.first) == len(alike.second) == 12
    assert np.isfinite(alike.probe["auc"]).all()


def test_without_hosts_the_probe_is_not_judged_and_says_why():
    found = lc.compare_stamps(arcs(12, 1) + noise(12, 11), arcs(12, 2) + noise(12, 12), settings=SETTINGS)
    probe = found.criteria.set_index("id").loc["probe"]
    assert probe["verdict"] == "not judged"
    assert "no hosts were given" in probe["why"]
    assert np.isfinite(probe["value"])
    assert not found.criteria["why"].str.contains("nan").any()


def test_few_stamps_are_not_judged():
    found = lc.compare_stamps(arcs(4, 1) + noise(4, 11), arcs(4, 2) + noise(4, 12), settings=SETTINGS)
    assert set(found.criteria["verdict"]) == {"not judged"}
    assert found.criteria["why"].str.contains("4 anchors, 8 needed").sum() > 10


def test_the_same_seed_gives_the_same_numbers(alike):
    hosts = noise(12, 12)
    again = lc.compare_stamps(arcs(12, 1) + noise(12, 11), arcs(12, 2) + hosts, hosts, settings=SETTINGS)
    pd.testing.assert_frame_equal(again.criteria, alike.criteria)


GOOD = noise(3, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": GOOD[0]}, r"first has shape \(3, 101, 101\), expected \(n, 3, y, x\)"),
        ({"second": GOOD[:, :2]}, "second has shape"),
        ({"second": noise(3, 6, side=65)}, "the first stamps are 101 pixels wide, the second 65"),
        ({"hosts": GOOD[:2]}, "hosts have shape"),
        (
            {"first": np.full_like(GOOD, np.nan)},
            "the sky noise of 3 of 3 stamps of first cannot be measured, first row 0",
        ),
        ({"second": np.zeros_like(GOOD)}, "of 3 of 3 stamps of second cannot be measured"),
        ({"hosts": np.zeros_like(GOOD)}, "cannot be measured"),
        ({"matches": [0, 1]}, "expected a row of the 3 first stamps"),
        ({"matches": [0, 1, 3]}, "expected a row of the 3 first stamps"),
        ({"matches": [0.0, 1.0, 2.0]}, "matches are float64"),
        ({"first": np.empty((0, 3, 101, 101))}, "expected"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        lc.compare_stamps(**({"first": GOOD, "second": GOOD} | change))
