"""Every trial is a row, whatever became of it, with the density that it was drawn with over all that was drawn."""

import numpy as np
import pandas as pd
import pytest
from drawn_trials import HASH, run_of
from scipy.stats import norm

from lenscal.injections.prior_sets import named
from lenscal.selection import found_missed


@pytest.fixture(scope="module")
def run():
    return run_of()


@pytest.fixture(scope="module")
def product(run):
    return found_missed(*run)


def test_each_trial_is_one_row_failed_ones_with_their_reason(run, product):
    table, _ = product
    assert len(table) == run[0]["injection_id"].size
    assert not table["injection_id"].duplicated().any()
    failed = table[table["failure"] != ""]
    assert failed["failure"].tolist() == ["no PSF"]
    assert failed[["score", "found_fpr_0p01", "found_fpr_0p1"]].isna().all(axis=None)
    assert np.isfinite(failed["log_density"]).all()


def test_outcomes_are_those_of_each_threshold_joined_by_id(run, product):
    injections, scores, _ = run
    table = product[0].set_index("injection_id").sample(frac=1, random_state=1)
    score = pd.Series(scores["score"].values.ravel(), injections["injection_id"].values.ravel())
    for column, threshold in (("found_fpr_0p01", 0.3), ("found_fpr_0p1", 0.0)):
        wanted = (score[table.index] >= threshold).astype(float).where(score[table.index].notna())
        pd.testing.assert_series_equal(table[column], wanted, check_names=False)


def test_the_dictionary_has_every_column_with_unit_and_meaning(product):
    table, dictionary = product
    assert dictionary["column"].tolist() == table.columns.tolist()
    assert (dictionary["description"].str.len() > 5).all()
    assert dictionary.set_index("column")["unit"]["theta_e_drawn"] == "arcsec"
    assert dictionary.attrs["thresholds"] == [0.3, 0.0]
    assert dictionary.attrs["detector_hash"] == HASH


def by_hand(row, share):
    """ln of the density of one trial, quantity by quantity, from the words of the prior set."""
    prior = named("compact-arcs")
    total = np.log(share) + np.log(0.5 / 0.5)  # cell of seeing and depth; half of its trials in a bin of 0.5 arcsec
    for name in ("gamma1", "gamma2", "lens_x", "lens_y"):
        total += norm(0, prior[name]["deviation"]).logpdf(row[name])
    total += norm(prior["colour_gr"]["mean"], prior["colour_gr"]["deviation"]).logpdf(
        row["source_mag_g"] - row["source_mag_r"]
    )
    total += norm(prior["colour_rz"]["mean"], prior["colour_rz"]["deviation"]).logpdf(
        row["source_mag_r"] - row["source_mag_z"]
    )
    for name in ("q", "n", "source_q"):
        total -= np.log(prior[name]["high"] - prior[name]["low"])
    total -= np.log(prior["mag_r"]["high"] - prior["mag_r"]["low"])
    total -= np.log(row["r_e"]) + np.log(np.log(prior["r_e"]["high"] / prior["r_e"]["low"]))
    ends = prior["beta_fraction"]
    total += np.log(2 * row["beta_fraction"] / (ends["high"] ** 2 - ends["low"] ** 2))
    return total - np.log(np.pi) - np.log(2 * np.pi) - np.log(np.pi)


@pytest.mark.parametrize("stored", [True, False])
def test_the_log_density_is_the_sum_over_all_that_was_drawn(run, stored):
    injections, scores, thresholds = run
    if not stored:
        injections = injections.drop_vars("log_density_source")
    table, _ = found_missed(injections, scores, thresholds)
    parts = [name for name in table if name.startswith("log_density_") and not name.endswith("survey")]
    np.testing.assert_allclose(table[parts].sum(axis=1), table["log_density"])
    rate = table.groupby("cell_theta_e")["proposals"].mean()
    for _, row in table.iloc[::17].iterrows():
        host = np.log((row["galaxy_id"] % 1000 + 1) / 36)
        wanted = by_hand(row, 0.5) + host + np.log(rate[row["cell_theta_e"]])
        assert row["log_density"] == pytest.approx(wanted, abs=1e-5)


def test_hosts_that_are_dealt_in_turn_are_equally_probable():
    table, _ = found_missed(*run_of(densities=False))
    np.testing.assert_allclose(table["log_density_host"], -np.log(8))


def test_weights_by_the_densities_give_back_the_size_of_what_was_drawn_from(product):
    # The mean of a normalised density over the one drawn with is 1: here theta_e falls linearly, all else as drawn.
    table, _ = product
    t = table["theta_e_drawn"]
    wanted = np.log((2.0 - t) / 0.75) + table["log_density"] - table["log_density_theta_e"]
    assert np.exp(wanted - table["log_density"]).mean() == pytest.approx(1, abs=0.1)


def broken(run, what):
    injections, scores, thresholds = (part.copy(deep=True) for part in run)
    if what == "ids":
        injections["injection_id"].values[0, 0, 0, 1] = injections["injection_id"].values[0, 0, 0, 0]
    elif what == "hash":
        thresholds.attrs["detector_hash"] = "cd" * 32
    elif what == "unfrozen":
        del scores.attrs["detector_hash"]
    elif what == "cells":
        scores = scores.isel(psf_fwhm=[1, 0])
    elif what == "trials":
        scores = scores.isel(trial=slice(10))
    elif what == "hosts":
        scores["galaxy_id"].values[0, 0, 0, 0] += 1
    elif what == "prior":
        injections = injections.drop_vars("log_density_source").assign_attrs(prior="my own")
    elif what == "column":
        injections = injections.drop_vars("proposals")
    return injections, scores, thresholds


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("ids", "1 of 160 trials repeat an injection_id"),
        ("hash", "the scores are of detector abababababab, the thresholds of cdcdcdcdcdcd"),
        ("unfrozen", "the scores are of detector none"),
        ("cells", "differ along psf_fwhm"),
        ("trials", "differ along trial"),
        ("hosts", "other hosts"),
        ("prior", "their prior 'my own' is none of the sets"),
        ("column", "the injections lack proposals"),
    ],
)
def test_parts_that_are_not_of_one_run_are_refused_by_name(run, what, message):
    with pytest.raises(ValueError, match=message):
        found_missed(*broken(run, what))
