"""A run brings its selection function with every trial behind it: the same cube, by the same host weights."""

import numpy as np
import pytest
import xarray as xr
from drawn_trials import DRAWN, HASH, hosts

import lenscal as lc
from lenscal import completeness, config, schema
from lenscal.injections import priors
from lenscal.kernels import draws

COUNTED = config.Completeness(false_positive_rates=[0.02, 0.1], trials_min=20, hosts_min=5)


def run_of():
    """Products of a run as `open_run` has them: 2 x 2 cells of 40 trials on 40 hosts, drawn unevenly."""
    parts = []
    for cell, psf in enumerate((1.1, 1.4)):
        own = hosts(cell, np.arange(1, 41))
        parts.append(
            priors.draw(psf, 23.5, own.assign(density_lens_like=own["density_drawn"][::-1].to_numpy()), DRAWN, 3)
        )
    injections = xr.concat(parts, "psf_fwhm")
    failure = np.full(injections["q"].shape, "", object)
    failure[0, 0, 0, 5] = "no PSF"
    rng = np.random.default_rng(1)
    noise = draws.uniform(1, "score", injections["injection_id"].values.ravel()).reshape(failure.shape)
    luck = rng.normal(size=5000)[injections["galaxy_id"].values % 5000]
    score = 2 * (injections["theta_e_drawn"].values - 1.2) + luck + 3 * (noise - 0.5)
    score[failure != ""] = np.nan
    injections = schema.INJECTIONS.describe(injections.assign(failure=(schema.TRIAL, failure))).assign_attrs(
        prior=DRAWN.prior
    )
    cells = {dim: injections[dim] for dim in schema.CELL}
    scores = xr.Dataset(
        {
            "galaxy_id": injections["galaxy_id"],
            "score": (schema.TRIAL, score),
            "probability": (schema.TRIAL, score.astype("f4")),
        },
        cells,
        {"detector_hash": HASH},
    )
    scores = schema.SCORES_INJECTIONS.describe(scores)
    thresholds = xr.Dataset(
        {"rate_requested": ("threshold", [0.02, 0.1], {"units": "1"})},
        {
            "threshold": ("threshold", [0.5, 0.0], {"units": "1"}),
            "false_positive_rate": ("threshold", [0.018, 0.1], {"units": "1"}),
        },
        {"detector_hash": HASH},
    )
    cube = completeness.posteriors(completeness.count(injections, scores, thresholds, COUNTED), COUNTED)
    return {
        "completeness": cube,
        "injections": injections,
        "scores/injections": scores,
        "thresholds": thresholds,
    }


@pytest.fixture(scope="module")
def run():
    return run_of()


@pytest.mark.parametrize("population", ["survey", "lens-like"])
@pytest.mark.parametrize("threshold", [0, 1])
def test_trials_of_a_run_give_its_cube_again(run, population, threshold):
    made = lc.SelectionFunction.from_run(run, population, threshold)
    again = made | made
    wanted = completeness.of_population(run["completeness"], population).isel(threshold=threshold)
    for name in ("n_injected", "n_detected", "fraction_detected", "n_effective", "hosts_effective", "lower", "upper"):
        dims = [dim for dim in again.cube[name].dims if dim in wanted[name].dims]
        np.testing.assert_allclose(
            again.cube[name].transpose(*dims), wanted[name].transpose(*dims), atol=1e-9, err_msg=name
        )
    plain = lc.SelectionFunction.from_run(run["completeness"], population, threshold)
    xr.testing.assert_identical(plain.cube, made.cube)
    assert plain.trials is None
    assert made.trials.cut.rate == [0.02, 0.1][threshold]


def test_a_run_is_reweighted_predicted_from_and_asked(run):
    made = lc.SelectionFunction.from_run(run, "lens-like")
    power = lambda trials: -np.log(trials["theta_e"])  # noqa: E731
    said = made.reweight(power, of="theta_e", n_eff_min=50)
    assert 0 < said.value < 1
    assert said.told is not None
    rest = lambda t: t["log_density"] - t["log_density_theta_e"] - t["log_density_host"]  # noqa: E731
    whole = made.reweight(lambda t: power(t) + rest(t) + t["log_density_lens_like"], n_eff_min=50)
    assert whole.value == pytest.approx(said.value)
    scored = made.trials.table["score"].notna().to_numpy()
    hosts = made.trials.table["log_density_lens_like"].to_numpy()[scored]
    like = made.reweight(lambda t: t["log_density_lens_like"], of="host", n_eff_min=10)
    weights = np.exp(hosts - made.trials.table["log_density_host"].to_numpy()[scored])
    assert like.value == pytest.approx(np.average(made.trials.found[scored], weights=weights))
    assert made.predict(power, of="theta_e", n_eff_min=50, size=100).number == pytest.approx(100 * said.value)
    assert made.query(theta_e=1.2, psf_fwhm=1.1, depth=23.5).status in ("sufficient", "insufficient")


def test_negatives_of_the_run_say_how_sure_the_threshold_is(run):
    rng = np.random.default_rng(3)
    n = 400
    names = lc.selection.opening.scored_rows.NAMES
    rows = {name: ("galaxy", rng.normal(size=n)) for name in names} | {
        "split": ("galaxy", np.array(["val", "test"], object)[np.arange(n) % 2]),
        "pool": ("galaxy", np.array(["N1"] * n, object)),
        "label": ("galaxy", np.zeros(n, int)),
    }
    made = lc.SelectionFunction.from_run(run | {"scores/cutouts": xr.Dataset(rows)})
    assert made.trials.cut.negatives.size == 200
    said = made.predict(lambda t: 0 * t["theta_e"], of="theta_e", n_eff_min=50)
    assert said.deviations["threshold"] > 0


def test_scores_of_another_detector_or_threshold_are_refused(run):
    other = "cd" * 32
    moved = run["thresholds"].assign_coords(threshold=("threshold", [0.6, 0.0], {"units": "1"}))
    for products, message in (
        (
            {"completeness": run["completeness"].assign_attrs(detector_hash=other)},
            "the cube is of detector cdcdcdcdcdcd",
        ),
        ({"thresholds": moved}, "at threshold 0.5, the scores of abababababab at 0.6"),
        ({"thresholds": run["thresholds"].assign_attrs(detector_hash=other)}, "the thresholds of cdcd"),
    ):
        with pytest.raises(ValueError, match=message):
            lc.SelectionFunction.from_run(run | products)


def test_a_path_that_is_no_run_is_refused_by_name(tmp_path):
    with pytest.raises(lc.StoreError, match="is no folder"):
        lc.SelectionFunction.from_run(tmp_path / "nowhere")
    with pytest.raises(lc.ConfigError, match="cannot be read"):
        lc.SelectionFunction.from_run(tmp_path / "nothing.yaml")
