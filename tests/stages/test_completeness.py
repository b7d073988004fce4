"""Counts add, ratios are derived from them, every number has an interval that covers, and nothing is said
where nothing was tried.
"""

import itertools
import time

import clustered
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from cubes import SETTINGS_2, axes, drawn, survey, thresholds
from scipy.stats import beta

from lenscal import completeness, config, schema
from lenscal import gates as gate_table
from lenscal.kernels import intervals

SETTINGS = config.Completeness(trials_min=20, hosts_min=5)


@pytest.fixture
def cuts():
    return thresholds(0.0, 1.0)


@pytest.fixture
def counts(cuts):
    return completeness.count(*drawn(), cuts, SETTINGS_2)


@pytest.fixture
def cube(counts):
    return with_occupancy(completeness.posterior(counts, SETTINGS_2))


def with_occupancy(cube):
    shape = cube.sizes["psf_fwhm"], cube.sizes["depth"]
    area = (1 + np.arange(shape[0] * shape[1], dtype=float)).reshape(shape)
    cube = cube.assign(area=(("psf_fwhm", "depth"), area), host_pool=(("psf_fwhm", "depth"), np.full(shape, 40)))
    return schema.COMPLETENESS.check(schema.COMPLETENESS.describe(cube))


def test_counts_are_those_of_a_recount_by_hand(counts, cuts):
    injections, scores = drawn()
    score = scores["score"].values
    np.testing.assert_array_equal(counts["n_injected"], np.isfinite(score).sum(-1))
    np.testing.assert_array_equal(counts["n_failed"], np.isnan(score).sum(-1))
    for t, threshold in enumerate(cuts["threshold"].values):
        np.testing.assert_array_equal(counts["n_detected"].isel(threshold=t), (score >= threshold).sum(-1))
    for index in np.ndindex(3, 2, 2):
        hosts = injections["galaxy_id"].values[index][np.isfinite(score[index])]
        assert counts["n_hosts"].values[index] == len(set(hosts.tolist()))
    np.testing.assert_array_equal(counts["host_injected"].sum("host"), counts["n_injected"].sum(("psf_fwhm", "depth")))


def test_a_score_at_the_threshold_is_a_detection():
    cut = np.float32(0.1)
    score = np.full((1, 1, 1, 3), [cut, np.nextafter(cut, np.float32(0)), np.nextafter(cut, np.float32(1))], "f4")
    parts = survey(score, np.arange(3).reshape(1, 1, 1, 3), axes([1.0], [1.1], [24.0]))
    assert completeness.count(*parts, thresholds(float(cut)), SETTINGS)["n_detected"].item() == 2


def test_counts_do_not_depend_on_the_order_of_dims_and_are_lazy_on_stores(counts, cuts):
    injections, scores = (
        part.transpose("trial", "depth", "theta_e", "psf_fwhm").chunk(psf_fwhm=1, depth=1) for part in drawn()
    )
    xr.testing.assert_identical(completeness.count(injections, scores, cuts, SETTINGS_2), counts)


def test_counts_of_disjoint_cells_add_to_the_whole(counts, cuts):
    injections, scores = drawn()
    blocks = [{"psf_fwhm": [i], "depth": [j]} for i in range(2) for j in range(2)] + [
        {"theta_e": [0]},
        {"theta_e": [1, 2]},
    ]
    parts = [completeness.count(injections.isel(block), scores.isel(block), cuts, SETTINGS_2) for block in blocks]
    xr.testing.assert_identical(completeness.add(*parts[:4]), counts)
    xr.testing.assert_identical(completeness.add(*parts[3::-1]), counts)
    xr.testing.assert_identical(completeness.add(completeness.add(*parts[:3]), parts[3]), counts)
    xr.testing.assert_identical(completeness.add(*parts[4:]), counts)


@pytest.mark.parametrize("cut", [1, 5, 12, 23])
def test_counts_of_disjoint_trials_add_and_a_shared_host_stays_one(counts, cuts, cut):
    injections, scores = drawn()
    pieces = [slice(None, cut), slice(cut, None)]
    parts = [
        completeness.count(injections.isel(trial=piece), scores.isel(trial=piece), cuts, SETTINGS_2) for piece in pieces
    ]
    whole = completeness.add(*parts)
    xr.testing.assert_identical(whole, counts)
    xr.testing.assert_identical(completeness.posterior(whole, SETTINGS_2), completeness.posterior(counts, SETTINGS_2))


def test_counts_of_other_detectors_do_not_add(counts):
    with pytest.raises(ValueError, match="another detector or other thresholds do not add"):
        completeness.add(counts, counts.assign_attrs(detector_hash="cd" * 32))
    with pytest.raises(ValueError, match="do not add"):
        completeness.add(counts, counts.assign_coords(threshold=counts["threshold"] + 1))


@pytest.mark.parametrize(
    ("message", "change"),
    [
        (
            "carry no detector_hash; a completeness needs the scores of a frozen detector",
            lambda i, s, t: (i, s.drop_attrs(deep=False), t),
        ),
        (
            "scored by detector abababababab, the thresholds were set with cdcdcdcdcdcd",
            lambda i, s, t: (i, s, t.assign_attrs(detector_hash="cd" * 32)),
        ),
        (
            "1 trials have an image without a score",
            lambda i, s, t: (i, s.assign(score=s["score"].where(s["score"] != s["score"].max())), t),
        ),
        ("other cells along depth", lambda i, s, t: (i.assign_coords(depth=i["depth"] + 0.5), s, t)),
        ("scores and injections have other hosts", lambda i, s, t: (i.assign(galaxy_id=i["galaxy_id"] + 1), s, t)),
        ("24 trials have scores, 23 were injected", lambda i, s, t: (i.isel(trial=slice(23)), s, t)),
        ("'score' is in 'mag', not '1'", lambda i, s, t: (i, s.assign(score=s["score"].assign_attrs(units="mag")), t)),
        ("'failure' is missing", lambda i, s, t: (i.drop_vars("failure"), s, t)),
        (
            r"set for the rates \[0.5, 0.1\], the settings name \[0.01, 0.001\]",
            lambda i, s, t: (i, s, t.assign(rate_requested=("threshold", [0.5, 0.1]))),
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(cuts, message, change):
    with pytest.raises(ValueError, match=message):
        completeness.count(*change(*drawn(), cuts), SETTINGS_2)


def test_cube_is_as_declared_and_a_cell_without_trials_says_nothing(cube):
    empty = cube.isel(psf_fwhm=-1, depth=-1)
    assert (empty["status"] == "no data").all()
    assert not empty["sufficient"].any()
    for name in ("completeness", "lower", "upper", "design_effect"):
        assert np.isnan(empty[name]).all()
        assert np.isfinite(cube[name].isel(psf_fwhm=0)).all()
    assert (empty["n_effective"] == 0).all()
    assert cube["theta_e"].attrs == {
        "units": "arcsec",
        "long_name": "Einstein radius",
        "description": "Einstein radius, bin centre",
        "half_width": 0.25,
    }
    assert (cube["status"].isel(psf_fwhm=0) == "sufficient").all()
    for array in cube.variables.values():
        assert array.attrs["long_name"]


@pytest.mark.parametrize(("trials_min", "hosts_min"), [(24, 5), (20, 7)])
def test_too_few_trials_or_hosts_are_insufficient(counts, trials_min, hosts_min):
    settings = config.Completeness(trials_min=trials_min, hosts_min=hosts_min)
    status = completeness.posterior(counts, settings)["status"]
    assert status[0, 0, 0] == "insufficient"
    assert (status[:, 1, 1] == "no data").all()
    assert (status[1, 0, 0] == "sufficient").item() == (hosts_min == 5)


def lone(detected, trials=500, hosts=50):
    score = np.where(np.arange(trials) < detected, 1.0, -1.0).reshape(1, 1, 1, -1).astype("f4")
    host = (np.arange(trials) % hosts).reshape(1, 1, 1, -1)
    parts = survey(score, host, axes([1.0], [1.1], [24.0]))
    return completeness.posterior(completeness.count(*parts, thresholds(0.0), SETTINGS), SETTINGS).squeeze()


def test_none_of_five_hundred_bounds_the_completeness_at_the_pinned_values():
    none, all_ = lone(0), lone(500)
    np.testing.assert_array_equal(none["lower"], 0)
    np.testing.assert_allclose(none["upper"], [0.0010, 0.0038], atol=5e-5)
    np.testing.assert_array_equal(all_["upper"], 1)
    np.testing.assert_allclose(all_["lower"], [0.9990, 0.9962], atol=5e-5)
    assert none["design_effect"] == all_["design_effect"] == 1
    assert (none["completeness"] > 0).all()


def test_trials_of_a_single_host_are_worth_one():
    assert lone(250, hosts=1)["n_effective"].item() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["hpd", "wilson", "clopper-pearson"])
def test_other_intervals_are_shown_when_named_and_recorded(counts, kind):
    usual = completeness.posterior(counts, SETTINGS_2)
    other = completeness.posterior(counts, SETTINGS_2.model_copy(update={"interval": kind}))
    assert other.attrs["interval"] == kind
    assert not np.allclose(usual["lower"], other["lower"], equal_nan=True)
    xr.testing.assert_identical(usual["completeness"], other["completeness"])


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.3])
def test_intervals_of_whole_cubes_cover_truths_drawn_from_the_prior(rho):
    rng = np.random.default_rng(int(100 * rho) + 1)
    shape, trials = (6, 4, 3), 200
    inside = {level: [] for level in schema.LEVELS}
    for _ in range(5):
        truth = rng.beta(0.5, 0.5, shape)
        own = np.repeat(truth[..., None], 40, -1)
        if rho:
            strength = (1 - rho) / rho
            own = np.nan_to_num(rng.beta(*np.maximum([own * strength, (1 - own) * strength], 1e-300)))
        number = np.broadcast_to(np.arange(trials), (*shape, trials))
        pools = rng.integers(30, 41, (1, *shape[1:], 1))
        host = np.broadcast_to(number % pools, (*shape, trials))
        score = np.where(rng.random(host.shape) < np.take_along_axis(own, host, -1), 1.0, -1.0).astype("f4")
        coords = axes(1 + np.arange(6) / 4, 1 + np.arange(4) / 4, 23 + np.arange(3) / 2)
        found = completeness.posterior(
            completeness.count(*survey(score, host, coords), thresholds(0.0), SETTINGS), SETTINGS
        )
        for level, results in inside.items():
            lower, upper = (found[end].sel(level=level).isel(threshold=0).values for end in ("lower", "upper"))
            results.append((lower <= truth) & (truth <= upper))
    for level, results in inside.items():
        error = np.sqrt(level * (1 - level) / np.size(results))
        assert level - 3 * error < np.mean(results) < level + 3 * error + 0.02


def test_occupancy_accounts_for_all_sky_and_hosts():
    grid = config.Grid()
    rng = np.random.default_rng(1)
    bricks = pd.DataFrame(
        {
            "psfsize_r": rng.uniform(0.7, 2, 500),
            "psfdepth_r": rng.uniform(22, 25, 500),
            "area": rng.uniform(0.05, 0.07, 500),
        }
    )
    bricks.loc[:4, "psfsize_r"] = np.nan
    bricks.loc[5, ["psfsize_r", "psfdepth_r"]] = (
        grid.psf_fwhm.edges[0],
        grid.depth.edges[-1],
    )  # a lower edge is in, an upper one is out
    hosts = pd.DataFrame({"galaxy_id": [1, 2, 3], "psf_fwhm": [0.9, 0.9, 1.8], "depth": [22.5, 22.5, 24.5]})
    found = completeness.occupancy(bricks, hosts, grid)
    parts = [
        found.attrs[f"area_{name}"]
        for name in ("inside", "without_conditions", "psf_below", "psf_above", "depth_below", "depth_above")
    ]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(bricks["area"].sum())
    slow = [
        bricks["area"][
            (bricks["psfsize_r"] - p).between(-0.075, 0.075) & (bricks["psfdepth_r"] - d).between(-0.25, 0.25)
        ].sum()
        for p in found["psf_fwhm"].values
        for d in found["depth"].values
    ]
    np.testing.assert_allclose(found["area"].values.ravel(), slow)
    assert found["host_pool"].sum() == 3
    assert found["host_pool"][0, 0] == 2
    assert found.attrs["half_width_depth"] == 0.25
    nothing = completeness.occupancy(bricks[:0], hosts[:0], grid)
    assert nothing["area"].sum() == nothing["host_pool"].sum() == 0


def test_occupancy_refuses_depths_that_are_no_magnitudes_and_hosts_of_another_grid():
    grid = config.Grid()
    hosts = pd.DataFrame({"psf_fwhm": [0.9], "depth": [22.5]})
    bricks = pd.DataFrame({"psfsize_r": [1.2], "psfdepth_r": [800.0], "area": [0.06]})
    with pytest.raises(ValueError, match="psfdepth_r reaches 800, which is no magnitude"):
        completeness.occupancy(bricks, hosts, grid)
    with pytest.raises(ValueError, match="1 hosts have a depth that is no bin centre"):
        completeness.occupancy(bricks[:0], hosts.assign(depth=22.7), grid)
    with pytest.raises(ValueError, match="negative number or NaN"):
        completeness.occupancy(bricks.assign(psfdepth_r=24.0, area=np.nan), hosts, grid)


@pytest.mark.parametrize("weights", ["area", "hosts"])
@pytest.mark.parametrize("over", ["psf_fwhm", "depth", ("psf_fwhm", "depth")])
def test_the_average_is_that_of_the_plain_shares_with_the_error_of_all_cells(cube, over, weights):
    # enough trials for normal errors
    cube = cube.drop_vars("fraction_detected")  # told by the counts alone
    cube = cube.assign(
        n_injected=cube["n_injected"] * 100, n_detected=cube["n_detected"] * 80 + 99 * (cube["n_injected"] > 0)
    )
    found = completeness.marginalise(cube, over, weights)
    dims = [over] if isinstance(over, str) else list(over)
    known = cube["n_injected"] > 0
    effective = cube["n_injected"] / cube["design_effect"]
    mean = (cube["n_detected"] / cube["n_injected"]).fillna(0)
    variance = mean * (1 - mean) / effective
    weight = cube[{"area": "area", "hosts": "host_pool"}[weights]]
    part = weight * known / (weight * known).sum(dims)
    expected, sigma = (part * mean).sum(dims), np.sqrt((part**2 * variance).sum(dims))
    assert abs(found["completeness"].sel(quantile=0.5) - expected).max() < 0.001
    half = (found["upper"] - found["lower"]).sel(level=0.6827) / 2
    assert abs(half / sigma - 1).max() < 0.06
    assert abs(found["unknown"] - 1 + (weight * known).sum(dims) / weight.sum(dims)).max() < 1e-12


def whole(k=(0, 3, 11, 24), hosts=30, prior="jeffreys", interval="equal-tailed"):
    """A cube (theta_e) of one seeing and depth, 24 trials on each of 30 hosts: every host has the same share,
    so the design effect is 1.
    """
    detected = np.full((4, 1, hosts), np.array(k)[:, None, None])
    settings = config.Completeness(prior=prior, interval=interval)
    cube = completeness.posterior(clustered.counted(np.full(hosts, 24), detected, (1, 1)), settings)
    assert (cube["design_effect"] == 1).all()
    return with_occupancy(cube), hosts * np.array(k), 24 * hosts


@pytest.mark.parametrize("prior", intervals.PRIORS)
def test_quantiles_of_cells_and_averages_are_those_of_the_prior_that_the_settings_name(prior):
    cube, k, n = whole(prior=prior)
    a = intervals.PRIORS[prior]
    expected = beta.ppf(np.array(schema.QUANTILES), (k + a)[:, None], (n - k + a)[:, None])
    np.testing.assert_allclose(cube["completeness"].values.reshape(4, -1), expected, rtol=1e-9)
    average = completeness.marginalise(cube)["completeness"]
    assert (average.diff("quantile") > 0).all(), "quantiles grow"
    np.testing.assert_array_equal(average["quantile"], schema.QUANTILES)
    # One cell with all the weight is that cell, up to the error that none and all are given.
    np.testing.assert_allclose(average.values.reshape(4, -1)[1:3], expected[1:3], rtol=0.03)
    # The priors differ by more than that where nothing is found.
    other = beta.ppf(schema.QUANTILES, 1.5 - a, n + 1.5 - a)
    found = average.values.reshape(4, -1)[0]
    assert (abs(np.log(found / expected[0])) < 0.5 * abs(np.log(found / other))).all()


@pytest.mark.parametrize("interval", intervals.KINDS)
@pytest.mark.parametrize("prior", intervals.PRIORS)
def test_intervals_of_cells_and_averages_are_of_the_kind_that_the_settings_name(prior, interval):
    cube, k, n = whole(prior=prior, interval=interval)
    average = completeness.marginalise(cube)
    for level in schema.LEVELS:
        ends = np.stack(intervals.interval(k, n, level, prior, interval), -1)
        np.testing.assert_allclose(
            np.stack([cube[end].sel(level=level).values.ravel() for end in ("lower", "upper")], -1), ends, rtol=1e-9
        )
        found = np.stack([average[end].sel(level=level).values.ravel() for end in ("lower", "upper")], -1)
        np.testing.assert_allclose(found[1:3], ends[1:3], atol=0.002)


def test_hosts_are_those_with_a_scored_trial_at_this_theta_e():
    # One host has no scored trial at 1.0 arcsec, another none at 1.5: each is missing there and nowhere else.
    score = np.zeros((3, 1, 1, 12), "f4")
    host = np.broadcast_to(np.arange(12) % 4, score.shape)
    score[0, 0, 0, host[0, 0, 0] == 1] = np.nan
    score[1, 0, 0, host[0, 0, 0] == 3] = np.nan
    counts = completeness.count(*survey(score, host, axes(psf_fwhm=[1.1], depth=[24.0])), thresholds(0.5), SETTINGS)
    assert counts["n_hosts"].values.ravel().tolist() == [3, 3, 4]
    cube = completeness.posterior(counts, SETTINGS)
    assert cube["hosts_effective"].values.ravel().tolist() == [3, 3, 4]


def test_a_stored_cube_keeps_its_hosts_and_adds_as_its_counts_do(cuts):
    injections, scores = drawn()
    pieces = [slice(None, 9), slice(9, None)]
    parts = [
        completeness.count(injections.isel(trial=piece), scores.isel(trial=piece), cuts, SETTINGS_2) for piece in pieces
    ]
    cubes = [with_occupancy(completeness.posterior(part, SETTINGS_2)) for part in parts]
    added, direct = completeness.add(*cubes), completeness.add(*parts)
    for name in direct.variables:
        xr.testing.assert_equal(added[name], direct[name])
    assert set(added.variables) == set(direct.variables)
    xr.testing.assert_equal(completeness.posterior(added, SETTINGS_2), completeness.posterior(direct, SETTINGS_2))
    with pytest.raises(ValueError, match="counts without host_injected, host_detected do not add"):
        completeness.add(cubes[0], cubes[1].drop_dims("host"))


def edge_bricks(grid):
    """A brick at every edge of every axis and in the middle of every bin, with areas that tell them apart."""
    psf = np.unique(np.concatenate([grid.psf_fwhm.edges, grid.psf_fwhm.centres]))
    depth = np.unique(np.concatenate([grid.depth.edges, grid.depth.centres]))
    p, d = (values.ravel() for values in np.meshgrid(psf, depth, indexing="ij"))
    return pd.DataFrame({"psfsize_r": p, "psfdepth_r": d, "area": 1 + np.arange(p.size) / 7})


def test_every_bin_of_the_occupancy_holds_its_lower_edge_and_not_its_upper_one():
    grid = config.Grid()
    bricks = edge_bricks(grid)
    found = completeness.occupancy(bricks, pd.DataFrame({"psf_fwhm": [], "depth": []}), grid)
    for i, (low, high) in enumerate(itertools.pairwise(grid.psf_fwhm.edges)):
        for j, (shallow, deep) in enumerate(itertools.pairwise(grid.depth.edges)):
            own = (
                bricks["psfsize_r"].ge(low)
                & bricks["psfsize_r"].lt(high)
                & bricks["psfdepth_r"].ge(shallow)
                & bricks["psfdepth_r"].lt(deep)
            )
            assert own.sum() == 4
            assert found["area"].values[i, j] == pytest.approx(bricks.loc[own, "area"].sum())


@pytest.mark.parametrize("column", ["psfsize_r", "psfdepth_r"])
def test_all_sky_counts_also_where_its_conditions_are_not_known(column):
    bricks = edge_bricks(config.Grid())
    bricks.loc[::5, column] = np.nan
    attrs = completeness.occupancy(bricks, pd.DataFrame({"psf_fwhm": [], "depth": []}), config.Grid()).attrs
    assert attrs["area_total"] == pytest.approx(bricks["area"].sum())
    assert attrs["area_without_conditions"] == pytest.approx(bricks["area"][::5].sum())


def test_unknown_sky_widens_the_bounds_and_nothing_else(cube):
    inside = completeness.marginalise(cube, seed=3)
    more = completeness.marginalise(cube.assign_attrs(area_total=20.0, area_inside=10.0), seed=3)
    xr.testing.assert_equal(inside[["completeness", "lower", "upper"]], more[["completeness", "lower", "upper"]])
    assert float(inside["unknown"][0]) == pytest.approx(0.4)
    assert float(more["unknown"][0]) == pytest.approx(0.7)
    for found in (inside, more):
        np.testing.assert_allclose(
            found["bound_upper"] - found["bound_lower"],
            (1 - found["unknown"]) * (found["upper"] - found["lower"]) + found["unknown"],
        )
    nowhere = completeness.marginalise(cube.isel(psf_fwhm=[1], depth=[1]), weights="hosts")
    assert np.isnan(nowhere["completeness"]).all()
    assert (nowhere["bound_lower"] == 0).all()
    assert (nowhere["bound_upper"] == 1).all()


def test_an_average_depends_on_its_own_cells_and_on_no_draw(cube):
    alone = completeness.marginalise(cube.isel(theta_e=[1]), "depth")
    among = completeness.marginalise(cube, "depth").isel(theta_e=[1])
    xr.testing.assert_equal(alone, among)
    xr.testing.assert_identical(alone, completeness.marginalise(cube.isel(theta_e=[1]), "depth", seed=6))


def test_means_that_would_mislead_are_refused(cube):
    with pytest.raises(ValueError, match="cells along theta_e share hosts"):
        completeness.marginalise(cube, "theta_e")
    with pytest.raises(ValueError, match="'area' of the cube is 0 everywhere; weigh by hosts"):
        completeness.marginalise(cube.assign(area=cube["area"] * 0))
    with pytest.raises(ValueError, match="weights is 'sky'"):
        completeness.marginalise(cube, weights="sky")


def test_query_finds_the_cell_that_holds_a_point_and_none_outside(cube):
    middle = cube["completeness"].sel(quantile=0.5).isel(threshold=0)
    assert completeness.query(cube, 1.6, 1.2, 23.6) == middle[1, 0, 0]
    assert completeness.query(cube, 1.75, 1.25, 23.75 - 1e-3) == middle[2, 1, 0], "a bin holds its lower edge"
    assert np.isnan(
        completeness.query(cube, [0.7, 2.3, 1.5, 1.5, 1.5], [1.2, 1.2, 0.9, 1.2, 1.4], [23.5, 23.5, 23.5, 24.3, 24.0])
    ).all()
    assert np.isnan(completeness.query(cube, np.nan, 1.2, 23.5))
    as_printed = completeness.query(cube, 1.6, 1.2, 23.6, quantile=0.1587)
    assert as_printed == cube["completeness"].isel(threshold=0, quantile=1).sel(
        theta_e=1.5, psf_fwhm=1.2, depth=23.5, method="nearest"
    )
    with pytest.raises(ValueError, match=r"quantile 0\.16 is not in the cube"):
        completeness.query(cube, 1.6, 1.2, 23.6, quantile=0.16)
    grid = completeness.query(
        cube, cube["theta_e"].values[:, None], 1.1, cube["depth"].values, quantile=0.975, threshold=1
    )
    np.testing.assert_array_equal(grid, cube["completeness"].sel(quantile=0.975).isel(threshold=1, psf_fwhm=0))
    with pytest.raises(ValueError, match=r"quantile 0.3 is not in the cube"):
        completeness.query(cube, 1, 1, 24, quantile=0.3)


def test_the_cell_of_a_point_is_the_one_whose_completeness_a_query_gives(cube):
    for point in ((1.6, 1.2, 23.6), (1.75, 1.25, 23.75 - 1e-3)):
        cell = completeness.cell_of(cube, *point)
        assert cell["completeness"].sel(quantile=0.5)[0] == completeness.query(cube, *point)
    with pytest.raises(ValueError, match=r"theta_e 2.3 is outside the cube, which covers 0.75 to 2.25 arcsec"):
        completeness.cell_of(cube, 2.3, 1.2, 23.6)


def test_a_single_bin_has_the_width_of_its_grid(cube):
    one = cube.isel(depth=[0])
    one["depth"].attrs.pop("half_width", None)
    assert np.isfinite(completeness.query(one, 1.5, 1.1, 26.0)), "a width that is not known is no limit"
    assert np.isnan(completeness.query(one.assign_attrs(half_width_depth=0.25), 1.5, 1.1, 26.0))


def test_a_million_points_take_less_than_a_second(cube):
    rng = np.random.default_rng(1)
    points = rng.uniform(0.7, 2.3, 10**6), rng.uniform(0.9, 1.6, 10**6), rng.uniform(23, 24.5, 10**6)
    started = time.perf_counter()
    found = completeness.query(cube, *points)
    assert time.perf_counter() - started < 1
    assert 0.2 < np.isfinite(found).mean() < 0.9


def verdicts(cube):
    table = gate_table.table(completeness.gates(cube))
    assert table["id"].is_unique
    return table.set_index("id")["verdict"]


def test_all_gates_pass_on_a_sound_cube(cube):
    found = verdicts(cube)
    assert (found == gate_table.PASS).all(), found
    assert {"X.8", "X.9"} <= set(found.index)


def changed(name, index, value):
    def change(cube):
        cube = cube.copy(deep=True)
        values = cube[name].values
        values[index] = value
        return cube.assign({name: (cube[name].dims, values, cube[name].attrs)})

    return change


@pytest.mark.parametrize(
    ("failing", "change"),
    [
        ("X.8", changed("lower", (0, 0, 0, 0, 0), np.nan)),
        ("X.8", changed("upper", (0, 0, 0, 0, 1), 0.0)),
        ("X.8", changed("completeness", (0, 1, 1, 0, 2), 0.0)),
        ("X.8", changed("lower", (0, 1, 1), 0.0)),
        ("X.9", changed("status", (1, 0, 0), "insufficient")),
        ("X.9", changed("sufficient", (0, 1, 1), True)),
        ("X.9", lambda cube: cube.assign_attrs(hosts_min=7)),
        ("completeness.trials", changed("n_failed", (2, 0, 1), 1)),
        ("completeness.trials", changed("n_detected", (0, 1, 1, 0), 1)),
        ("completeness.rises", lambda cube: cube.isel(theta_e=slice(None, None, -1))),
        ("completeness.threshold", lambda cube: cube.drop_vars("false_positive_rate_upper")),
        ("completeness.threshold", changed("false_positive_rate_lower", (1, 1), np.nan)),
    ],
)
def test_each_gate_can_fail(cube, failing, change):
    assert verdicts(change(cube))[failing] == gate_table.FAIL


def test_trend_of_a_single_radius_is_not_judged(cube):
    assert verdicts(cube.isel(theta_e=[0]))["completeness.rises"] == gate_table.ABSENT
