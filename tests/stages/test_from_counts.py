"""A published table of counts becomes a selection function like any other, with intervals no narrower than it knows."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import beta
from selections import EDGES, SETTINGS, table

import lenscal as lc

COUNTS = pd.DataFrame({"theta_e": [0.75, 1.25, 1.75], "k": [0, 30, 100], "n": [100, 100, 100], "hosts": [20, 25, 50]})


def test_counts_of_trials_on_hosts_of_their_own_are_the_cube_of_the_table():
    trials = table()
    one = lc.SelectionFunction.from_table(trials, EDGES, host=None, settings=SETTINGS)
    cut = [pd.cut(trials[name], EDGES[name], right=False) for name in EDGES]
    counts = trials.groupby(cut, observed=True)["found"].agg(k="sum", n="count").reset_index()
    for name in EDGES:
        counts[name] = [interval.mid for interval in counts[name]]
    two = lc.SelectionFunction.from_counts(counts, settings=SETTINGS)
    for name in ("n_injected", "n_detected", "completeness", "lower", "upper", "n_effective", "sufficient"):
        np.testing.assert_allclose(two.cube[name].values, one.cube[name].values, err_msg=name)
    assert {name: ends.tolist() for name, ends in two.edges.items()} == EDGES
    assert two.query(theta_e=1.2, seeing=1.3).status == "sufficient"


def test_a_table_a_dataset_and_arrays_are_the_same():
    table = lc.SelectionFunction.from_counts(COUNTS, hosts="hosts")
    stored = COUNTS.set_index("theta_e").to_xarray()
    for other in (
        lc.SelectionFunction.from_counts(stored, hosts="hosts"),
        lc.SelectionFunction.from_counts(stored["k"], n=stored["n"], hosts=stored["hosts"]),
        lc.SelectionFunction.from_counts(stored["k"], n=100, hosts=np.array([20, 25, 50])),
        lc.SelectionFunction.from_counts(COUNTS.sample(frac=1, random_state=2), hosts="hosts"),
    ):
        xr.testing.assert_identical(other.cube, table.cube)


@pytest.mark.parametrize(("correlation", "worth"), [(1.0, 25), (0.0, 100), (0.5, 40)])
def test_trials_on_one_host_count_by_their_correlation_all_as_one_by_default(correlation, worth):
    made = lc.SelectionFunction.from_counts(COUNTS, hosts="hosts", correlation=correlation)
    said = made.query(theta_e=1.25, level=0.95)
    assert said.n_effective == pytest.approx(worth)
    law = beta(0.3 * worth + 0.5, 0.7 * worth + 0.5)
    assert (said.lower, said.upper) == pytest.approx((law.ppf(0.025), law.ppf(0.975)))
    if correlation == 1:
        assert (
            said.lower == lc.SelectionFunction.from_counts(COUNTS, hosts="hosts").query(theta_e=1.25, level=0.95).lower
        )


def test_cells_without_a_trial_have_no_data_and_those_on_few_hosts_no_interval():
    counts = COUNTS.assign(n=[0, 100, 100], k=[0, 30, 100], hosts=[0, 3, 50])
    said = lc.SelectionFunction.from_counts(counts, hosts="hosts").query(theta_e=[0.75, 1.25, 1.75])
    assert said.status.tolist() == ["no data", "insufficient", "insufficient"]
    assert np.isnan(said.completeness).tolist() == [True, False, False]
    assert np.isnan(said.lower).tolist() == [True, True, False]


def test_cells_without_a_row_have_no_data():
    made = lc.SelectionFunction.from_counts(COUNTS.assign(seeing=[1.0, 1.0, 2.0]))
    said = made.query(theta_e=[1.25, 1.25], seeing=[1.0, 2.0])
    assert said.status.tolist() == ["insufficient", "no data"]


def test_edges_lie_half_way_and_a_single_cell_has_its_half_width():
    stored = xr.Dataset(
        {"k": (("theta_e", "depth"), [[3]]), "n": (("theta_e", "depth"), [[9]])},
        coords={"theta_e": ("theta_e", [1.0], {"half_width": 0.25, "units": "arcsec"}), "depth": [23.5]},
    )
    with pytest.raises(
        ValueError, match=r"one cell along depth, at 23.5, .* leave the axis out, or give its half_width"
    ):
        lc.SelectionFunction.from_counts(stored)
    stored["depth"].attrs["half_width"] = 0.5
    made = lc.SelectionFunction.from_counts(stored)
    assert made.edges["theta_e"].tolist() == [0.75, 1.25]
    assert made.edges["depth"].tolist() == [23, 24]
    assert made.cube["theta_e"].attrs["units"] == "arcsec"
    with pytest.raises(ValueError, match=r"theta_e outside of 0\.75 to 1\.25 arcsec"):
        made.query(theta_e=1.3, depth=23.5)
    with pytest.raises(ValueError, match=r"depth outside of 23 to 24"):
        made.query(theta_e=1.0, depth=-400)
    bare = xr.DataArray([3, 4, 5], dims="theta_e")
    with pytest.raises(ValueError, match="theta_e has no coordinate"):
        lc.SelectionFunction.from_counts(bare, n=np.array([9, 9, 9]))


STORED = COUNTS.set_index("theta_e").to_xarray()
REFUSED = {
    "k above n": ((COUNTS.assign(k=[0, 130, 100]),), {}, r"1 cells have more found than tried \(first: 130 of 100\)"),
    "no trial": ((COUNTS.assign(k=0, n=0, hosts=0),), {}, "no cell has a trial"),
    "nan": ((COUNTS.assign(k=[np.nan, 1, 2]),), {}, "k is not finite in 1 cells"),
    "broken": ((COUNTS.assign(k=[0.5, 1, 2]),), {}, "k holds other than whole numbers"),
    "negative": ((COUNTS.assign(n=[-1, 100, 100], k=[-1, 3, 3]),), {}, "holds other than whole numbers"),
    "twice": ((pd.concat([COUNTS, COUNTS.head(1)]),), {}, "1 of 4 rows repeat a cell"),
    "text": ((COUNTS.assign(name=["a", "b", "c"]),), {}, "the column name holds no numbers"),
    "column": ((COUNTS,), {"k": "found"}, "lacks the column found"),
    "variable": ((STORED,), {"k": "found"}, "there is no 'found'"),
    "axis nan": ((COUNTS.assign(theta_e=[np.nan, 1, 2]),), {}, "NaN along an axis"),
    "hosts": ((COUNTS.assign(hosts=[200, 1, 1]),), {"hosts": "hosts"}, "more hosts than trials"),
    "no host": ((COUNTS.assign(hosts=[0, 1, 1]),), {"hosts": "hosts"}, "trials without a host"),
    "correlation": ((COUNTS,), {"correlation": 1.5}, "correlation is 1.5, expected a number from 0 to 1"),
    "no n": ((STORED["k"],), {}, "a DataArray holds the detections alone"),
    "other cells": ((STORED["k"],), {"n": STORED["n"].assign_coords(theta_e=[1, 2, 3])}, "n is of other cells"),
    "other axes": ((STORED["k"],), {"n": STORED["n"].rename(theta_e="x")}, "n runs along x"),
    "shape": ((STORED["k"],), {"n": np.ones(4)}, "n has another shape"),
    "falling": ((STORED.isel(theta_e=[2, 1, 0]),), {}, "the centres along theta_e do not rise"),
}


@pytest.mark.parametrize("bad", REFUSED)
def test_counts_that_cannot_be_are_refused_by_name(bad):
    arguments, options, message = REFUSED[bad]
    with pytest.raises(ValueError, match=message):
        lc.SelectionFunction.from_counts(*arguments, **options)


def test_a_third_partys_counts_are_asked_like_any_other():
    made = lc.SelectionFunction.from_counts(COUNTS[["theta_e", "k", "n"]])
    assert made.marginalise("theta_e", xr.DataArray(np.ones(3), dims="theta_e")).query().completeness == pytest.approx(
        130 / 300, abs=0.01
    )
    with pytest.raises(ValueError, match="has counts alone, no trials"):
        made.reweight(lambda table: np.zeros(len(table)))
    shared = lc.SelectionFunction.from_counts(COUNTS)
    with pytest.raises(ValueError, match="cells along theta_e share hosts, and these counts do not say which"):
        shared.marginalise("theta_e", xr.DataArray(np.ones(3), dims="theta_e"))
