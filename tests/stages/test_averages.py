"""An average is one number with one prior, and knows which cells share hosts."""

import clustered
import numpy as np
import pytest
import xarray as xr
from selections import EDGES, assert_covers, of_table, run_cube, selection, table

import lenscal as lc
from lenscal import completeness, config, schema
from lenscal.kernels import intervals, stratified


@pytest.mark.parametrize("over", ["psf_fwhm", "depth", ("psf_fwhm", "depth")])
@pytest.mark.parametrize("weights", ["area", "hosts"])
def test_averages_over_conditions_are_those_of_the_stage(over, weights):
    cube, *_ = run_cube()
    one = lc.SelectionFunction.from_run(cube).marginalise(over, weights)
    two = completeness.marginalise(cube, over, weights).isel(threshold=0, missing_dims="ignore")
    for name in ("completeness", "lower", "upper", "unknown", "insufficient", "bound_lower", "bound_upper"):
        kept = [dim for dim in two[name].dims if dim in one.cube[name].dims]
        np.testing.assert_allclose(
            one.cube[name].transpose(*kept), two[name].transpose(*kept), atol=1e-12, err_msg=name
        )
    assert set(one.edges) == set(schema.CELL) - set(np.atleast_1d(over))
    assert one.cube.attrs["covariance"] == "independent"


def test_an_average_is_asked_like_any_selection_function_and_all_axes_leave_one_number():
    made = selection()
    weights = xr.DataArray([0.5, 0.3, 0.2], dims="theta_e", name="mine")
    seeing = made.marginalise("theta_e", weights)
    assert seeing.query(seeing=[1.1, 1.3]).completeness.shape == (2,)
    assert seeing.cube.attrs["weights"] == "mine"
    one = made.marginalise(("theta_e", "seeing"), weights * xr.DataArray([1.0, 2.0], dims="seeing")).query()
    assert np.ndim(one.completeness) == 0
    share = made.cube["fraction_detected"]
    assert one.completeness == pytest.approx(float((share * weights * [1 / 3, 2 / 3]).sum()), abs=0.01)


def test_an_average_along_the_first_axis_has_the_covariance_of_shared_hosts():
    even = xr.DataArray(np.ones(3) / 3, dims="theta_e")
    width = {}
    for luck in (0.0, 2.0):
        said = selection(luck=luck, hosts=150).marginalise("theta_e", even).query(seeing=1.1)
        width[luck] = said.upper - said.lower
    assert width[2.0] > 1.5 * width[0.0]
    # As many trials, were each on a host of its own.
    alone = of_table(table(luck=2.0, hosts=150), host=None).marginalise("theta_e", even).query(seeing=1.1)
    assert width[2.0] > 1.5 * (alone.upper - alone.lower)


def test_hosts_with_several_conditions_are_one_host_in_an_average():
    trials = table(luck=2.0, hosts=150)
    trials["seeing"] = np.random.default_rng(2).uniform(1, 1.4, len(trials))  # of the trial, not of the host
    made = of_table(trials).marginalise("seeing", xr.DataArray([1.0, 1.0], dims="seeing"))
    assert made.cube.attrs["covariance"] == "by host"
    one = lc.SelectionFunction.from_table(trials, {"theta_e": EDGES["theta_e"]}, settings=lc.config.Completeness())
    width = lambda part: part.query(theta_e=1.2).upper - part.query(theta_e=1.2).lower  # noqa: E731
    assert width(made) == pytest.approx(width(one), rel=0.3)


def test_a_part_without_data_is_unknown_and_the_bounds_hold_it():
    trials = table()
    made = of_table(trials[(trials["theta_e"] < 1.5) | (trials["seeing"] < 1.2)])
    said = made.marginalise("seeing", xr.DataArray([3.0, 1.0], dims="seeing")).query(theta_e=[1.2, 1.7])
    cube = made.marginalise("seeing", xr.DataArray([3.0, 1.0], dims="seeing")).cube
    np.testing.assert_allclose(cube["unknown"], [0, 0, 0.25])
    assert said.bound_lower[1] == pytest.approx(0.75 * said.lower[1])
    assert said.bound_upper[1] == pytest.approx(0.75 * said.upper[1] + 0.25)


AREA = xr.DataArray([1.0, 1.0, 1.0], dims="theta_e")


@pytest.mark.parametrize(
    ("over", "weights", "message"),
    [
        ("depth", AREA, "over is depth, expected axes of theta_e, seeing"),
        ((), AREA, "over is empty"),
        (("seeing", "seeing"), AREA, "expected axes of"),
        ("seeing", "area", "the cube has no 'area'"),
        ("seeing", "mass", "weights is 'mass', expected 'area', 'hosts' or a DataArray"),
        ("theta_e", AREA.isel(theta_e=[0, 1]), "the weights are of other cells along theta_e"),
        ("theta_e", AREA.assign_coords(theta_e=[1.0, 2.0, 3.0]), "the weights are of other cells along theta_e"),
        ("theta_e", AREA.rename(theta_e="x"), "the weights run along x, expected theta_e"),
        ("theta_e", AREA * np.nan, "not finite numbers of 0 or more"),
        ("theta_e", -AREA, "not finite numbers of 0 or more"),
        ("theta_e", 0 * AREA, "with a sum above 0"),
    ],
)
def test_averages_that_mean_nothing_are_refused_by_name(over, weights, message):
    with pytest.raises(ValueError, match=message):
        selection().marginalise(over, weights)


def test_an_average_is_not_averaged_again():
    once = selection().marginalise("theta_e", AREA)
    for again in (
        lambda: once.marginalise("seeing", xr.DataArray([1.0, 1.0], dims="seeing")),
        lambda: once.trend("seeing"),
    ):
        with pytest.raises(ValueError, match=r"average|bins along seeing share"):
            again()


def test_area_says_nothing_of_theta_e():
    cube, *_ = run_cube()
    with pytest.raises(ValueError, match="'area' does not say how much there is of each theta_e"):
        lc.SelectionFunction.from_run(cube).marginalise(("theta_e", "depth"), "area")


def counts_of(truth, n, k, weights):
    """As many trials and detections of one share as have the error of the average, told by `stratified`."""
    _, columns, hosts = k.shape
    t, c, h = (grid.ravel() for grid in np.meshgrid(*map(np.arange, k.shape), indexing="ij"))
    each = np.broadcast_to((weights / weights.sum() / n.sum())[..., None], k.shape).ravel()
    trials = np.broadcast_to(n, k.shape).ravel()
    said = stratified.share(k.ravel(), trials, each, c * hosts + h, t * columns + c)
    return [(stratified.counts(said, level)) for level in schema.LEVELS]


def test_the_average_of_a_cube_is_that_of_the_kernel():
    rng = np.random.default_rng(3)
    truth, n, k = clustered.drawn(rng, clustered.steep, "bb 0.3", "even", (4, 6, 1))
    cube = completeness.posterior(clustered.counted(n, k[:, :, 0], (3, 2)), config.Completeness())
    weights = rng.lognormal(0, 1, (4, 3, 2))
    made = lc.SelectionFunction.from_run(cube).marginalise(schema.CELL, xr.DataArray(weights, dims=schema.CELL))
    for level, (found, trials) in zip(schema.LEVELS, counts_of(truth, n, k[:, :, 0], weights.reshape(4, 6))):
        said = made.query(level=level)
        np.testing.assert_allclose((said.lower, said.upper), intervals.interval(found, trials, level))


@pytest.mark.parametrize("trials", ["even", "zipf"])
@pytest.mark.parametrize("hosts", ["bb 0", "bb 0.3", "falls"])
def test_averages_over_all_axes_hold_the_truth_when_hosts_are_shared(hosts, trials):
    rng = np.random.default_rng(17)
    inside = np.zeros((2, 300))
    for i in range(300):
        truth, n, k = clustered.drawn(rng, clustered.steep, hosts, trials, (6, 30, 1))
        weights = np.linspace(2, 0.2, 6)[:, None] * rng.lognormal(0, 1, 30)
        wanted = (weights * truth[..., 0]).sum() / weights.sum()
        for j, (level, counts) in enumerate(zip(schema.LEVELS, counts_of(truth, n, k[:, :, 0], weights))):
            low, high = intervals.interval(*counts, level)
            inside[j, i] = low <= wanted <= high
    for held, level in zip(inside, schema.LEVELS):
        assert_covers(held, level)


def test_the_kernel_counts_rows_of_many_trials_as_these_trials():
    rng = np.random.default_rng(0)
    host, cell = rng.integers(0, 40, 2000), rng.integers(0, 6, 2000)
    found, weights = (rng.random(2000) < 0.3).astype(float), np.linspace(0.5, 2, 6)[cell]
    one = stratified.share(found, np.ones(2000), weights, host, cell)
    pair = host * 6 + cell
    rows = np.unique(pair)
    n, k = np.bincount(pair)[rows].astype(float), np.bincount(pair, found)[rows]
    two = stratified.share(k, n, np.linspace(0.5, 2, 6)[rows % 6], rows // 6, rows % 6)
    for name, value in one._asdict().items():
        np.testing.assert_allclose(getattr(two, name), value, rtol=1e-9, atol=1e-15, err_msg=name)
