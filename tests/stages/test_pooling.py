"""A second estimate borrows from neighbours, stands beside the first and holds the truth; completeness that falls with
depth is told; thin cells are put together by request, and the cube says so.
"""

import clustered
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit, logit
from selections import of_table, run_cube, selection, table

import lenscal as lc
from lenscal import completeness, config, schema
from lenscal.selection.trends import rows_of_hosts

SHAPE = (6, 5, 4)


def drawn(rng, hosts, trials, truths=clustered.steep):
    """A selection function of a simulated run, and its truths."""
    truth, n, k = clustered.drawn(rng, truths, hosts, trials, (SHAPE[0], SHAPE[1] * SHAPE[2], 1))
    cube = completeness.posterior(clustered.counted(n, k[:, :, 0], SHAPE[1:]), config.Completeness())
    return lc.SelectionFunction.from_run(cube), truth[..., 0].reshape(SHAPE)


@pytest.fixture(scope="module")
def made():
    return drawn(np.random.default_rng(1), "bb 0.1", "even")


def test_the_first_estimate_stays_and_the_second_has_names_of_its_own(made):
    selection, _ = made
    both = selection.pooled()
    for name, array in selection.cube.data_vars.items():
        xr.testing.assert_identical(both.cube[name], array)
    said = both.query(theta_e=1.0, psf_fwhm=1.1, depth=22.5)
    assert said.pooled_lower < said.pooled_completeness < said.pooled_upper
    assert said.pooled_completeness != said.completeness
    assert selection.query(theta_e=1.0, psf_fwhm=1.1, depth=22.5).pooled_completeness is None
    assert "another estimate" in both.cube.attrs["pooled"]
    assert both.cube.attrs["pooled_rising"] == "depth"


@pytest.mark.parametrize(
    ("hosts", "trials"), [("bb 0", "even"), ("bb 0.3", "even"), ("bb 0.3", "zipf"), ("falls", "even")]
)
def test_its_intervals_hold_the_truth_and_are_narrower(hosts, trials):
    rng = np.random.default_rng(5)
    inside, width = np.zeros((2, 9)), np.zeros((2, 9))
    for i in range(9):
        selection, truth = drawn(rng, hosts, trials)
        cube = selection.pooled().cube
        for j, level in enumerate(schema.LEVELS):
            low, high = (
                cube[f"pooled_{end}"].sel(level=level).transpose(*schema.CELL).values for end in ("lower", "upper")
            )
            inside[j, i] = ((low <= truth) & (truth <= high)).mean()
        width[:, i] = (high - low).mean(), float((cube["upper"] - cube["lower"]).sel(level=0.95).mean())
    for held, level in zip(inside, schema.LEVELS):
        error = held.std() / np.sqrt(held.size)
        assert abs(held.mean() - level) < 0.03 + 2 * error, f"{held.mean():.3f} +- {error:.3f} of {level}"
    assert width[0].mean() < 0.93 * width[1].mean()


def test_held_out_cells_are_predicted():
    rng = np.random.default_rng(3)
    held = np.array(
        [
            [
                drawn(rng, "bb 0.1", "even")[0].pooled(seed=i).cube.attrs[f"pooled_held_out_{level}"]
                for level in (68, 95)
            ]
            for i in range(4)
        ]
    ).mean(0)
    assert abs(held[0] - 0.6827) < 0.1
    assert abs(held[1] - 0.95) < 0.04


def test_thin_cells_gain_most_and_cells_without_data_are_predicted():
    rng = np.random.default_rng(4)
    whole, truth = drawn(rng, "bb 0", "even")
    rows = rows_of_hosts(whole)
    first = rows["psf_fwhm"] < 1.05
    rows = rows[~first | ((rows["host"] % 35 < 6) & (rows["depth"] < 23.2))]
    selection = lc.SelectionFunction.from_table(rows, whole.edges, trials="tried")
    cube = selection.pooled().cube.transpose(*schema.CELL, ...)
    n = cube["n_injected"].values
    assert 0 == n.min() < n[0, 0, 0] < n.max()
    gain = ((cube["pooled_upper"] - cube["pooled_lower"]) / (cube["upper"] - cube["lower"])).sel(level=0.95).values
    few = (n > 0) & (n < 100)
    assert np.nanmedian(gain[few]) < 0.9 * np.nanmedian(gain[n > 100])
    assert (cube["pooled_status"].values[n == 0] == "predicted").all()
    assert (cube["status"].values[n == 0] == "no data").all()
    low, high = (cube[f"pooled_{end}"].sel(level=0.95).values[n == 0] for end in ("lower", "upper"))
    assert ((low <= truth[n == 0]) & (truth[n == 0] <= high)).mean() > 0.6


def test_the_surface_does_not_fall_where_it_may_not():
    trials = table()
    trials["depth"] = np.random.default_rng(0).uniform(22, 24, 300)[trials["host"]]
    falling = expit(3 * (trials["theta_e"] - 1.2) - 2.0 * (trials["depth"] - 23))
    trials["found"] = (np.random.default_rng(1).random(len(trials)) < falling).astype(float)
    edges = {"theta_e": np.linspace(0.5, 2, 6), "depth": np.linspace(22, 24, 6)}
    made = lc.SelectionFunction.from_table(trials, edges)
    free, bound = made.pooled(rising=()).cube, made.pooled().cube
    mean = lambda cube: logit(cube["pooled_completeness"]).mean("theta_e").values  # noqa: E731
    assert mean(free)[-1] - mean(free)[0] < -2
    assert mean(bound)[-1] - mean(bound)[0] > mean(free)[-1] - mean(free)[0]
    assert bound.attrs["pooled_rising"] == "depth"


def test_hosts_of_their_own_share_nothing():
    alone = of_table(table(n=9000), host=None)
    fine = lc.SelectionFunction.from_table(
        table(n=9000), {"theta_e": np.linspace(0.5, 2, 7), "seeing": [1.0, 1.2, 1.4]}, host=None
    )
    assert fine.pooled().cube.attrs["pooled_shared"] < 0.05
    with pytest.raises(ValueError, match="6 cells have trials, 12 needed"):
        alone.pooled()


def falls(n=8000, step=0.0):
    """Trials whose completeness falls by a step at the deep end."""
    trials = table(n=n, hosts=400)
    trials["depth"] = np.random.default_rng(20).uniform(22, 24, 400)[trials["host"]]
    lost = (trials["depth"] > 23.5) & (np.random.default_rng(3).random(n) < step)
    trials["found"] = np.where(lost, 0.0, trials["found"])
    return lc.SelectionFunction.from_table(trials, {"theta_e": [0.5, 1.0, 1.5, 2.0], "depth": [22, 22.5, 23, 23.5, 24]})


def test_completeness_that_falls_with_depth_is_told_and_a_flat_one_is_not():
    found = falls(step=0.4).trend()
    assert found.attrs["alarm"]
    assert found["falls"].tolist() == [False, False, True]
    assert found.loc[2, "difference"] == pytest.approx(-0.4 * 0.47, abs=0.05)
    quiet = falls().trend()
    assert not quiet.attrs["alarm"]
    assert quiet.attrs["judged"]
    assert ((quiet["lower"] < quiet["difference"]) & (quiet["difference"] < quiet["upper"])).all()


def test_a_flat_surface_seldom_alarms():
    rng = np.random.default_rng(6)
    alarms = []
    for _ in range(40):
        truth, n, k = clustered.drawn(rng, lambda rng, shape: np.full(shape, 0.4), "bb 0.3", "even", (3, 12, 1))
        cube = completeness.posterior(clustered.counted(n, k[:, :, 0], (3, 4)), config.Completeness())
        alarms += lc.SelectionFunction.from_run(cube).trend()["falls"].tolist()
        assert truth.max() == 0.4
    assert np.mean(alarms) < 0.025 + 3 * np.sqrt(0.025 / len(alarms))


def test_merged_cells_are_those_of_wider_bins_and_the_cube_says_which():
    trials = table(n=1200)
    fine = lc.SelectionFunction.from_table(
        trials, {"theta_e": np.linspace(0.5, 2, 7), "seeing": [1.0, 1.2, 1.4]}, id="id"
    )
    merged = fine.merge("theta_e", 150)
    assert int(merged.cube["n_injected"].min()) >= 150
    assert set(merged.edges["theta_e"]) <= set(fine.edges["theta_e"])
    wide = lc.SelectionFunction.from_table(trials, merged.edges)
    for name in ("n_injected", "n_detected", "n_hosts", "n_failed", "lower", "upper", "n_effective"):
        np.testing.assert_allclose(merged.cube[name].values, wide.cube[name].values, err_msg=name)
    assert "theta_e: 0.5 to 1 (2 bins)" in merged.cube.attrs["merged"]
    assert merged.trials is fine.trials
    twice = merged.merge("seeing", 300)
    assert "seeing: 1 to 1.4 (2 bins)" in twice.cube.attrs["merged"]
    assert "theta_e:" in twice.cube.attrs["merged"]


def test_merging_keeps_failed_trials_and_the_units():
    trials = table(n=1200)
    trials.loc[::5, "found"] = np.nan
    made = of_table(trials)
    merged = made.merge("theta_e", 250)
    assert int(merged.cube["n_failed"].sum()) == int(made.cube["n_failed"].sum()) > 0
    cube, *_ = run_cube()
    assert lc.SelectionFunction.from_run(cube).merge("depth", 300).cube["depth"].attrs["units"] == "mag(AB)"


COUNTS = lc.SelectionFunction.from_counts(
    pd.DataFrame({"theta_e": np.arange(1.0, 14.0), "k": 3, "n": 9, "hosts": 5}), hosts="hosts"
)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: made.pooled(rising="colour"), "there is no axis colour"),
        (lambda made: COUNTS.pooled(), "do not say which hosts cells share"),
        (
            lambda made: made.marginalise("seeing", xr.DataArray([1.0, 1.0], dims="seeing")).pooled(),
            "cells have trials",
        ),
        (lambda made: made.trend("colour"), "there is no axis colour"),
        (lambda made: made.trend("theta_e"), "bins along theta_e share hosts"),
        (
            lambda made: made.merge("seeing", 10).merge("theta_e", 10**6),
            "all bins of theta_e together leave a cell with",
        ),
        (lambda made: made.merge("colour", 10), "there is no axis colour"),
        (lambda made: COUNTS.merge("theta_e", 10), "do not say which hosts cells share"),
        (lambda made: made.merge("seeing", 1900).trend("seeing"), "seeing has one bin"),
        (lambda made: of_table(table().assign(seeing=np.linspace(1, 1.39, 6000))).trend("seeing"), "share hosts"),
    ],
)
def test_what_cannot_be_pooled_judged_or_merged_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call(selection())
