"""The plane of seeing and depth holds all the area, and the recommended grid leaves out what it says, no more."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from lenscal import completeness, conditions, config
from lenscal.cli import app
from lenscal.io.randoms import read_randoms
from lenscal.io.sweeps import SweepError

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


def points_of(folder, bricks, number, density, card=True):
    """A file of random points as the survey writes one: so many to the square degree of each brick, its conditions at each, the order mixed."""
    rng = np.random.default_rng(number)
    row = rng.permutation(np.repeat(np.arange(len(bricks)), np.round(bricks["area"] * density).astype(int)))
    size, depth = bricks["psfsize_r"].to_numpy()[row], 25 * 10 ** (0.8 * (bricks["psfdepth_r"].to_numpy()[row] - 22.5))
    columns = {
        "RELEASE": np.full(row.size, 10000, ">i2"), "BRICKID": row.astype(">i4"), "NOBS_R": np.isfinite(size).astype(">i2"),
        "PSFSIZE_R": np.nan_to_num(size).astype(">f4"), "PSFDEPTH_R": np.nan_to_num(depth).astype(">f4"),
    }  # fmt: skip
    table = fits.BinTableHDU(np.rec.fromarrays(list(columns.values()), names=list(columns)), name="RANDOMS")
    if card:
        table.header["DENSITY"] = density
    path = folder / f"randoms-1-{number}.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def test_random_points_give_the_plane_and_the_grid_that_the_bricks_give(tmp_path, bricks):
    bricks = bricks.iloc[:400].assign(area=np.random.default_rng(5).choice([0.02, 0.04, 0.06], 400))
    bricks.loc[[20, 21], "psfsize_r"] = 0.7, 2.1  # below and above any grid of these
    bricks.loc[:9, ["psfsize_r", "psfdepth_r"]] = np.nan  # never seen in r
    paths = [points_of(tmp_path, bricks, number, density) for number, density in enumerate((100, 150))]
    pieces, grid = conditions.of_randoms(read_randoms(paths)), config.Grid()
    assert pieces["area"].sum() == pytest.approx(bricks["area"].sum())
    ours, theirs = (conditions.plane(table, grid.psf_fwhm, grid.depth) for table in (pieces, bricks))
    pd.testing.assert_frame_equal(ours, theirs, atol=1e-9)
    assert min(theirs.loc["below"].sum(), theirs.loc["above"].sum(), theirs["above"].sum()) > 0
    assert conditions.recommended(pieces, STEP) == conditions.recommended(bricks, STEP)
    said = CliRunner().invoke(app, ["conditions", str(run_file(tmp_path)), *(part for path in paths for part in ("--randoms", str(path)))])
    assert f"{bricks['area'].sum():.2f} in all" in said.output
    assert f"without conditions in r {bricks['area'][:10].sum() / bricks['area'].sum():.1%}" in said.output


def run_file(folder):
    path = folder / "run.yaml"
    path.write_text(f"name: points\nseed: 1\nstores: {folder / 'stores'}\nsurvey: {{root: {folder}}}\nobjects: {{lenses: []}}\n")
    return path


def test_depths_of_random_points_may_be_magnitudes_and_points_of_no_known_density_are_refused(tmp_path, bricks):
    points = pd.DataFrame({"psfsize_r": [1.2, 1.4, 0.0], "psfdepth_r": [24.0, 24.5, 0.0], "area": 0.1})
    assert conditions.of_randoms(points)["psfdepth_r"].tolist()[:2] == [24.0, 24.5]
    inverse = conditions.of_randoms(points.assign(psfdepth_r=[1000.0, 1.0, 0.0]))["psfdepth_r"]
    np.testing.assert_allclose(inverse, [24.5027, 20.7526, np.nan], atol=1e-3)
    path = points_of(tmp_path, bricks.iloc[:9], 3, 2500, card=False)
    with pytest.raises(SweepError, match=r"randoms-1-3\.fits' has DENSITY None in its header; .*give --density"):
        read_randoms([path])
    assert read_randoms([path], 2500.0)["area"].iloc[0] == 1 / 2500
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(SweepError, match=r"randoms-1-3\.fits' .*truncated"):
        read_randoms([path])


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
