"""Two detectors on the same trials are put together exactly; without the trials there are bounds, and they say so."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from selections import EDGES, SETTINGS, of_table, table

import lenscal as lc
from lenscal import schema
from lenscal.selection.trials import Cut


@pytest.fixture(scope="module")
def tables():
    """The same trials by two detectors: the second finds wider arcs only, but some that the first does not."""
    first = table(luck=1.0)
    second = table(luck=1.0, detector=-0.3)
    rng = np.random.default_rng(5)
    again = rng.random(len(second)) < 0.2
    second.loc[again, "found"] = (rng.random(again.sum()) < 0.5).astype(float)
    return first, second


@pytest.fixture(scope="module")
def pair(tables):
    return tuple(map(of_table, tables))


@pytest.fixture(scope="module")
def apart(tables):
    """The same without ids: nobody knows which trial is which."""
    return tuple(of_table(part, id=None) for part in tables)


def same(one, two):
    for name in ("n_injected", "n_detected", "n_hosts", "completeness", "lower", "upper", "n_effective"):
        np.testing.assert_allclose(one[name].values, two[name].values, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("how", ["or", "and"])
def test_a_union_is_the_cube_of_what_either_finds_joined_by_id(tables, pair, how):
    first, second = tables
    join = np.maximum if how == "or" else np.minimum
    wanted = of_table(first.assign(found=join(first["found"], second["found"])))
    found = pair[0] | pair[1] if how == "or" else pair[0] & pair[1]
    same(found.cube, wanted.cube)
    shuffled = of_table(second.sample(frac=1, random_state=3))
    same((pair[0] | shuffled if how == "or" else pair[0] & shuffled).cube, wanted.cube)
    assert found.cube.attrs["combined_by"] == "paired trials"
    assert found.query(theta_e=1.2, seeing=1.1).status == "sufficient"


def test_with_itself_a_detector_is_itself(pair):
    same((pair[0] | pair[0]).cube, pair[0].cube)
    same((pair[0] & pair[0]).cube, pair[0].cube)
    nothing = pair[0] - pair[0]
    assert (nothing["difference"] == 0).all()
    assert (nothing["lower"] <= 0).all()
    assert (nothing["upper"] >= 0).all()


def test_inclusion_and_exclusion_hold_cell_by_cell(pair):
    either, both = pair[0] | pair[1], pair[0] & pair[1]
    share = lambda part: part.cube["n_detected"].values  # noqa: E731
    np.testing.assert_array_equal(share(either) + share(both), share(pair[0]) + share(pair[1]))


def test_a_paired_difference_is_surer_than_one_of_two_intervals(pair, apart):
    paired, bounded = pair[0] - pair[1], apart[0] - apart[1]
    np.testing.assert_allclose(paired["difference"], bounded["difference"])
    assert ((paired["upper"] - paired["lower"]) < 0.8 * (bounded["upper"] - bounded["lower"])).all()
    assert (paired["status"] == "paired").all()
    assert (bounded["status"] == "bounds").all()
    assert bounded.attrs["combined_by"] == "bounds"


@pytest.mark.parametrize("how", ["or", "and"])
def test_without_pairs_there_are_bounds_that_hold_the_truth_and_say_so(pair, apart, how):
    exact = pair[0] | pair[1] if how == "or" else pair[0] & pair[1]
    bounds = apart[0] | apart[1] if how == "or" else apart[0] & apart[1]
    said = bounds.query(theta_e=[0.7, 1.2, 1.7], seeing=1.1, level=0.95)
    assert said.status.tolist() == ["bounds"] * 3
    assert np.isnan(said.completeness).all()
    share = exact.cube["fraction_detected"].sel(seeing=1.1).values
    assert ((said.lower <= share) & (share <= said.upper)).all()
    assert ((said.bound_lower <= share + 1e-12) & (share <= said.bound_upper + 1e-12)).all()
    assert ((said.lower <= said.bound_lower) & (said.bound_upper <= said.upper)).all()
    parts = [part.cube["fraction_detected"].sel(seeing=1.1).values for part in apart]
    one = (
        (np.maximum(*parts), np.minimum(sum(parts), 1))
        if how == "or"
        else (np.maximum(sum(parts) - 1, 0), np.minimum(*parts))
    )
    np.testing.assert_allclose((said.bound_lower, said.bound_upper), one)


def test_a_third_party_enters_by_bounds(pair):
    cube = pair[1].cube
    counts = xr.Dataset({"k": cube["n_detected"], "n": cube["n_injected"], "hosts": cube["n_hosts"]})
    theirs = lc.SelectionFunction.from_counts(counts, settings=SETTINGS)
    for found in (pair[0] | theirs, theirs & pair[0]):
        assert (found.cube["status"] == "bounds").all()
    assert (theirs - pair[0])["status"].values.tolist() == [["bounds"] * 2] * 3


def test_bounds_are_not_combined_again(pair, apart):
    bounds = apart[0] | apart[1]
    for call in (lambda: bounds | pair[0], lambda: pair[0] & bounds, lambda: bounds - pair[0]):
        with pytest.raises(ValueError, match="bounds alone"):
            call()


def test_averages_are_combined_by_bounds(pair):
    even = xr.DataArray([1.0, 1.0], dims="seeing")
    found = pair[0].marginalise("seeing", even) | pair[1].marginalise("seeing", even)
    assert (found.cube["status"] == "bounds").all()
    exact = (pair[0] | pair[1]).marginalise("seeing", even).cube["fraction_detected"].values
    low, high = (found.cube[end].sel(level=0.95).values for end in ("lower", "upper"))
    assert ((low <= exact) & (exact <= high)).all()


def test_trials_that_one_alone_tried_are_left_out(tables):
    first, second = tables
    found = of_table(first.iloc[:4000]) | of_table(second.iloc[2000:])
    assert int(found.cube["n_injected"].sum()) == 2000
    failed = second.assign(found=second["found"].where(second.index % 3 > 0))
    assert int((of_table(first) | of_table(failed)).cube["n_injected"].sum()) == 4000
    assert int((of_table(first) - of_table(failed))["n_injected"].sum()) == 4000


def test_cells_without_data_have_no_number():
    trials = table()
    few = of_table(trials[trials["theta_e"] < 1.5])
    found = few | of_table(trials)
    assert (found.cube["status"].sel(theta_e=1.75) == "no data").all()
    difference = few - of_table(trials)
    assert (difference["status"].sel(theta_e=1.75) == "no data").all()
    for name in ("difference", "lower", "upper"):
        assert np.isnan(difference[name].sel(theta_e=1.75)).all()
        assert np.isfinite(difference[name].sel(theta_e=1.25)).all()


def test_few_hosts_tell_no_interval_of_a_difference():
    trials = table(hosts=6)
    said = of_table(trials) - of_table(trials.assign(found=1 - trials["found"]))
    assert np.isfinite(said["difference"]).all()
    assert np.isnan(said["lower"]).all()
    assert (said["status"] == "insufficient").all()


def changed(made, **attrs):
    return lc.SelectionFunction(made.cube.assign_attrs(attrs), made.edges, made.trials, made.hosts)


def at_rate(made, rate, threshold=0.0):
    cut = Cut(threshold, rate, np.empty(0), made.trials.found)
    return lc.SelectionFunction(made.cube, made.edges, replace(made.trials, cut=cut), made.hosts)


OTHER = {
    "axes": (lambda a, t: lc.SelectionFunction.from_table(t, {"theta_e": EDGES["theta_e"]}), "have the axes"),
    "edges": (
        lambda a, t: lc.SelectionFunction.from_table(t, EDGES | {"theta_e": [0.5, 1.2, 1.5, 2.0]}),
        "other edges along theta_e",
    ),
    "units": (
        lambda a, t: lc.SelectionFunction(
            a.cube.assign_coords(theta_e=a.cube["theta_e"].assign_attrs(units="arcsec")), a.edges
        ),
        "have theta_e in 1 and in arcsec",
    ),
    "population": (
        lambda a, t: changed(a, population="lens-like"),
        "another population of hosts: survey and lens-like",
    ),
    "prior": (lambda a, t: changed(a, population="survey", prior="compact"), "another prior: wide and compact"),
    "rates": (lambda a, t: at_rate(a, 0.001), "other false-positive rates, 0.01 and 0.001"),
    "thresholds": (
        lambda a, t: at_rate(changed(a, detector_hash="ab" * 32), 0.01, 0.5),
        r"one detector \(abababababab\) at the thresholds 0 and 0.5",
    ),
    "weights": (
        lambda a, t: of_table(t.assign(w=1 + t["host"] % 3), weight="w"),
        r"of other populations of hosts: \d+ of 6000 trials that both tried have another weight",
    ),
    "intervals": (
        lambda a, t: changed(a, binomial_prior="uniform"),
        "another prior of their intervals: jeffreys and uniform",
    ),
    "draws": (lambda a, t: of_table(t.assign(q=0.6)), "6000 of 6000 trials with one id have another q"),
    "hosts": (lambda a, t: of_table(t.assign(host=t["host"] + 1)), "6000 of 6000 trials with one id have another host"),
    "cells": (
        lambda a, t: of_table(t.assign(theta_e=t["theta_e"].to_numpy()[::-1])),
        r"\d+ of 6000 trials with one id lie in another cell",
    ),
}


@pytest.mark.parametrize("what", OTHER)
@pytest.mark.parametrize("how", ["__or__", "__and__", "__sub__"])
def test_two_that_cannot_be_compared_are_refused_by_name(pair, tables, what, how):
    make, message = OTHER[what]
    known = of_table(tables[0].assign(q=0.5))
    mine = at_rate(changed(known, population="survey", prior="wide", detector_hash="ab" * 32), 0.01)
    with pytest.raises(ValueError, match=message):
        getattr(mine, how)(make(pair[0], tables[0]))


def test_a_population_is_the_same_whatever_its_weights_are_scaled_by(tables):
    first, second = (part.assign(w=1.0 + part["host"] % 3) for part in tables)
    one, two, scaled = (of_table(t, weight="w") for t in (first, second, second.assign(w=7 * second["w"])))
    same((one | scaled).cube, (one | two).cube)
    xr.testing.assert_allclose(one - scaled, one - two)


def test_what_is_no_selection_function_is_no_operand(pair):
    for operation in ("__or__", "__and__", "__sub__"):
        assert getattr(pair[0], operation)(3) is NotImplemented


@pytest.mark.parametrize("spread", [0.0, 1.0, 1.5])
def test_intervals_of_differences_hold_the_truth_where_hosts_have_weights(spread):
    """Weights that have nothing to do with the outcomes, unlike from host to host."""
    rng = np.random.default_rng(11)
    hosts, inside = np.repeat(np.arange(600), 3), []
    for _ in range(80):
        x = rng.uniform(0.5, 2.5, hosts.size)
        step = (x >= 1.5).astype(int)
        own = np.exp(spread * rng.normal(size=600))[hosts]
        trials = pd.DataFrame(
            {"x": x, "seeing": hosts // 150 + 0.5, "host": hosts, "w": own, "id": np.arange(hosts.size)}
        )
        trials["one"], trials["two"] = (rng.random(x.size) < np.array(p)[step] for p in ([0.3, 0.6], [0.2, 0.45]))
        axes = {"x": [0.5, 1.5, 2.5], "seeing": np.arange(5)}
        one, two = (
            lc.SelectionFunction.from_table(trials, axes, found=name, id="id", weight="w") for name in ("one", "two")
        )
        less, wanted = one - two, np.array([0.1, 0.15])[:, None, None]
        inside.append(((less["lower"] <= wanted) & (wanted <= less["upper"])).values.mean((0, 1)))
    for i, level in enumerate(schema.LEVELS):
        held = [row[i] for row in inside]
        assert abs(np.mean(held) - level) < 0.02 + 3 * np.std(held) / np.sqrt(len(held)), (level, np.mean(held))


def test_intervals_of_differences_and_unions_hold_the_truth():
    """Two detectors whose outcomes hang together by trial and by host; truths by many trials."""
    rng = np.random.default_rng(7)
    inside = {name: [[], []] for name in ("less", "or", "and")}
    node = rng.normal(size=(400_000, 4))
    chances = np.linspace(-1.5, 1.0, 4)
    shared = lambda host, own: np.sqrt(0.3) * host + np.sqrt(0.7) * own  # noqa: E731
    one, two = (shared(node[:, 0], node[:, i]) for i in (1, 2))
    two = 0.8 * one + 0.6 * two
    truth = [
        {
            "less": (one < x).mean() - (two < x - 0.3).mean(),
            "or": ((one < x) | (two < x - 0.3)).mean(),
            "and": ((one < x) & (two < x - 0.3)).mean(),
        }
        for x in chances
    ]
    for _ in range(40):
        host = np.repeat(np.arange(200), 10)
        own = rng.normal(size=200)[host]
        frames = []
        for x_i in range(4):
            a = shared(own, rng.normal(size=host.size))
            b = 0.8 * a + 0.6 * shared(own, rng.normal(size=host.size))
            x = chances[x_i]
            frames.append(
                pd.DataFrame(
                    {"x": x_i + 0.5, "seeing": host % 10 + 0.5, "host": host, "one": a < x, "two": b < x - 0.3}
                )
            )
        trials = pd.concat(frames, ignore_index=True)
        trials["id"] = np.arange(len(trials))
        made = [
            lc.SelectionFunction.from_table(trials, {"x": range(5), "seeing": range(11)}, found=name, id="id")
            for name in ("one", "two")
        ]
        for name, cube in (
            ("less", made[0] - made[1]),
            ("or", (made[0] | made[1]).cube),
            ("and", (made[0] & made[1]).cube),
        ):
            wanted = np.array([row[name] for row in truth])[:, None, None]
            held = (cube["lower"] <= wanted) & (wanted <= cube["upper"])
            for i in range(2):
                inside[name][i].append(float(held.isel(level=i).mean()))
    for name, both in inside.items():
        for held, level in zip(both, schema.LEVELS):
            error = np.std(held) / np.sqrt(len(held))
            assert abs(np.mean(held) - level) < 0.03 + 3 * error, (name, level, np.mean(held))
