"""The plane of seeing and depth holds all the area, and the recommended grid leaves out what it says, no more."""

import numpy as np
import pandas as pd
import pytest

from lenscal import completeness, conditions, config

STEP = {"psf_fwhm": 0.15, "depth": 0.5}


@pytest.fixture
def bricks():
    rng = np.random.default_rng(2)
    n = 4000
    return pd.DataFrame({"psfsize_r": rng.normal(1.35, 0.15, n), "psfdepth_r": rng.normal(24.4, 0.4, n), "area": rng.uniform(0, 0.06, n)})


def test_the_plane_holds_all_the_area_and_agrees_with_the_occupancy_of_the_cube(bricks):
    grid = config.Grid()
    plane = conditions.plane(bricks, grid.psf_fwhm, grid.depth)
    assert plane.to_numpy().sum() == pytest.approx(bricks["area"].sum())
    hosts = pd.DataFrame({"psf_fwhm": [], "depth": []})
    cube = completeness.occupancy(bricks, hosts, grid)
    np.testing.assert_allclose(plane.iloc[1:-1, 1:-1].to_numpy(), cube["area"].values)
    assert plane.to_numpy().sum() - plane.iloc[1:-1, 1:-1].to_numpy().sum() == pytest.approx(cube.attrs["area_total"] - cube.attrs["area_inside"])


@pytest.mark.parametrize("tail", [0.001, 0.01, 0.1])
def test_the_recommended_grid_is_the_smallest_that_leaves_out_no_more_than_the_tail(bricks, tail):
    axes = conditions.recommended(bricks, STEP, tail)
    area = bricks["area"].to_numpy()
    for name, column in (("psf_fwhm", "psfsize_r"), ("depth", "psfdepth_r")):
        edges, values = axes[name].edges, bricks[column].to_numpy()
        left, right = area[values < edges[0]].sum() / area.sum(), area[values >= edges[-1]].sum() / area.sum()
        assert left <= tail
        assert right <= tail
        assert area[values < edges[1]].sum() / area.sum() > tail  # one bin less would leave out too much
        assert area[values >= edges[-2]].sum() / area.sum() > tail
        np.testing.assert_allclose(axes[name].centres / STEP[name], np.round(axes[name].centres / STEP[name]), atol=1e-6)


def test_bricks_without_conditions_are_left_out_and_nothing_at_all_is_refused(bricks):
    some = bricks.assign(psfsize_r=np.where(np.arange(len(bricks)) % 2, np.nan, bricks["psfsize_r"]))
    grid = config.Grid()
    assert conditions.plane(some, grid.psf_fwhm, grid.depth).to_numpy().sum() == pytest.approx(bricks["area"][::2].sum())
    with pytest.raises(ValueError, match="none of 4000 has seeing"):
        conditions.recommended(bricks.assign(psfsize_r=np.nan), STEP)
    with pytest.raises(ValueError, match="negative number or NaN"):
        conditions.plane(bricks.assign(area=-1.0), grid.psf_fwhm, grid.depth)


def test_real_dr10_regions_need_a_deeper_grid_than_the_seed(real):
    table = pd.read_csv(real / "conditions" / "dr10_region_conditions.csv.gz")
    table = table[(table["median_psf_r_arcsec"] > 0) & (table["median_psfdepth_r"] > 0)]
    bricks = pd.DataFrame({"psfsize_r": table["median_psf_r_arcsec"], "psfdepth_r": table["median_psfdepth_r"], "area": table["total_area_deg2"]})
    grid = config.Grid()
    plane = conditions.plane(bricks, grid.psf_fwhm, grid.depth)
    deeper = plane["above"].sum() / plane.to_numpy().sum()
    direct = bricks.loc[bricks["psfdepth_r"] >= 24.75, "area"].sum() / bricks["area"].sum()
    assert deeper == pytest.approx(direct)
    assert 0.2 < deeper < 0.6
    axes = conditions.recommended(bricks, STEP)
    assert axes["depth"].stop > grid.depth.stop
