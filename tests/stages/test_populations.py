"""Trials bound to a selection function speak of another population with an interval that holds the truth, or refuse
by name.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from selections import assert_covers, chance, of_table, selection, table

import lenscal as lc
from lenscal import schema
from lenscal.selection import SupportError
from lenscal.selection.ends import share_interval
from lenscal.selection.trials import Cut


def steep(trials):
    """ln of a density that falls with theta_e."""
    return -4 * np.log(trials["theta_e"])


def true_share(luck, systems=None):
    """Share found where theta_e follows `steep`, or of systems; over the luck of all hosts."""
    rng = np.random.default_rng(99)
    node, weight = np.polynomial.hermite_e.hermegauss(31)
    theta_e = rng.uniform(0.5, 2.0, 20_000) if systems is None else systems["theta_e"].to_numpy()
    each = np.exp(steep({"theta_e": theta_e})) if systems is None else np.ones(theta_e.size)
    found = chance(theta_e[:, None], luck * node) @ weight / weight.sum()
    return float((each * found).sum() / each.sum())


@pytest.fixture(scope="module")
def made():
    return selection(luck=1.0)


def test_a_density_is_held_against_that_of_the_trials(made):
    said = made.reweight(steep)
    lower, upper = said.interval(0.95)
    assert lower < true_share(1.0) < upper
    weights = np.exp(steep(made.trials.table))
    assert said.n_eff == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    inner = said.interval()
    assert lower < inner[0] < said.value < inner[1] < upper


@pytest.mark.parametrize(("luck", "hosts"), [(0.0, 300), (1.0, 300), (1.5, 60)])
def test_intervals_of_a_density_hold_the_truth(luck, hosts):
    truth, inside = true_share(luck), np.zeros((2, 150))
    for i in range(150):
        said = selection(n=3000, hosts=hosts, seed=[11, i], luck=luck).reweight(steep)
        inside[:, i] = [low <= truth <= high for low, high in map(said.interval, schema.LEVELS)]
    for held, level in zip(inside, schema.LEVELS):
        assert_covers(held, level)


@pytest.mark.parametrize("luck", [0.0, 1.0])
def test_intervals_of_a_table_of_systems_hold_the_truth(luck):
    rng = np.random.default_rng(8)
    systems = pd.DataFrame(
        {"theta_e": np.clip(rng.normal(1.0, 0.2, 300), 0.55, 1.9), "seeing": rng.uniform(1.05, 1.35, 300)}
    )
    truth, inside = true_share(luck, systems), np.zeros((2, 80))
    for i in range(80):
        said = selection(n=3000, seed=[12, i], luck=luck).reweight(systems, seed=i)
        inside[:, i] = [low <= truth <= high for low, high in map(said.interval, schema.LEVELS)]
    for held, level in zip(inside, schema.LEVELS):
        assert_covers(held, level, 0.03)


def test_a_density_of_a_part_leaves_the_rest_as_it_was_drawn():
    trials = table()
    trials["log_density_theta_e"] = trials["log_density"]
    trials["log_density_host"] = np.random.default_rng(0).normal(size=300)[trials["host"]]
    trials["log_density"] = trials["log_density_theta_e"] + trials["log_density_host"]
    made = of_table(trials)
    part = made.reweight(steep, of="theta_e")
    whole = made.reweight(lambda t: steep(t) + t["log_density_host"])
    assert part.value == pytest.approx(whole.value)
    assert made.reweight(steep, of=["theta_e", "host"]).value != pytest.approx(whole.value, abs=1e-4)


def test_few_draws_are_refused_with_the_parameter_at_fault(made):
    narrow = lambda t: np.where(t["theta_e"] > 1.995, 0.0, -np.inf)  # noqa: E731
    with pytest.raises(
        SupportError, match=r"worth \d+ draws of this population, 100 needed.*theta_e, where most of its"
    ):
        made.reweight(narrow)
    assert made.reweight(narrow, n_eff_min=5).n_eff < 100
    wide = pd.DataFrame({"theta_e": [3.0, 3.1], "seeing": [1.1, 1.2]})
    with pytest.raises(SupportError, match="100 % of its systems have theta_e beyond"):
        made.reweight(wide)
    with pytest.raises(SupportError, match="no density at any trial"):
        made.reweight(lambda t: np.full(len(t), -np.inf))


def test_few_hosts_tell_no_interval():
    said = selection(hosts=12).reweight(steep)
    assert 0 < said.value < 1
    assert np.isnan(said.interval()).all()
    assert np.isnan(share_interval(0.5, 0.01, 200, 24.0, 23.0, 0.95)).all()
    assert np.isfinite(share_interval(0.5, 0.01, 200, 26.0, 25.0, 0.95)).all()


@pytest.mark.parametrize("all_", [0.0, 1.0])
def test_none_and_all_found_have_an_interval_that_ends_there(all_):
    said = of_table(table().assign(found=all_)).reweight(steep)
    lower, upper = said.interval(0.95)
    assert (lower, upper)[int(all_)] == all_
    assert 0 < upper - lower < 0.02


def test_a_prediction_counts_systems_with_the_chance_of_each(made):
    rng = np.random.default_rng(4)
    systems = pd.DataFrame({"theta_e": rng.uniform(0.8, 1.8, 200), "seeing": rng.uniform(1.05, 1.35, 200)})
    said = made.predict(systems, level=0.95)
    assert said.number == pytest.approx(200 * said.share)
    assert said.number_lower < 200 * said.lower < said.number < 200 * said.upper < said.number_upper
    assert np.isnan(said.deviations["threshold"])
    density = made.predict(steep, size=1000)
    assert density.number == pytest.approx(1000 * density.share)
    assert density.number_upper - density.number_lower > 1000 * (density.upper - density.lower)
    assert np.isnan(made.predict(steep).number)


def with_cut(n_negatives, seed=5, n=6000):
    """Trials with scores, found above a threshold that rests on so many negatives."""
    trials = table(n=n, seed=seed)
    rng = np.random.default_rng(seed)
    trials["score"] = trials["theta_e"] * 2 + rng.normal(0, 1, len(trials))
    negatives = rng.normal(0, 1, n_negatives)
    threshold = np.sort(negatives)[::-1][n_negatives // 100 - 1]
    made = of_table(trials.assign(found=(trials["score"] >= threshold).astype(float)), id=None)
    cut = Cut(threshold, 0.01, negatives, trials["score"].to_numpy())
    return lc.SelectionFunction(made.cube, made.edges, replace(made.trials, cut=cut), made.hosts)


def test_predictions_hold_the_share_at_the_threshold_that_has_the_stated_rate():
    theta_e = np.random.default_rng(1).uniform(0.5, 2.0, 200_000)
    weights = np.exp(steep({"theta_e": theta_e}))
    truth = (weights * norm.sf(norm.isf(0.01) - 2 * theta_e)).sum() / weights.sum()
    inside = np.zeros((2, 100))
    for i in range(100):
        made = with_cut(1000, [6, i], 2000)
        for j, level in enumerate(schema.LEVELS):
            said = made.predict(steep, level=level)
            inside[j, i] = said.lower <= truth <= said.upper
    for held, level in zip(inside, schema.LEVELS):
        assert_covers(held, level, 0.03)


def test_the_threshold_is_the_less_sure_the_fewer_negatives_set_it():
    few, many = (with_cut(n).predict(steep) for n in (300, 30_000))
    assert few.deviations["threshold"] > 3 * many.deviations["threshold"] > 0
    assert few.upper - few.lower > many.upper - many.lower
    low, high = many.reweighted.interval()
    assert many.lower <= low < high <= many.upper


def test_failed_trials_are_left_out():
    trials = table()
    trials.loc[::7, "found"] = np.nan
    kept = of_table(trials.dropna(subset="found"))
    assert of_table(trials).reweight(steep).value == pytest.approx(kept.reweight(steep).value)


def bad(**changes):
    return of_table(table().assign(**changes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: bad(log_density=np.inf), "'log_density' is NaN or infinite in 6000 of 6000 rows"),
        (lambda made: bad(log_density=-np.inf), "'log_density' is NaN or infinite in 6000"),
        (lambda made: bad(id=1), "5999 of 6000 trials repeat an id"),
        (lambda made: bad(id=None), "6000 of 6000 trials have no id"),
        (lambda made: of_table(table(), density=None).reweight(steep), "lack the density that they were drawn with"),
        (lambda made: made.reweight(steep, of="colour"), "the trials have no log_density_colour"),
        (lambda made: made.reweight(steep, of=[]), "of is"),
        (lambda made: made.reweight([1, 2]), "the population is a list"),
        (lambda made: made.reweight(pd.DataFrame({"theta_e": [1.0]})), "the population lack seeing"),
        (lambda made: made.reweight(pd.DataFrame({"theta_e": [], "seeing": []})), "the population have no row"),
        (
            lambda made: made.reweight(pd.DataFrame({"theta_e": [np.nan], "seeing": [1.1]})),
            "theta_e of the population is not finite in 1 of 1",
        ),
        (
            lambda made: made.reweight(pd.DataFrame({"theta_e": [0.0, 1.0], "seeing": [1.1, 1.1]})),
            "theta_e of the population is not above 0 in 1 of 2",
        ),
        (lambda made: made.reweight(lambda t: np.full(len(t), np.nan)), "a log density is NaN or infinite"),
        (lambda made: made.reweight(lambda t: np.full(len(t), np.inf)), "a log density is NaN or infinite"),
        (lambda made: made.reweight(lambda t: np.zeros(3)), r"an array of shape \(3,\), expected one number for each"),
        (
            lambda made: made.reweight(pd.DataFrame({"theta_e": [1.0], "seeing": [1.1]}), of="theta_e"),
            "systems in a table",
        ),
        (lambda made: made.reweight(steep).interval(1.0), "the level is 1.0"),
        (lambda made: made.predict(steep, size=-1), "size is -1"),
        (lambda made: made.predict(steep, sise=1), "there is no sise"),
        (lambda made: made.marginalise("theta_e", "area").reweight(steep), "has no 'area'"),
        (
            lambda made: lc.reweight(made.trials.table, steep, np.full(6000, 2.0), 1, host="host"),
            "some are neither found",
        ),
    ],
)
def test_populations_that_mean_nothing_are_refused_by_name(made, call, message):
    with pytest.raises(ValueError, match=message):
        call(made)


def test_hosts_may_have_names():
    trials = table()
    systems = pd.DataFrame({"theta_e": np.linspace(0.8, 1.8, 50), "seeing": np.linspace(1.05, 1.35, 50)})
    one = of_table(trials).reweight(systems)
    two = of_table(trials.assign(host="galaxy " + trials["host"].astype(str).str.zfill(3))).reweight(systems)
    assert two.value == pytest.approx(one.value, abs=3e-3)
