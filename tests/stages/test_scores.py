"""A score belongs to a stamp that can be scored, carries its detector's hash, and a threshold
keeps its promised rate.
"""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit
from scored import Mean, coordinates, scored, text

from lenscal import gates as gate_table
from lenscal import schema, scores
from lenscal.detector import Detector, calibration
from lenscal.kernels import intervals
from lenscal.scores import rates


@pytest.fixture
def cutouts():
    rng = np.random.default_rng(1)
    data = {"image": (("galaxy", "band", "y", "x"), rng.normal(size=(9, 3, 8, 8)).astype("f4"), {"units": "nanomaggy"})}
    return xr.Dataset(data, {**coordinates(9), "band": ("band", text(["g", "r", "z"]))})


@pytest.fixture
def quality(cutouts):
    ok = np.arange(9) % 4 != 0
    snr = np.where(np.arange(9) < 4, 5 + np.arange(9), np.nan).astype("f4")
    return xr.Dataset(
        {"cutout_ok": ("galaxy", ok, {"units": "1"}), "arc_snr": ("galaxy", snr, {"units": "1"})},
        {"galaxy_id": cutouts["galaxy_id"]},
    )


def test_scores_take_the_detectors_bands_and_leave_unfit_cutouts_without(cutouts, quality):
    found = schema.SCORES_CUTOUTS.check(scores.score_cutouts(cutouts.chunk(galaxy=2), quality, Mean()))
    expected = cutouts["image"].sel(band="r").mean(("y", "x"), dtype="f8").astype("f4").where(quality["cutout_ok"])
    np.testing.assert_array_equal(found["score"], expected)
    np.testing.assert_array_equal(np.isnan(found["probability"]), ~quality["cutout_ok"])
    np.testing.assert_array_equal(found["arc_snr"], quality["arc_snr"])
    assert found.attrs["detector_hash"] == Mean.hash


def test_quality_of_other_galaxies_is_refused(cutouts, quality):
    with pytest.raises(ValueError, match="row by row"):
        scores.score_cutouts(cutouts, quality.isel(galaxy=slice(None, None, -1)), Mean())
    with pytest.raises(ValueError, match=r"needs bands \['r', 'g'\]; the images hold \['g', 'z'\]"):
        scores.score_cutouts(cutouts.isel(band=[0, 2]), quality, Mean())
    with pytest.raises(schema.SchemaError, match="'image' is in 'mag', not 'nanomaggy'"):
        scores.score_cutouts(cutouts.assign(image=cutouts["image"].assign_attrs(units="mag")), quality, Mean())


@pytest.fixture
def block():
    failure = np.full((3, 1, 1, 4), "", object)
    failure[1, 0, 0, 2] = failure[2, 0, 0, 0] = "no host"
    axis = {"theta_e": ("theta_e", [1.0, 1.5, 2.0], {"units": "arcsec"})}
    axis |= {"psf_fwhm": ("psf_fwhm", [1.2], {"units": "arcsec"}), "depth": ("depth", [24.0], {"units": "mag(AB)"})}
    ids = np.arange(12).reshape(3, 1, 1, 4)
    data = {"failure": (schema.TRIAL, failure), "galaxy_id": (schema.TRIAL, ids, {"units": "1"})}
    return xr.Dataset(data, {**axis, "band": ("band", text(["g", "r", "z"]))})


def images(block):
    level = block["galaxy_id"].transpose(*schema.TRIAL).values.ravel().astype("f4")
    return np.broadcast_to(level[:, None, None, None], (level.size, 3, 8, 8))


def test_injections_keep_their_place_and_failures_have_no_score(block):
    found = schema.SCORES_INJECTIONS.check(scores.score_injections(block, images, Mean(), batch=5))
    expected = block["galaxy_id"].where(block["failure"] == "").astype("f4")
    np.testing.assert_array_equal(found["score"].transpose(*schema.TRIAL), expected)
    turned = scores.score_injections(block.transpose("trial", "depth", "psf_fwhm", "theta_e", "band"), images, Mean())
    xr.testing.assert_equal(turned.transpose(*found.dims), found)


def test_a_block_without_hosts_renders_nothing(block):
    empty = block.assign(failure=xr.full_like(block["failure"], "no host", dtype=object))
    found = scores.score_injections(empty, lambda block: pytest.fail("rendered for nothing"), Mean())
    assert np.isnan(found["score"]).all()


def test_missing_images_and_missing_pixels_are_refused(block):
    with pytest.raises(ValueError, match="11 images for a block of 12 injections"):
        scores.score_injections(block, lambda b: images(b)[1:], Mean())
    with pytest.raises(ValueError, match="10 injections without a failure have no pixel"):
        scores.score_injections(block, lambda b: images(b) * np.float32("nan"), Mean())


def test_threshold_is_the_lowest_that_keeps_the_rate():
    values = np.random.default_rng(1).permutation(np.arange(1000))
    others = scored(
        np.append(values, [5000, 5001, np.nan]), ["val"] * 1000 + ["test", "val", "val"], [0] * 1001 + [1, 0]
    )
    found = scores.thresholds(others, [0.01, 0.0257])
    np.testing.assert_array_equal(found["threshold"], [990, 975])
    np.testing.assert_array_equal(found["n_false"], [10, 25])
    np.testing.assert_array_equal(found["false_positive_rate"], [0.01, 0.025])
    assert (found["n_negatives"] == 1000).all()
    assert found.attrs["detector_hash"] == Mean.hash


def test_controls_and_lenses_set_no_threshold():
    pool = ["N1"] * 85 + ["N2"] * 15 + ["control"] * 50
    found = scores.thresholds(scored(np.arange(150), "val", [0] * 100 + [-1] * 50, pool=pool), [0.1])
    assert found["threshold"].item() == 90
    assert (found.attrs["n_N1"], found.attrs["n_N2"]) == (85, 15)


@pytest.mark.parametrize(
    ("ties", "threshold", "n_false"),
    [([99] * 3, 100, 2), ([100] * 3, np.nextafter(100.0, 101.0), 0), ([98] * 3, 99, 3)],
)
def test_equal_scores_stay_together_and_the_rate_reached_is_told(ties, threshold, n_false):
    values = [*np.arange(2, 97), *ties, *{98: [99, 99.5, 100], 99: [100, 101], 100: [100, 100]}[ties[0]]]
    found = scores.thresholds(scored(values, "val", 0), [4.2 / len(values) if ties[0] == 100 else 3.2 / len(values)])
    assert found["threshold"].item() == threshold
    assert found["n_false"].item() == n_false == np.sum(np.array(values) >= threshold)
    assert found["false_positive_rate"].item() == n_false / len(values)


def test_a_rate_that_the_negatives_cannot_set_is_refused():
    with pytest.raises(
        ValueError, match=r"rate of 0\.001 cannot be set with 500 validation negatives: it needs at least 1000"
    ):
        scores.thresholds(scored(np.arange(500), "val", 0), [0.001])
    assert scores.thresholds(scored(np.arange(1000), "val", 0), [0.001])["n_false"].item() == 1
    with pytest.raises(ValueError, match="expected numbers between 0 and 1"):
        scores.thresholds(scored(np.arange(500), "val", 0), [0.0])


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_interval_of_the_rate_covers_the_true_rate(k):
    # Of a threshold set on N uniform scores, the true rate is one minus the threshold.
    rng = np.random.default_rng(k)
    found = [rates._cut(np.sort(rng.random(300))[::-1], k) for _ in range(4000)]
    assert {count for _, count in found} == {k}
    truth = 1 - np.array([threshold for threshold, _ in found])
    run = scores.thresholds(scored(rng.random(300), "val", 0), [k / 300])
    assert run["n_false"].item() == k
    for at, level in enumerate(schema.LEVELS):
        lower, upper = run["lower"][0, at].item(), run["upper"][0, at].item()
        assert np.mean((lower <= truth) & (truth <= upper)) == pytest.approx(level, abs=0.02)


def test_thresholds_keep_the_digits_of_the_scores():
    # Two scores that single precision does not tell apart: the threshold is the higher one, and the lower is no
    # detection.
    low = 1.0
    high = np.nextafter(low, 2)
    assert np.float32(low) == np.float32(high)
    table = scored(np.append(np.linspace(-3, 0, 98), [0, 0]), "val", 0)
    value = np.append(np.linspace(-3, 0, 98), [low, high])
    found = scores.thresholds(table.assign(score=("galaxy", value, table["score"].attrs)), [0.01])
    assert (found["threshold"].item(), found["n_false"].item()) == (high, 1)
    alike = scores.thresholds(
        table.assign(score=("galaxy", np.append(value[:-2], [high, high]), table["score"].attrs)), [0.01]
    )
    assert alike["n_false"].item() == 0
    assert alike["threshold"].item() == np.nextafter(high, 2)


def test_interval_at_the_ends_is_one_sided():
    assert intervals.interval(0, 500, 0.95) == (0.0, pytest.approx(0.0038, abs=5e-5))
    assert intervals.interval(0, 500, 0.6827)[1] == pytest.approx(0.0010, abs=5e-5)
    assert intervals.interval(500, 500, 0.95) == (pytest.approx(1 - 0.0038, abs=5e-5), 1.0)
    assert intervals.interval(5, 50_000, 0.95) == (pytest.approx(3.8e-5, rel=0.02), pytest.approx(2.2e-4, rel=0.02))


@pytest.fixture
def history():
    return pd.DataFrame({"epoch": [1, 2, 3], "val_loss": [0.4, 0.2, 0.3]})


@pytest.fixture
def run():
    rng = np.random.default_rng(2)
    split = ["train"] * 20 + ["val"] * 20 + ["test"] * 220
    label = [1] * 10 + [0] * 10 + [1] * 5 + [0] * 15 + [1] * 20 + [0] * 200
    role = np.where(np.equal(label, 1), np.where(np.equal(split, "train"), "train", "anchor"), "none")
    return scored(rng.normal(3 * np.array(label) - 1.5, 1), split, label, role=role)


def verdicts(found):
    table = gate_table.table(found)
    assert table["id"].is_unique
    return table.set_index("id")["verdict"]


def test_all_gates_pass_on_a_sound_run(run, history):
    found = verdicts(scores.gates(run, history, Mean()))
    assert (found == gate_table.PASS).all(), found
    assert {"X.4", "X.11", "2.7", "scores.hash", "detector.auc"} <= set(found.index)


@pytest.mark.parametrize(
    ("failing", "change"),
    [
        ("scores.hash", lambda run, detector: run.attrs.update(detector_hash="other")),
        ("scores.complete", lambda run, detector: run["cutout_ok"].values.__setitem__(3, False)),
        ("X.2.trained", lambda run, detector: setattr(detector, "training_ids", np.array([1, 35]))),
        ("X.4", lambda run, detector: setattr(detector, "training_ids", np.array([1, 21]))),
        ("X.11", lambda run, detector: setattr(detector, "training_ids", np.array([1, 21]))),
        ("X.11", lambda run, detector: run["ra"].values.__setitem__(2, run["ra"].values[21] + 10 / 3600)),
        ("2.7", lambda run, detector: run["arc_snr"].values.__setitem__(2, 2.9)),
        ("2.7", lambda run, detector: run["arc_snr"].values.__setitem__(2, np.nan)),
        ("detector.kept", lambda run, detector: setattr(detector, "record", {**detector.record, "val_loss": 0.3})),
        (
            "detector.learnt",
            lambda run, detector: setattr(detector, "record", {**detector.record, "val_loss_constant": 0.1}),
        ),
        ("detector.auc", lambda run, detector: run["score"].values.__imul__(-1)),
        ("detector.auc", lambda run, detector: run["score"].values.__imul__(0)),
        (
            "detector.calibration",
            lambda run, detector: setattr(detector, "reliability", lambda s, y: calibration.reliability(expit(s), y)),
        ),
    ],
)
def test_each_gate_can_fail(run, history, failing, change):
    detector = Mean()
    change(run, detector)
    assert verdicts(scores.gates(run, history, detector))[failing] == gate_table.FAIL


def test_a_lower_end_at_one_half_is_no_better_than_chance(run, history, monkeypatch):
    monkeypatch.setattr(import_module("lenscal.scores.gates"), "auc", lambda *_: (0.7, 0.5, 0.8))
    assert verdicts(scores.gates(run, history, Mean()))["detector.auc"] == gate_table.FAIL


def test_gates_without_ground_say_so(run, history):
    run = run.isel(galaxy=(run["role"] != "anchor").values)
    found = verdicts(
        scores.gates(run, None, SimpleNamespace(hash=Mean.hash, training_ids=np.arange(5), settings={"training": {}}))
    )
    for name in ("X.4", "X.11", "2.7", "detector.auc", "detector.calibration", "detector.learnt", "detector.kept"):
        assert found[name] == gate_table.ABSENT


@pytest.mark.parametrize("own", [True, False])
def test_a_detector_that_is_only_what_the_protocol_asks_passes_through_and_what_it_does_not_say_is_not_judged(
    run, history, own
):
    made = Only(run, expit)
    made.prevalence = None
    assert isinstance(made, Detector)
    said = scores.gates(run, history if own else None, made)
    found = verdicts(said)
    for name in ("2.7", "detector.calibration", *(() if own else ("X.2.trained", "X.4"))):
        assert found[name] == gate_table.NOT_JUDGED, name
    for name in ("detector.learnt", "detector.kept"):
        assert found[name] == (gate_table.NOT_JUDGED if own else gate_table.ABSENT)
    assert found["scores.hash"] == found["detector.auc"] == gate_table.PASS
    assert all(gate.cannot for gate in said if gate.verdict == gate_table.NOT_JUDGED)


@pytest.mark.parametrize(("factor", "verdict"), [(0.01, gate_table.PASS), (1.0, gate_table.FAIL)])
def test_probabilities_that_name_their_prevalence_are_judged_by_the_protocol_alone(run, factor, verdict):
    made = Only(run, lambda s: expit(s + np.log(factor)))
    assert verdicts(scores.gates(run, None, made))["detector.calibration"] == verdict
    made.probability = lambda s: np.full(s.shape, np.nan, "f4")
    assert verdicts(scores.gates(run, None, made))["detector.calibration"] == gate_table.NOT_JUDGED


class Only:
    """No more than the protocol, and a prevalence."""

    bands, size, hash, prevalence = ("r",), 8, Mean.hash, 1 / 101

    def __init__(self, run, probability):
        self.probability = lambda s: probability(s).astype("f4")

    def score(self, images, batch=128):
        return images.mean((1, 2, 3))
