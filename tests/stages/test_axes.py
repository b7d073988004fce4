"""Completeness by other axes is a count of the same trials; cells that are put together say so."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from cubes import SETTINGS_2, drawn, thresholds

import lenscal as lc
from lenscal import completeness, config, schema
from lenscal.completeness.merging import groups
from lenscal.errors import InputError

EDGES = np.array([0.75, 1.25, 1.75, 2.25])
FOUND = {0.0: "found_a", 1.0: "found_b"}


def trials(n=900, seed=3):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    table = pd.DataFrame(
        {
            "theta_e_drawn": rng.uniform(0.75, 2.25, n),
            "source_mag_r": rng.uniform(20, 26, n),
            "host_type": rng.choice(["DEV", "REX", "SER"], n),
            "galaxy_id": rng.integers(0, 60, n),
            "score": np.where(rng.random(n) < 0.05, np.nan, score),
        }
    )
    for threshold, name in FOUND.items():
        table[name] = np.where(table["score"].isna(), np.nan, table["score"] >= threshold)
    own = rng.uniform(0.2, 2, 60)
    return table.assign(weight=own[table["galaxy_id"]])


def by(table, axes, weight=None, **changes):
    settings = config.Completeness(trials_min=20, hosts_min=5, **changes)
    return completeness.by_axes(table, FOUND, weight or {}, EDGES, axes, settings)


def test_counts_by_other_axes_are_those_of_a_group_by():
    table = trials()
    cube = by(table, {"source_mag_r": [20, 22, 26], "host_type": None})
    assert cube["completeness"].dims[-2:] == ("threshold", "quantile") or "threshold" in cube["completeness"].dims
    assert cube["host_type"].values.tolist() == ["DEV", "REX", "SER"]
    assert cube["source_mag_r"].values.tolist() == [21, 24]
    for (r, low, high), (i, m) in zip(
        [(r, *ends) for r in range(3) for ends in ((20, 22), (22, 26))], [(r, m) for r in range(3) for m in range(2)]
    ):
        for kind in ("DEV", "REX", "SER"):
            own = table[
                table["theta_e_drawn"].between(EDGES[r], EDGES[r + 1], inclusive="left")
                & table["source_mag_r"].between(low, high, inclusive="left")
                & (table["host_type"] == kind)
            ]
            cell = cube.isel(theta_e=i, source_mag_r=m).sel(host_type=kind)
            scored = own[own["score"].notna()]
            assert int(cell["n_injected"].item()) == len(scored)
            assert int(cell["n_failed"].item()) == len(own) - len(scored)
            assert int(cell["n_hosts"].item()) == scored["galaxy_id"].nunique()
            assert cell["n_detected"].values.tolist() == [int(scored[name].sum()) for name in FOUND.values()]
    whole = cube.assign_coords(false_positive_rate=("threshold", [0.5, 0.2]))
    schema.by_axes(["source_mag_r", "host_type"]).check(schema.by_axes(["source_mag_r", "host_type"]).describe(whole))


def test_thresholds_keep_the_order_they_are_given_in():
    table = trials()
    settings = config.Completeness(trials_min=20, hosts_min=5)
    found = dict(reversed(FOUND.items()))
    cube = completeness.by_axes(table, found, {}, EDGES, {"host_type": None}, settings)
    assert cube["threshold"].values.tolist() == [1.0, 0.0]
    assert int(cube["n_detected"].isel(threshold=0).sum()) == int(table["found_b"].sum())
    assert int(cube["n_detected"].isel(threshold=1).sum()) == int(table["found_a"].sum())


def test_weights_of_hosts_make_populations_and_a_share_that_is_weighed():
    table = trials()
    cube = by(table, {"source_mag_r": [20, 26]}, {"survey": "weight"})
    own = table[table["theta_e_drawn"].between(0.75, 1.25, inclusive="left") & table["score"].notna()]
    expected = np.average(own["found_a"], weights=own["weight"])
    assert cube["fraction_detected"].isel(theta_e=0, threshold=0).item() == pytest.approx(expected)


def test_trials_outside_of_the_bins_are_counted_and_in_none():
    table = trials()
    cube = by(table, {"source_mag_r": [21, 25]})
    inside = table["source_mag_r"].between(21, 25, inclusive="left")
    assert cube.attrs["outside"] == int((~inside).sum())
    assert int((cube["n_injected"] + cube["n_failed"]).sum()) == int(inside.sum())


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"colour": [0, 1]}, "'colour' is no column of the trials, which have found_a"),
        ({"source_mag_r": [22, 21]}, "the edges of 'source_mag_r' are .22.0, 21.0.; expected two or more that rise"),
        ({"source_mag_r": [22]}, "expected two or more that rise"),
        ({"source_mag_r": [np.nan, 22]}, "expected two or more that rise"),
        ({"host_type": [0, 1]}, "'host_type' is text, which has no edges"),
        ({"galaxy_id": None}, "'galaxy_id' has 60 values; expected 1 to 50 classes"),
        ({"source_mag_r": [1, 2]}, "none of 900 trials lies in the bins"),
        ({"source_mag_r": list(range(10_002))}, "10,001 cells; expected 10,000 at most"),
    ],
)
def test_axes_that_are_none_are_refused_by_name(axes, said):
    with pytest.raises(InputError, match=said):
        by(trials(), axes)


def test_neighbours_go_together_until_there_are_enough_trials_at_every_radius():
    assert groups(np.array([[9, 9, 9]]), 5).tolist() == [0, 1, 2]
    assert groups(np.array([[3, 3, 3, 3]]), 5).tolist() == [0, 0, 1, 1]
    assert groups(np.array([[9, 9, 2]]), 5).tolist() == [0, 1, 1]
    assert groups(np.array([[1, 1, 1]]), 5).tolist() == [0, 0, 0]
    assert groups(np.array([[9, 9], [0, 9]]), 5).tolist() == [0, 0]


def test_cells_put_together_have_the_number_of_one_cell_of_all_and_say_so():
    injections, scores = drawn()
    counts = completeness.count(injections, scores, thresholds(0.0, 1.0), SETTINGS_2)
    alone = completeness.merged(counts, SETTINGS_2.model_copy(update={"merge_below": 1}))
    plain = completeness.posteriors(counts, SETTINGS_2)
    np.testing.assert_array_equal(alone["merged"], [[1, 1], [2, 2]])  # the last cell has no host
    first = {"psf_fwhm": 0}
    xr.testing.assert_equal(
        alone["n_injected"].isel(first).transpose("theta_e", "depth"),
        plain["n_injected"].isel(first).transpose("theta_e", "depth"),
    )
    both = completeness.merged(counts, SETTINGS_2.model_copy(update={"merge_below": 40}))
    np.testing.assert_array_equal(both["merged"], 2)
    assert both["merge_group"].values.tolist() == [[0, 0], [1, 1]]
    total = plain["n_injected"].sum("depth")
    for place in (0, 1):
        xr.testing.assert_equal(
            both["n_injected"].isel(depth=place, drop=True).transpose("theta_e", "psf_fwhm"),
            total.transpose("theta_e", "psf_fwhm"),
        )
    width = lambda cube: (cube["upper"] - cube["lower"]).isel(psf_fwhm=0, level=0).mean()  # noqa: E731
    assert width(both) < width(plain)
    assert both.attrs["merge_below"] == 40
    with pytest.raises(InputError, match="merge_below is 0"):
        completeness.merged(counts, SETTINGS_2)


def test_thin_cells_of_other_axes_are_put_together_along_the_last_one():
    table = trials()
    axes = {"host_type": None, "source_mag_r": [20, 21, 22, 23, 24, 25, 26]}
    cube, plain = by(table, axes, merge_below=30), by(table, axes)
    assert int(cube["n_injected"].min()) >= 30 > int(plain["n_injected"].min())
    group = cube["merge_group"].transpose("host_type", "source_mag_r").values
    assert (np.diff(group, axis=1) >= 0).all()
    assert np.intersect1d(group[0], group[1]).size == 0
    for number in np.unique(group):
        i, m = np.nonzero(group == number)
        total = plain["n_injected"].values[:, i, m].sum(1)
        np.testing.assert_array_equal(cube["n_injected"].values[:, i[0], m[0]], total)


def test_classes_that_are_numbers_have_the_order_of_numbers_and_those_of_a_text_are_not_put_together():
    table = trials(n=300).assign(neighbours=np.random.default_rng(2).choice([0, 1, 2, 10, 11], 300))
    cube = by(table, {"neighbours": None}, merge_below=50)
    assert cube["neighbours"].values.tolist() == ["0", "1", "2", "10", "11"]
    assert int(cube["merged"].max()) > 1
    told = {
        value: set(cube["neighbours"].values[cube["merge_group"].values == value])
        for value in cube["merge_group"].values
    }
    assert not any({"2", "11"} <= group and "10" not in group for group in told.values())
    assert (by(table, {"host_type": None}, merge_below=10_000)["merged"] == 1).all()


def test_cells_put_together_are_not_averaged_and_keep_their_edges():
    injections, scores = drawn()
    counts = completeness.count(injections, scores, thresholds(0.0, 1.0), SETTINGS_2)
    both = completeness.merged(counts, SETTINGS_2.model_copy(update={"merge_below": 40}))
    plain = completeness.posteriors(counts, SETTINGS_2)
    for dim in schema.CELL:
        np.testing.assert_array_equal(completeness.edges_of(both, dim), completeness.edges_of(plain, dim))
    ones = xr.ones_like(both["merged"])
    whole = both.assign(area=ones, host_pool=ones)
    for average in (
        lambda: completeness.marginalise(whole, "depth"),
        lambda: lc.SelectionFunction.from_run(whole).marginalise("depth", "area"),
    ):
        with pytest.raises(InputError, match="cells of this cube share the trials"):
            average()


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"colour": [0, 1]}, "names 'colour', which is no column of the trials; they have cell_theta_e"),
        ({"source_mag_r": [22, 21]}, "expected two or more that rise"),
        ({"source_mag_r": [22]}, "expected two or more that rise"),
    ],
)
def test_a_run_file_with_axes_that_are_none_is_refused_before_any_work(axes, said):
    with pytest.raises(ValueError, match=said):
        config.Completeness(axes=axes)


def test_a_run_file_may_name_any_column_of_the_trials():
    axes = {"lensed_mag_r": [18, 20, 22], "host_type": None, "beta_fraction": [0, 0.5, 1]}
    assert config.Completeness(axes=axes).axes == axes
