"""The closed loop is GO where the trials hold the truth, NO-GO where they do not, and its
intervals are of what is counted.
"""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit

from lenscal import schema
from lenscal.selection import FEATURES, loop

GRID = {"theta_e": [0.75, 1.25, 1.75], "psf_fwhm": [1.1, 1.5], "depth": [23.25, 23.75]}
UNITS = {"theta_e": "arcsec", "psf_fwhm": "arcsec", "depth": "mag(AB)"}


def sky(n, seed, hosts=None, colour=1.2, mag=21.0, offset=0.0):
    """Systems (hosts None) or trials on so many hosts: all features, and a score that follows some of them."""
    rng = np.random.default_rng(seed)
    spread = 0.3 if hosts else 0.12
    table = pd.DataFrame({name: rng.normal(0, 1, n) for name in FEATURES})
    table["theta_e"], table["psfsize_r"], table["psfdepth_r"] = (
        rng.uniform(0.5, 2.0, n),
        rng.uniform(0.9, 1.7, n),
        rng.uniform(23, 24, n),
    )
    table["lensed_mag_r"] = rng.normal(mag, 0.8 if hosts else 0.4, n)
    table["galaxy_id"] = 10**12 + (rng.integers(0, hosts, n) if hosts else np.arange(n))
    own = dict(zip(table["galaxy_id"].unique(), rng.normal(colour, spread, table["galaxy_id"].nunique())))
    table["host_colour_gr"] = table["galaxy_id"].map(own)
    p = expit(
        5 * (np.log(table["theta_e"]) - 0.2)
        - 1.2 * (table["lensed_mag_r"] - 21)
        + 4 * (table["host_colour_gr"] - 1.2)
        + offset
    )
    table["score"] = np.where(rng.random(n) < p, 1.0, -1.0) + 0.1 * rng.random(n)
    return table


def truth(n=500, seed=5, **changes):
    return sky(n, seed, colour=1.45, mag=20.8, **changes).assign(left_out="", seed=9)


@pytest.fixture(scope="module")
def trials():
    return sky(6000, 1, hosts=500)


@pytest.fixture(scope="module")
def cube():
    shape = tuple(map(len, GRID.values()))
    value = np.broadcast_to(np.array([0.1, 0.4, 0.6])[:, None, None, None, None], (*shape, 1, 5))
    coords = {dim: (dim, values, {"units": UNITS[dim], "half_width": 0.25}) for dim, values in GRID.items()} | {
        "quantile": list(schema.QUANTILES),
        "threshold": [0.0],
    }
    return xr.Dataset({"completeness": ((*GRID, "threshold", "quantile"), value)}, coords)


def cuts(*values):
    return xr.Dataset(
        coords={"threshold": list(values), "false_positive_rate": ("threshold", np.linspace(0.01, 0.05, len(values)))}
    )


def test_trials_that_know_the_truth_are_go_where_the_cube_read_at_each_lens_is_far_off(trials, cube):
    lenses = truth()
    summary, tables = loop.judge(lenses, trials, cuts(0.0), cube, None, 7)
    overall = summary["overall"]
    assert summary["verdict"] == "GO"
    assert overall["n"] == 500
    assert overall["observed"] == (lenses["score"] >= 0).mean()
    assert abs(overall["predicted"] - overall["observed"]) < 0.04
    assert abs(overall["naive"] - overall["observed"]) > 0.15
    assert overall["lower_95"] < overall["lower_68"] < overall["predicted"] < overall["upper_68"] < overall["upper_95"]
    assert overall["n_eff"] > 0.3 * summary["trials_used"]
    assert sum(row["n"] for row in summary["bins"] if row["axis"] == "theta_e") == 500
    assert {row["axis"] for row in summary["bins"]} == {
        "theta_e",
        "psf_fwhm",
        "depth",
        "lensed_mag_r",
        "host_colour_gr",
    }
    json.dumps(summary, allow_nan=False)
    assert len(tables["lenses"]) == 500
    assert tables["lenses"]["chance"].mean() == pytest.approx(overall["predicted"])


def test_a_detector_that_treats_true_lenses_otherwise_is_no_go(trials, cube):
    summary, _ = loop.judge(truth(offset=-2.5), trials, cuts(0.0), cube, None, 7)
    assert summary["verdict"] == "NO-GO"
    assert summary["overall"]["observed"] < summary["overall"]["lower_95"]


def test_lenses_outside_of_the_trials_are_refused_by_name_and_still_counted(trials, cube):
    lenses = truth()
    lenses["r_e"] = 40.0
    summary, _ = loop.judge(lenses, trials, cuts(0.0), cube, None, 7)
    assert summary["verdict"] == "NO-GO"
    assert "r_e beyond" in summary["refused"]
    assert summary["overall"]["predicted"] is None
    assert summary["overall"]["found"] == int((lenses["score"] >= 0).sum())
    json.dumps(summary, allow_nan=False)


def test_what_is_left_out_is_counted_by_its_reason(trials, cube):
    lenses = truth()
    lenses.loc[:9, "left_out"] = "depth outside the grid"
    summary, _ = loop.judge(lenses, trials, cuts(0.0), cube, None, 7)
    assert summary["left_out"] == {"depth outside the grid": 10}
    assert summary["overall"]["n"] == 490
    with pytest.raises(ValueError, match="none of 500 true lenses"):
        loop.judge(lenses.assign(left_out="x"), trials, cuts(0.0), cube, None, 7)


def test_every_threshold_has_its_own_prediction_and_ties_are_detections(trials, cube):
    lenses = truth().assign(score=0.5)
    two = xr.concat([cube, cube], "threshold").assign_coords(threshold=[0.5, 0.6])
    summary, _ = loop.judge(lenses, trials, cuts(0.5, 0.6), two, None, 7)
    assert [row["found"] for row in summary["thresholds"]] == [500, 0]


def test_brackets_of_morphology_and_psf_widen_the_total_interval(trials, cube):
    changes = pd.DataFrame(
        {
            "kind": ["morphology", "moffat", "prior"],
            "base": 0.6,
            "changed": [0.45, 0.65, 0.1],
            "pairs": 200,
            "why_not": "",
        }
    )
    plain, wide = (loop.judge(truth(), trials, cuts(0.0), cube, given, 7)[0] for given in (None, changes))
    assert wide["systematic"].keys() == {
        "source morphology",
        "PSF profile",
    }  # the population of the sources is known here
    assert wide["overall"]["lower_68"] < plain["overall"]["lower_68"] - 0.02
    assert wide["overall"]["upper_95"] > plain["overall"]["upper_95"]


@pytest.mark.parametrize(("value", "deviation", "n"), [(0.9, 0.02, 600), (0.93, 0.01, 25), (0.5, 0.08, 60)])
def test_predictive_intervals_hold_the_counts_they_are_of(value, deviation, n):
    rng = np.random.default_rng(3)
    size = value * (1 - value) / deviation**2 - 1
    share = rng.binomial(n, rng.beta(value * size, (1 - value) * size, 20_000)) / n
    for level in (0.6827, 0.95):
        low, high = loop.predictive(value, deviation**2, deviation**2, n, level)
        inside = ((share >= low) & (share <= high)).mean()
        assert inside >= level - 0.01  # counts are whole: an interval may hold more
        narrower = ((share > low) & (share < high)).mean()
        assert narrower <= level + 0.02


def test_an_exact_chance_has_the_interval_of_a_binomial():
    low, high = loop.predictive(0.9, 0.0, 0.0, 100, 0.95)
    assert (low, high) == (0.84, 0.95)
