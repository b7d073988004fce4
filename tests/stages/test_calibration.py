"""Brightness of the sources is calibrated once, at the anchors' conditions; the frozen prior then
knows nothing of the cells.
"""

import numpy as np
import pandas as pd
import pytest
import yaml
from injection_hosts import make_hosts, settings
from scipy import stats

from lenscal import injections
from lenscal.injections import calibration, prior_sets, priors
from lenscal.kernels import noise

GRID = {
    "theta_e": {"start": 0.5, "stop": 3.0, "step": 0.25},
    "psf_fwhm": {"start": 0.9, "stop": 1.8, "step": 0.15},
    "depth": {"start": 22.5, "stop": 24.5, "step": 0.5},
}


@pytest.fixture(scope="module")
def found():
    return calibration.calibrate(
        "mine", calibration.survey_conditions(), settings(grid=GRID), 3, count=1500, origin="survey"
    )


def test_counts_follow_ten_to_the_slope_times_magnitude():
    u = (np.arange(40_000) + 0.5) / 40_000
    m = priors.quantile({"measure": "counts", "low": 22.0, "high": 26.0, "slope": 0.4}, u)
    counts = np.histogram(m, [22, 23, 24, 25, 26])[0]
    np.testing.assert_allclose(counts[1:] / counts[:-1], 10**0.4, rtol=0.01)
    flat = priors.quantile({"measure": "counts", "low": 22.0, "high": 26.0, "slope": 0.0}, u)
    np.testing.assert_allclose(flat, 22 + 4 * u)


def test_the_calibrated_prior_reaches_its_target_when_it_is_drawn_anew(found):
    chosen = settings(grid=GRID)
    unit = calibration.unit_snr(calibration.survey_conditions(), chosen, 99, 1500)["annulus_snr"].to_numpy()
    u = (np.random.default_rng(5).permutation(1500) + 0.5) / 1500
    snr = unit * 10 ** (-0.4 * (priors.quantile(found.entry["mag_r"], u) - 22.5))
    assert 0.9 < (snr < 5).mean() < 0.97
    assert 0.005 < (snr > 10).mean() < 0.06
    flat = unit * 10 ** (-0.4 * (22 + 4 * u - 22.5))
    assert (flat > 10).mean() > 2 * (snr > 10).mean()


def test_the_calibrated_set_can_be_used_by_name_and_changes_brightness_only(found, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(found.text)
    chosen = settings(prior="mine", prior_file=str(path))
    ids = np.arange(30_000)
    ours = priors.propose("mine", np.full(ids.size, 1.5), ids, 1, 0, chosen.more_priors)
    record = priors.propose("observed-colours", np.full(ids.size, 1.5), ids, 1, 0)
    for name in set(ours) - {"mag_g", "mag_r", "mag_z"}:
        np.testing.assert_array_equal(ours[name], record[name])
    assert (ours["mag_r"].min() >= 22) & (ours["mag_r"].max() <= 26)
    slope = found.entry["mag_r"]["slope"] * np.log(10)
    assert stats.kstest(ours["mag_r"], lambda m: np.expm1(slope * (m - 22)) / np.expm1(slope * 4)).pvalue > 1e-3
    table, _ = injections.assign_hosts(make_hosts(), chosen, 1)
    assert injections.draw(1.2, 23.5, table, chosen, 1)["source_mag_r"].notnull().all()


def test_the_shipped_set_is_what_the_calibration_of_record_says(found):
    shipped = yaml.safe_load((prior_sets.resources.files("lenscal.injections") / "priors.yaml").read_text())[
        "anchor-snr"
    ]
    record = shipped["calibration"]
    # Another seed and fewer arcs give the same slope within the sampling error.
    assert found.entry["mag_r"]["slope"] == pytest.approx(shipped["mag_r"]["slope"], abs=0.06)
    assert record["share_below_5"] == pytest.approx(found.entry["calibration"]["share_below_5"], abs=0.02)
    assert {"measure", "target", "reached", "conditions", "from_prior", "arcs", "seed", "accepted"} <= set(record)


def test_snr_differs_between_depths_while_every_trial_and_parameter_stays(found):
    chosen = settings(prior="anchor-snr", trials=60)
    deep, shallow = make_hosts(30), make_hosts(30, sigma=np.array([0.0017, 0.0024, 0.0079]) * 10**0.4)
    table, _ = injections.assign_hosts(deep, chosen, 1)
    drawn = injections.draw(1.2, 23.5, table, chosen, 1)
    a, b = (injections.inject(drawn, hosts, chosen, 1) for hosts in (deep, shallow))
    for name in ("arc_snr", "annulus_snr"):
        np.testing.assert_allclose(a[name], 10**0.4 * b[name], rtol=1e-5)
        assert stats.ks_2samp(a[name].values.ravel(), b[name].values.ravel()).pvalue < 1e-3
    assert (a["failure"] == "").all()
    assert (b["failure"] == "").all()
    np.testing.assert_array_equal(a["source_mag_r"], b["source_mag_r"])
    np.testing.assert_array_equal(a["proposals"], b["proposals"])


def test_pixel_snr_of_the_conditions_is_that_of_the_depth():
    # A flat annulus, and a depth whose 5-sigma flux is known: sigma of a pixel is flux / 5 / sqrt(NEA).
    image = np.zeros((41, 41), np.float32)
    y, x = np.indices(image.shape) - 20.0
    ring = np.abs(np.hypot(x, y) - 8) <= 2
    image[ring] = 0.03
    assert noise.annulus_snr(image, 0.01, 1.0, 8.0, (20.0, 20.0)) == pytest.approx(3, rel=1e-6)
    assert noise.annulus_snr(image, 0.01, 4.0, 8.0, (20.0, 20.0)) == pytest.approx(1.5, rel=1e-6)
    assert np.isnan(noise.annulus_snr(image, 0.0, 1.0, 8.0, (20.0, 20.0)))
    one = calibration.unit_snr(pd.DataFrame({"psfsize_r": [1.3], "psfdepth_r": [24.0]}), settings(), 1, 40)
    deeper = calibration.unit_snr(pd.DataFrame({"psfsize_r": [1.3], "psfdepth_r": [25.0]}), settings(), 1, 40)
    np.testing.assert_allclose(deeper["arc_snr"], one["arc_snr"] * 10**0.4, rtol=1e-6)


def test_targets_out_of_reach_and_too_few_anchors_are_refused():
    conditions = calibration.survey_conditions(20)
    with pytest.raises(calibration.CalibrationError, match="no source counts between mag_r 22 and 26"):
        calibration.calibrate("x", conditions, settings(grid=GRID), 1, target={0.5: 500.0}, count=100)
    with pytest.raises(calibration.CalibrationError, match="3 anchors have both"):
        calibration.calibrate("x", conditions[:3], settings(grid=GRID), 1, count=100)
    with pytest.raises(calibration.CalibrationError, match="not one of annulus_snr, arc_snr"):
        calibration.calibrate("x", conditions, settings(grid=GRID), 1, measure="peak", count=100)


def test_a_prior_file_may_not_replace_a_frozen_set_or_lean_on_none():
    with pytest.raises(prior_sets.PriorError, match=r"'anchor-snr' .* shipped and frozen"):
        prior_sets.prior_sets("anchor-snr: {like: observed-colours}")
    with pytest.raises(prior_sets.PriorError, match="which is no set"):
        prior_sets.prior_sets("mine: {like: nothing}")
    with pytest.raises(prior_sets.PriorError, match="back to itself"):
        prior_sets.prior_sets("mine: {like: yours}\nyours: {like: mine}")


def test_every_quantity_of_every_shipped_prior_declares_its_measure():
    for name, prior in prior_sets.prior_sets().items():
        assert set(prior) == set(prior_sets.QUANTITIES), name
        assert all(quantity["measure"] in prior_sets._KEYS for quantity in prior.values()), name
        assert prior["beta_fraction"]["measure"] == "disc", f"{name}: offsets are uniform in area"
