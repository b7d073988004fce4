"""Numbers on skies that hide nothing: extinction, planes that vary, bands that differ, scores at
the threshold, other seeds.
"""

import brick_files
import clustered
import cutout_sets
import failing
import injection_hosts
import numpy as np
import pandas as pd
import pytest
import raw_objects
from scipy import ndimage
from scipy.stats import betabinom

from lenscal import completeness, config, failures, injections, objects, quality, realism, schema
from lenscal.failures.gates import _probability
from lenscal.io.survey import BrickFiles
from lenscal.kernels import likeness, noise
from lenscal.manifest import class_sky
from lenscal.realism import measures, sensitivity

TRANSMISSION = {"g": 0.55, "r": 0.65, "z": 0.8, "w1": 0.95}


# --- extinction


def test_fluxes_are_dereddened_in_colours_and_nowhere_else():
    rng = np.random.default_rng(1)
    flux = {band: rng.uniform(5, 50, 6).astype("f4") for band in TRANSMISSION}
    depth = {band: rng.uniform(300, 3000, 6).astype("f4") for band in schema.BANDS}
    raw = raw_objects.raw_of(
        6,
        **{f"FLUX_{band.upper()}": flux[band] for band in flux},
        **{f"MW_TRANSMISSION_{band.upper()}": np.full(6, value, "f4") for band, value in TRANSMISSION.items()},
        **{f"{kind}_{band.upper()}": depth[band] for band in depth for kind in ("PSFDEPTH", "GALDEPTH")},
    )
    table, _ = objects.galaxies(raw, "f")
    table = table.sort_values("objid")
    magnitude = {band: 22.5 - 2.5 * np.log10(flux[band]) for band in flux}
    free = {band: magnitude[band] + 2.5 * np.log10(TRANSMISSION[band]) for band in flux}
    for band in schema.BANDS:
        np.testing.assert_allclose(table[f"mag_{band}"], magnitude[band], rtol=1e-6)
        for kind in ("psfdepth", "galdepth"):
            if f"{kind}_{band}" in table:
                np.testing.assert_allclose(
                    table[f"{kind}_{band}"], 22.5 - 2.5 * np.log10(5 / np.sqrt(depth[band])), rtol=1e-6
                )
    np.testing.assert_allclose(table["colour_gr"], free["g"] - free["r"], atol=2e-5)
    np.testing.assert_allclose(table["colour_rz"], free["r"] - free["z"], atol=2e-5)
    np.testing.assert_allclose(table["colour_zw1"], free["z"] - free["w1"], atol=2e-5)


def neighbours(flux, transmission, g=1.0):
    """Pairs of objects 3 arcsec apart, pairs far from each other; two numbers for each pair."""
    flux, transmission = np.asarray(flux, "f4").ravel(), np.asarray(transmission, "f4").ravel()
    at = np.arange(flux.size) // 2
    return pd.DataFrame(
        {
            "ra": 150 + 0.1 * at,
            "dec": 2 + np.arange(flux.size) % 2 * 3 / 3600,
            "type": "SER",
            "flux_r": flux,
            "mw_transmission_r": transmission,
            "flux_g": flux * np.float32(g),
            "mw_transmission_g": transmission * np.float32(0.8),
        }
    )


def test_light_of_the_classes_is_dereddened_once():
    table = neighbours([[10, 20], [30, 5]], [[0.5, 0.7], [0.9, 1.0]], g=0.4)
    sky = class_sky.Sky(table)
    np.testing.assert_allclose(sky.flux("r"), table["flux_r"] / table["mw_transmission_r"], rtol=1e-6)
    np.testing.assert_allclose(sky.r, 22.5 - 2.5 * np.log10(table["flux_r"] / table["mw_transmission_r"]), rtol=1e-6)
    expected = -2.5 * np.log10(table["flux_g"] / table["mw_transmission_g"]) + 2.5 * np.log10(
        table["flux_r"] / table["mw_transmission_r"]
    )
    np.testing.assert_allclose(sky.g_r, expected, rtol=1e-5)
    np.testing.assert_array_equal(
        class_sky.dereddened(np.array([4.0, 4.0, 4.0]), np.array([0.5, 0.0, -1.0])), [8, np.nan, np.nan]
    )


@pytest.mark.parametrize(
    ("flux", "transmission"), [((10, 10), (0.8, 0.5)), ((10, 10), (0.5, 0.8)), ((12, 7), (0.6, 0.9))]
)
def test_a_neighbours_share_is_that_of_light_without_extinction_on_both_sides(flux, transmission):
    table = neighbours([flux], [transmission])
    true = (flux[1] / transmission[1]) / (flux[0] / transmission[0])
    sky = class_sky.Sky(table)
    here = np.ones(2, bool)
    assert sky.has_neighbour(here, 1, 6, ratio=(true * 0.97, true * 1.03)).tolist()[0]
    assert sky.has_neighbour(here, 1, 6, ratio=(0.97 / true, 1.03 / true)).tolist()[1]
    for wrong in (flux[1] / flux[0], flux[1] / (flux[0] / transmission[0]), flux[1] / transmission[1] / flux[0]):
        assert abs(wrong / true - 1) > 0.05
        assert not sky.has_neighbour(here, 1, 6, ratio=(wrong * 0.97, wrong * 1.03)).tolist()[0]


# --- planes that vary, bands that differ


def test_psfsize_of_a_galaxy_is_that_of_its_own_pixel_and_band(tmp_path):
    name, (ra, dec) = "1500p000", brick_files.CENTRES["1500p000"]
    brick_files.write_brick(tmp_path, name, 0, brick_files.header(ra, dec))
    y, x = np.indices((brick_files.SIDE,) * 2)
    for b, band in enumerate(schema.BANDS):
        plane = (1 + 0.1 * b + 0.002 * x + 0.0005 * y * (1 + b)).astype("f4")
        brick_files.write(
            tmp_path / f"legacysurvey-{name}-psfsize-{band}.fits.fz", plane, brick_files.header(ra, dec), "arcsec"
        )
    at = np.array([[40, 200], [200, 40], [120, 121], [60, 60]])  # column, row
    position = np.array([brick_files.sky(*place) for place in at])
    found = BrickFiles(tmp_path, name).read(position[:, 0], position[:, 1], 11)["psfsize"]
    for b in range(3):
        np.testing.assert_allclose(found[:, b], 1 + 0.1 * b + 0.002 * at[:, 0] + 0.0005 * at[:, 1] * (1 + b), rtol=1e-6)


def test_measures_in_r_follow_r_alone():
    # The sky of g is smoothed, so that its noise is another and correlated: what is measured in r stays, bit for bit.
    data = cutout_sets.cutouts(4)
    other = data.copy(deep=True)
    for row in range(4):
        other["image"].values[row, 0] = 3 * ndimage.gaussian_filter(other["image"].values[row, 0], 1.0)
    first, second = (quality.measure(one, cutout_sets.STARS, cutout_sets.SETTINGS) for one in (data, other))
    assert (abs(second["noise_correlation"][:, 0] / first["noise_correlation"][:, 0] - 1) > 0.5).all()
    own = [str(v) for v in first.data_vars if str(v).endswith("_r")]
    assert {"annulus_snr_r", "core_brightness_r", "outer_brightness_r", "annulus_brightness_r"} <= set(own)
    for variable in own:
        np.testing.assert_array_equal(first[variable], second[variable], err_msg=variable)


def test_annulus_snr_of_quality_is_the_mean_over_the_noise_of_r():
    data = cutout_sets.cutouts(3)
    rng = np.random.default_rng(4)
    for band, width in ((0, 0.0), (1, 0.7), (2, 1.2)):  # bands whose noise is correlated otherwise
        for row in range(3):
            white = rng.normal(size=(101, 101))
            data["image"].values[row, band] = 0.003 * (ndimage.gaussian_filter(white, width) if width else white) + 0.01
    found = quality.measure(data, cutout_sets.STARS, cutout_sets.SETTINGS)
    y, x = np.mgrid[:101, :101] - 50.0
    low, high = quality.measures.ANNULUS_ARCSEC
    inside = (np.hypot(x, y) * schema.PIXEL_SCALE >= low) & (np.hypot(x, y) * schema.PIXEL_SCALE <= high)
    for row in range(3):
        r = data["image"].values[row, 1].astype(float)
        sigma, correlation = (float(found[name].values[row, 1]) for name in ("sigma", "noise_correlation"))
        expected = (r[inside].mean() - np.median(r)) * np.sqrt(inside.sum() / correlation) / sigma
        assert float(found["annulus_snr_r"][row]) == pytest.approx(expected, abs=0.6)
        assert abs(correlation / float(found["noise_correlation"].values[row, 0]) - 1) > 0.5


# --- injections: noise of the right band, arcsec and pixels, seeds


def uneven_hosts():
    """Hosts whose noise and its correlation differ from band to band."""
    hosts = injection_hosts.make_hosts()
    tables = np.zeros((3, 4, 7))
    tables[:, 0, 3] = 1
    for band, near in enumerate((0.05, 0.2, 0.35)):
        tables[band, 0, 2] = tables[band, 0, 4] = tables[band, 1, 3] = near
    dims = hosts["noise_lags"].dims
    sums = (1 + 4 * np.array([0.05, 0.2, 0.35])).astype("f4")
    return hosts.assign(
        noise_lags=(dims, np.broadcast_to(tables, (5, 3, 4, 7)).astype("f4"), {"units": "1"}),
        noise_correlation=(("galaxy", "band"), np.broadcast_to(sums, (5, 3)).copy(), {"units": "1"}),
    )


@pytest.fixture(scope="module")
def uneven():
    hosts = uneven_hosts()
    table = injections.assign_hosts(hosts, injection_hosts.settings(), 1)[0]
    drawn = injections.draw(1.2, 23.5, table, injection_hosts.settings(), 1)
    return hosts, drawn


def test_both_snr_of_an_arc_are_those_of_its_light_in_r_and_the_noise_of_r(uneven):
    hosts, drawn = uneven
    out = injections.inject(drawn, hosts, injection_hosts.settings(), 1)
    clean = injections.images(drawn, hosts, injection_hosts.settings(shot_noise=False), 1).astype(float)
    row = (out["galaxy_id"].values.ravel() - 100) // 7
    arc = clean[:, 1] - hosts["image"].values[row][:, 1, 18:82, 18:82]
    theta_e = out["theta_e_drawn"].values.ravel() / schema.PIXEL_SCALE
    names = [name for name in out.data_vars if "snr" in str(name)]
    sigma, correlation, lags = (
        hosts[name].values[0, 1].astype(float) for name in ("sigma", "noise_correlation", "noise_lags")
    )
    whole = np.array([noise.aperture_snr(np.ascontiguousarray(a, np.float32), float(sigma), lags) for a in arc])
    np.testing.assert_allclose(out["arc_snr"].values.ravel(), whole, rtol=0.01)
    annulus = next(name for name in names if name != "arc_snr")
    mean = np.array(
        [
            noise.annulus_snr(np.ascontiguousarray(a, np.float32), float(sigma), float(correlation), t, (32.0, 32.0))
            for a, t in zip(arc, theta_e)
        ]
    )
    np.testing.assert_allclose(out[annulus].values.ravel(), mean, rtol=0.02)
    assert theta_e.min() > 2.5, "radii in arcsec and in pixels are far apart"


@pytest.mark.parametrize("other", [2, 99])
def test_shot_noise_is_that_of_the_runs_seed(uneven, other):
    hosts, drawn = uneven
    made = lambda seed, **changes: injections.images(drawn, hosts, injection_hosts.settings(**changes), seed)  # noqa: E731
    assert (made(1) != made(other)).any()
    np.testing.assert_array_equal(made(1), made(1))
    np.testing.assert_array_equal(made(1, shot_noise=False), made(other, shot_noise=False))


# --- realism


def test_the_unit_of_the_noise_is_that_of_the_stamp_before_its_arc():
    rng = np.random.default_rng(3)
    before = (rng.normal(size=(2, 3, 63, 63)) * [[[0.01]], [[0.02]], [[0.03]]]).astype("f4")
    found = [measures._noise(factor * before, before, np.array([6.0, 6.0])) for factor in (1.0, 2.0)]
    spread = [
        np.sqrt(
            np.average(
                np.square(0.5 * (measures.NOISE_EDGES[1:] + measures.NOISE_EDGES[:-1])), weights=counts.sum(0).sum(0)
            )
        )
        for counts in found
    ]
    assert spread[0] == pytest.approx(1, abs=0.1)
    assert spread[1] == pytest.approx(2, abs=0.2), "a stamp noisier than its reference is seen to be"


# --- ties: a score at the threshold is a detection, wherever scores are compared

CUT = float(np.float32(0.3))
TIED = np.array(
    [CUT, np.nextafter(np.float32(CUT), np.float32(-1)), np.nextafter(np.float32(CUT), np.float32(1)), np.nan], "f4"
)


def found_by(where):
    """How many of the scored values each place takes for detections: two of three."""
    cuts = failing.thresholds(CUT)
    lens = failing.scored(score=TIED, split="test", pool="positive", label=1, tier="A")
    other = failing.scored(score=TIED, split="test", pool="N1", label=0)
    if where == "false positives":
        return failing.of(failures.false_positives(other, cuts), "all", "all", "k")
    if where == "recovered":
        return failing.of(failures.recovered(lens, cuts), "all", "all", "k")
    if where == "missed lenses":
        return 3 - (failures.missed_lenses(lens, cuts)["reason"] == "below the threshold").sum()
    if where == "missed":
        parts = failing.injected(hosts=3, trials=6)
        score = np.where(np.isnan(parts[1]["score"]), np.nan, np.tile(TIED[:3], 2)).astype("f4")
        scores = parts[1].assign(score=(parts[1]["score"].dims, score, parts[1]["score"].attrs))
        table = failures.missed(parts[0], scores, cuts)
        share = failing.of(table, "all", "all", "k") / failing.of(table, "all", "all", "n")
        return round(3 * (1 - share))
    if where == "tally":
        return likeness.tally(np.arange(4)[None], TIED[None], np.array([CUT]))[2].sum()
    variant = sensitivity.Variant("morphology", "clumpy", config.Injections())
    row = realism.changes(TIED, {"c": (variant, np.zeros(4, "f4") if where == "base of changes" else TIED)}, CUT).iloc[
        0
    ]
    return round(3 * row["base" if where == "base of changes" else "changed"])


@pytest.mark.parametrize(
    "where", ["false positives", "recovered", "missed lenses", "missed", "tally", "base of changes", "changes"]
)
def test_a_score_at_the_threshold_is_a_detection_in_every_table(where):
    assert found_by(where) == 2


def test_a_threshold_between_two_floats_of_the_scores_is_not_rounded():
    between = (float(TIED[0]) + float(TIED[2])) / 2
    cuts = failing.thresholds(between)
    lens = failing.scored(score=TIED, split="test", pool="positive", label=1, tier="A")
    assert failing.of(failures.recovered(lens, cuts), "all", "all", "k") == 1
    assert (failures.missed_lenses(lens, cuts)["reason"] == "below the threshold").sum() == 2
    variant = sensitivity.Variant("morphology", "clumpy", config.Injections())
    assert realism.changes(TIED, {"c": (variant, TIED)}, between).iloc[0]["base"] == pytest.approx(1 / 3)


# --- priors and design effects in what is reported


@pytest.mark.parametrize(("k", "false"), [(0, 1), (3, 1), (20, 18), (5, 9), (2, 0)])
def test_the_prediction_of_the_test_rate_is_that_of_a_threshold_set_at_its_own_negative(k, false):
    law = betabinom(945, max(false, 1), 945 + 1 - max(false, 1))
    expected = min(1.0, 2 * min(law.pmf(np.arange(k + 1)).sum(), 1 - law.pmf(np.arange(k)).sum()))
    assert _probability(k, 945, false, 945) == pytest.approx(expected, rel=1e-6)


def test_the_design_effect_is_in_every_number_that_is_reported():
    rng = np.random.default_rng(2)
    n = clustered.TRIALS["zipf"]
    _, _, k = clustered.drawn(rng, clustered.uniform, "bb 0.3", "zipf", (4, 6, 1))
    cube = completeness.posterior(clustered.counted(n, k[:, :, 0], (3, 2)), config.Completeness())
    place = ("psf_fwhm", "depth")
    cube = cube.assign(area=(place, np.ones((3, 2))), host_pool=(place, np.ones((3, 2), int)))
    assert (cube["design_effect"] > 2).all()
    free = cube.assign(design_effect=cube["design_effect"] * 0 + 1)
    wide, narrow = (completeness.marginalise(one) for one in (cube, free))
    width = lambda table: (table["upper"] - table["lower"]).values  # noqa: E731
    ratio = width(wide) / width(narrow)
    assert ((ratio > 1.3) & (ratio < 1.3 * np.sqrt(float(cube["design_effect"].max())))).all()
    share = (cube["n_detected"] / cube["n_injected"]).values
    inside = (share > 0.1) & (share < 0.9)
    half = np.sqrt(share * (1 - share) * cube["design_effect"].values / cube["n_injected"].values[..., None])
    found = (cube["upper"] - cube["lower"]).sel(level=0.6827).values / 2
    np.testing.assert_allclose(found[inside], half[inside], rtol=0.12)
    np.testing.assert_allclose(cube["n_effective"], cube["n_injected"] / cube["design_effect"])
