"""Trials speak of another population without bias, say what they are worth of it, and refuse what they do not reach."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from lenscal.selection import FEATURES, SupportError, reweight
from lenscal.selection.balance import entropy_weights

SMALL = ("theta_e", "psfsize_r", "lensed_mag_r", "host_colour_gr")


def chance(table):
    """What is found: steep in theta_e, and the less the bluer the host and the fainter the arc."""
    return expit(
        5 * (np.log(table["theta_e"]) - 0.3)
        - 1.5 * (table["psfsize_r"] - 1.3)
        - 1.2 * (table["lensed_mag_r"] - 21)
        + 4 * (table["host_colour_gr"] - 1.3)
        + table.get("luck", 0)
    ).to_numpy()


def trials(n=6000, hosts=400, seed=1, luck=0.0):
    rng = np.random.default_rng(seed)
    host = rng.integers(0, hosts, n)
    own = {
        "psfsize_r": rng.uniform(1.0, 1.8, hosts),
        "host_colour_gr": rng.normal(1.2, 0.3, hosts),
        "luck": luck * rng.standard_normal(hosts),
    }
    table = pd.DataFrame({"galaxy_id": 10**12 + host, **{name: values[host] for name, values in own.items()}})
    table["theta_e"], table["lensed_mag_r"] = rng.uniform(0.6, 2.2, n), rng.normal(21, 0.9, n)
    return table, rng.random(n) < chance(table)


def systems(n=600, seed=9, theta=1.6, mag=20.7, colour=1.45):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "theta_e": np.clip(theta * np.exp(0.2 * rng.standard_normal(n)), 0.65, 2.15),
            "psfsize_r": rng.uniform(1.0, 1.7, n),
        }
    )
    table["lensed_mag_r"], table["host_colour_gr"] = rng.normal(mag, 0.4, n), rng.normal(colour, 0.12, n)
    return table


def test_balanced_means_are_those_of_the_population_and_weights_as_even_as_that_allows():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(4000, 3))
    target = np.array([0.5, -0.3, 0.0])
    weight = entropy_weights(sample, target, ridge=1e-9)
    np.testing.assert_allclose(weight @ sample, target, atol=1e-4)
    assert weight.min() > 0
    # Of a normal sample the nearest tilt is the shifted normal: its effective number is n exp(-|t|^2).
    assert 1 / np.square(weight).sum() / 4000 == pytest.approx(np.exp(-(target @ target)), rel=0.08)
    np.testing.assert_allclose(entropy_weights(sample, sample.mean(0)), 1 / 4000, rtol=1e-3)


@pytest.mark.parametrize(("theta", "mag", "colour"), [(1.4, 21.0, 1.2), (1.7, 20.6, 1.45), (1.0, 21.5, 1.5)])
def test_the_share_found_of_another_population_is_predicted(theta, mag, colour):
    table, found = trials()
    wanted = systems(theta=theta, mag=mag, colour=colour)
    said = reweight(table, wanted, found, 3, SMALL)
    assert said.value == pytest.approx(chance(wanted).mean(), abs=max(3 * said.deviation, 0.02))
    assert said.n_eff <= said.used <= len(table)
    assert said.chance.mean() == pytest.approx(said.value, abs=1e-9)
    assert np.corrcoef(said.chance, chance(wanted))[0, 1] > 0.95
    assert abs(found.mean() - chance(wanted).mean()) > 0.03 or theta == 1.4


def test_errors_cover_when_hosts_have_luck_of_their_own():
    wanted, inside, truth = systems(400), 0, []
    for seed in range(24):
        table, found = trials(3000, 150, seed, luck=1.0)
        said = reweight(table, wanted, found, 3, SMALL)
        rng = np.random.default_rng(1000 + seed)
        many = pd.concat([wanted] * 50, ignore_index=True)
        many["luck"] = rng.standard_normal(len(many))
        truth = chance(many).mean()
        inside += abs(said.value - truth) < 2.2 * said.deviation
    assert inside >= 20


def test_bins_have_errors_of_their_own():
    table, found = trials()
    wanted = systems()
    said = reweight(table, wanted, found, 3, SMALL)
    narrow = np.flatnonzero(wanted["theta_e"] < 1.3)
    value, deviation = said.share(narrow)
    assert value == pytest.approx(chance(wanted)[narrow].mean(), abs=3 * deviation + 0.02)
    assert deviation > said.deviation


def test_an_exact_density_weighs_trials_by_its_ratio():
    table, found = trials(20_000, 3000)
    table["log_density"] = np.log(1 / 1.6)  # uniform in theta_e from 0.6 to 2.2
    rise = lambda t: np.where(t["theta_e"].between(0.6, 2.2), np.log(t["theta_e"] - 0.5), -np.inf)  # noqa: E731
    said = reweight(table, rise, found, 3)
    again = table.sample(200_000, replace=True, weights=np.exp(rise(table)), random_state=1)
    assert said.value == pytest.approx(chance(again).mean(), abs=4 * said.deviation)
    weight = np.exp(rise(table))
    assert said.n_eff == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"theta": 3.5}, None), ({"mag": 25.0}, "lensed_mag_r"), ({"colour": 3.0}, "host_colour_gr")],
)
def test_a_population_outside_of_the_trials_is_refused_by_the_feature_at_fault(changes, name):
    table, found = trials(2000)
    wanted = systems(**changes)
    if name is None:
        wanted["theta_e"] = 3.0
    with pytest.raises(SupportError, match=name or "theta_e"):
        reweight(table, wanted, found, 3, SMALL)


def test_a_density_where_no_trial_was_drawn_is_refused():
    table, found = trials(2000)
    table["log_density"] = 0.0
    with pytest.raises(SupportError, match="no density at any trial"):
        reweight(table, lambda t: np.full(len(t), -np.inf), found, 3)
    with pytest.raises(SupportError, match="worth"):
        reweight(table, lambda t: np.where(np.arange(len(t)) < 20, 0.0, -np.inf), found, 3)
    with pytest.raises(ValueError, match="NaN or infinite"):
        reweight(table, lambda t: np.full(len(t), np.inf), found, 3)
    with pytest.raises(ValueError, match="lack 'log_density'"):
        reweight(table.drop(columns="log_density"), lambda t: np.zeros(len(t)), found, 3)


def test_what_is_missing_or_no_number_is_named():
    table, found = trials(2000)
    with pytest.raises(ValueError, match="the population lack psfsize_r"):
        reweight(table, systems().drop(columns="psfsize_r"), found, 3, SMALL)
    broken = systems()
    broken.loc[3, "lensed_mag_r"] = np.nan
    with pytest.raises(ValueError, match="lensed_mag_r of the population is not finite in 1 of 600"):
        reweight(table, broken, found, 3, SMALL)
    with pytest.raises(ValueError, match="the trials lack"):
        reweight(table, systems(), found, 3, FEATURES)


@pytest.mark.parametrize("all_", [True, False])
def test_none_and_all_found_stay_none_and_all(all_):
    table, _ = trials(2000)
    said = reweight(table, systems(), np.full(len(table), all_), 3, SMALL)
    assert said.value == pytest.approx(float(all_), abs=1e-5)


def test_the_answer_does_not_hang_on_the_order_of_trials_or_systems():
    table, found = trials(3000)
    wanted = systems()
    one = reweight(table, wanted, found, 3, SMALL)
    turned = np.random.default_rng(4).permutation(len(table))
    two = reweight(table.iloc[turned].reset_index(drop=True), wanted.iloc[::-1], found[turned], 3, SMALL)
    assert two.value == pytest.approx(one.value, abs=1e-4)
    assert two.n_eff == pytest.approx(one.n_eff, rel=1e-3)
