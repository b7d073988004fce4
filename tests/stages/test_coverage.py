"""Every interval holds what it should: truths that no prior made, unequal hosts, effects that change with
theta_e, few hosts, few lenses.

Simulations have fixed seeds; each is held to two points of its level and three standard errors, told by the scatter
between cubes, whose cells share hosts. `benchmarks/intervals.py` prints the tables of docs/stages/completeness.md with
more cubes.
"""

import clustered
import numpy as np
import pytest

from lenscal import completeness, config, schema
from lenscal.cli.query import _ends
from lenscal.kernels import intervals, recovery, shares

POINTS = 0.02


def assert_covers(inside, level, points=POINTS):
    """`inside` (..., cube): the share inside is the level within so many points and the error of this simulation."""
    cubes = np.asarray(inside, float).reshape(-1, np.shape(inside)[-1]).mean(0)
    error = cubes.std(ddof=1) / np.sqrt(cubes.size)
    assert abs(cubes.mean() - level) < points + 3 * error, f"{cubes.mean():.3f} +- {error:.3f} of {level}"
    assert error < 0.02, "the simulation tells nothing"


def held(truth, trials, detected, level, kind="equal-tailed", prior="jeffreys"):
    """Whether each cell's interval holds its truth."""
    effect, scatter, freedom = clustered.design(trials, detected)
    n = trials.sum() / recovery.widened(effect, freedom, level, scatter)
    lower, upper = intervals.interval(n * detected.sum(-1) / trials.sum(), n, level, prior, kind)
    return (lower <= truth) & (truth <= upper)


@pytest.mark.parametrize("shape", [(11, 7, 5), (3, 2, 1), (1, 7, 5)])
@pytest.mark.parametrize(
    ("hosts", "trials"), [("bb 0.3", "zipf"), ("falls", "60 on 10"), ("bb 0", "even"), ("columns differ", "even")]
)
def test_the_simulated_cubes_are_those_of_the_stage(shape, hosts, trials):
    rng = np.random.default_rng(1)
    truth, n, k = clustered.drawn(rng, clustered.uniform, hosts, trials, (shape[0], shape[1] * shape[2], 4))
    effect, scatter, freedom = clustered.design(n, k)
    if hosts == "columns differ" and shape == (11, 7, 5):
        assert (scatter.max((0, 1)) > 0).any()
    for i in range(4):
        cube = completeness.posterior(clustered.counted(n, k[:, :, i], shape[1:]), config.Completeness())
        own = lambda name, cube=cube: cube[name].isel(threshold=0).values.reshape(truth.shape[0], truth.shape[1], -1)  # noqa: E731
        np.testing.assert_allclose(own("design_effect")[..., 0], effect[:, :, i])
        np.testing.assert_allclose(own("n_effective")[..., 0], n.sum() / effect[:, :, i])
        for at, level in enumerate(schema.LEVELS):
            m = n.sum() / recovery.widened(effect[:, :, i], freedom, level, scatter[:, :, i])
            ends = intervals.interval(m * (k[:, :, i].sum(-1) / n.sum()), m, level)
            np.testing.assert_allclose(np.stack([own("lower")[..., at], own("upper")[..., at]]), ends, atol=1e-12)


CELLS = [
    *[(trials, hosts) for trials in ("even", "zipf", "24 on 3") for hosts in ("bb 0", "bb 0.3", "falls")],
    *[(trials, hosts) for trials in ("even", "zipf") for hosts in ("logit 0.3", "flips", "rises", "anew 0.3")],
    *[(trials, "columns differ") for trials in ("even", "zipf", "uneven")],
    *[("uneven", hosts) for hosts in ("bb 0.3", "logit 0.3")],
    ("two sizes", "bb 0.1"),
    ("60 on 10", "bb 0.1"),
    ("zipf", "bb 0.1"),
]
"""Trials of the hosts of a cell, and how alike they are."""


@pytest.mark.parametrize("truths", [clustered.uniform, clustered.steep])
@pytest.mark.parametrize(("trials", "hosts"), CELLS)
def test_intervals_of_cells_hold_truths_of_no_prior(trials, hosts, truths):
    rng = np.random.default_rng(7)
    truth, n, k = clustered.drawn(rng, truths, hosts, trials, (8, 35, 20))
    if not recovery.enough(np.full((8, 35), float(recovery.hosts_effective(n)))).all():
        assert trials == "24 on 3"
        return
    few = (
        n.sum() < 200 and truths is clustered.steep
    )  # at 1 to 2 % of 60 trials one detection more or less is most of the interval
    assert_covers(held(truth, n, k, 0.6827), 0.6827, 0.03 if few else POINTS)
    assert_covers(held(truth, n, k, 0.95), 0.95)


@pytest.mark.parametrize("hosts", ["bb 0.3", "falls"])
@pytest.mark.parametrize("trials", ["even", "zipf"])
def test_intervals_hold_where_completeness_is_low_and_hosts_matter_most(trials, hosts):
    # Pooled over theta_e, 95 % was 86 to 90 % here: the middle of the rise decided for all.
    truth, n, k = clustered.drawn(np.random.default_rng(8), clustered.steep, hosts, trials, (11, 35, 20))
    assert truth[:4].mean() < 0.1
    assert_covers(held(truth, n, k, 0.95)[:4], 0.95)


@pytest.mark.parametrize("shape", [(3, 2), (6, 1), (1, 35), (1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("trials", ["even", "zipf", "24 on 3", "48 on 6", "60 on 10"])
def test_small_cubes_hold_or_say_nothing(shape, trials):
    n = clustered.TRIALS[trials]
    if not recovery.enough(np.full(shape, float(recovery.hosts_effective(n)))).all():
        assert trials == "24 on 3" or shape[1] <= 2
        assert trials != "even"
        return
    for seed, hosts in enumerate(("bb 0", "bb 0.1", "bb 0.3", "logit 0.3")):
        truth, n, k = clustered.drawn(
            np.random.default_rng(seed), clustered.uniform, hosts, trials, (*shape, 3000 // (shape[0] * shape[1]))
        )
        for level in schema.LEVELS:
            assert_covers(held(truth, n, k, level), level)


def test_three_hosts_of_a_lone_cell_have_no_interval_and_the_cube_says_why():
    rng = np.random.default_rng(2)
    _, n, k = clustered.drawn(rng, clustered.uniform, "bb 0.3", "24 on 3", (1, 1, 1))
    cube = completeness.posterior(clustered.counted(n, k[:, :, 0], (1, 1)), config.Completeness())
    for name in ("lower", "upper"):
        assert np.isnan(cube[name]).all()
    assert np.isfinite(cube["completeness"].sel(quantile=0.5)).all()
    assert np.isnan(cube["completeness"].drop_sel(quantile=0.5)).all()
    assert (cube["status"] == "insufficient").all()
    gate = next(gate for gate in completeness.gates(cube) if gate.id == "X.8")
    assert gate.verdict == "not judged"
    assert "do not tell how alike" in gate.evidence
    assert _ends(cube.isel(theta_e=0, psf_fwhm=0, depth=0, threshold=0), "lower", "upper").startswith(
        "no interval: 3.0 effective hosts here"
    )


def test_a_cell_of_few_hosts_among_others_has_no_interval_and_an_average_of_mostly_such_cells_none():
    rng = np.random.default_rng(2)
    _, n, k = clustered.drawn(rng, clustered.uniform, "bb 0.3", "even", (2, 6, 1))
    k[:, 0] = np.where(np.arange(n.size) < 3, k[:, 0], 0)
    counts = clustered.counted(n, k[:, :, 0], (3, 2))
    few = (
        (counts["host_psf_fwhm"] == counts["psf_fwhm"][0])
        & (counts["host_depth"] == counts["depth"][0])
        & (counts["host_id"] % n.size >= 3)
    )
    counts["host_injected"] = counts["host_injected"].where(~few, 0)
    counts["n_injected"][:, 0, 0] = int(n[:3].sum())
    counts["n_hosts"][:, 0, 0] = 3
    cube = completeness.posterior(counts, config.Completeness())
    assert np.isnan(cube["lower"][:, 0, 0]).all()
    assert np.isfinite(cube["lower"]).sum() == 2 * 5 * 2
    assert next(gate for gate in completeness.gates(cube) if gate.id == "X.8").verdict == "pass"
    place = ("psf_fwhm", "depth")
    for area, finite in ((np.ones((3, 2)), True), (np.where(np.arange(6).reshape(3, 2) == 0, 6.0, 1.0), False)):
        found = completeness.marginalise(cube.assign(area=(place, area), host_pool=(place, np.ones((3, 2), int))))
        assert np.isfinite(found["lower"]).all() == finite
        assert np.isfinite(found["completeness"].sel(quantile=0.5)).all()


def averaged(truth, n, k, level, rng, spread):
    """Truths of the weighted mean over columns, and whether its interval holds them: (theta_e, cube)."""
    weight = np.exp(rng.normal(0, spread, truth.shape[1:]))
    effect, _, freedom = clustered.design(n, k)
    last = [
        np.moveaxis(np.broadcast_to(array, truth.shape), 1, -1)
        for array in (weight, k.sum(-1), float(n.sum()), recovery.widened(effect, freedom, level))
    ]
    share, trials = shares.mean(*last)
    lower, upper = intervals.interval(share * trials, trials, level)
    mean = (weight * truth).sum(1) / weight.sum(0)
    return (lower <= mean) & (mean <= upper), mean


@pytest.mark.parametrize(
    ("trials", "hosts", "truths"),
    [
        *[("even", hosts, clustered.steep) for hosts in ("bb 0", "bb 0.1", "bb 0.3", "logit 0.3", "falls")],
        *[("zipf", hosts, clustered.steep) for hosts in ("bb 0", "bb 0.3")],
        *[("even", hosts, clustered.uniform) for hosts in ("bb 0", "bb 0.3")],
        ("24 on 3", "bb 0", clustered.steep),
        ("24 on 3", "bb 0.3", clustered.steep),
    ],
)
def test_intervals_of_averages_hold_also_where_completeness_is_small(trials, hosts, truths):
    # With a prior for each of 35 cells 95 % was 68 to 83 % at the narrowest arcs, and none with 24 trials on 3 hosts.
    rng = np.random.default_rng(11)
    truth, n, k = clustered.drawn(rng, truths, hosts, trials, (6, 35, 60))
    inside, mean = averaged(truth, n, k, 0.95, rng, 0.7)
    assert_covers(inside, 0.95)
    if truths is clustered.steep:
        assert mean[0].max() < 0.1
        assert inside[0].mean() > 0.88


def test_the_average_of_the_stage_is_the_one_that_is_simulated():
    rng = np.random.default_rng(3)
    _, n, k = clustered.drawn(rng, clustered.steep, "bb 0.3", "zipf", (5, 6, 1))
    area = rng.uniform(0.5, 3, (3, 2))
    cube = completeness.posterior(clustered.counted(n, k[:, :, 0], (3, 2)), config.Completeness(trials_min=500))
    place = ("psf_fwhm", "depth")
    found = completeness.marginalise(cube.assign(area=(place, area), host_pool=(place, np.ones((3, 2), int))))
    effect, _, freedom = clustered.design(n, k)
    for at, level in enumerate(schema.LEVELS):
        wide = recovery.widened(effect[..., 0], freedom, level)
        share, trials = shares.mean(area.ravel(), k[:, :, 0].sum(-1), n.sum(), wide)
        np.testing.assert_allclose(share, (area.ravel() * k[:, :, 0].sum(-1) / n.sum()).sum(-1) / area.sum())
        ends = intervals.interval(share * trials, trials, level)
        np.testing.assert_allclose([found["lower"][:, 0, at], found["upper"][:, 0, at]], ends)
    assert (found["insufficient"] == 1).all(), (
        "cells that are insufficient count, and the average says how much they weigh"
    )
