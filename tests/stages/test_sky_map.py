"""Completeness over the sky: a pixel is the mixture of its own conditions, with an interval that holds."""

import clustered
import healpy
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lenscal as lc
from lenscal import completeness, config, schema
from lenscal.completeness import sky_pieces
from lenscal.errors import InputError
from lenscal.io import moc, stores
from lenscal.report.figures import sky, style

SHAPE = (7, 5)


def cube(seed=1, hosts="bb 0.1", trials="even", truths=clustered.steep, rows=6):
    rng = np.random.default_rng(seed)
    truth, n, k = clustered.drawn(rng, truths, hosts, trials, (rows, SHAPE[0] * SHAPE[1], 1))
    found = completeness.posterior(clustered.counted(n, k[:, :, 0], SHAPE), config.Completeness())
    return found.assign(area=(("psf_fwhm", "depth"), np.ones(SHAPE), {"units": "degree^2"})), truth[:, :, 0]


def pieces(one, weight):
    """Pieces of sky of pixels with these areas (pixel, column) in the cells of a cube."""
    pixel, column = np.nonzero(weight)
    return pd.DataFrame(
        {
            "pixel": pixel,
            "psfsize_r": one["psf_fwhm"].values[column // SHAPE[1]],
            "psfdepth_r": one["depth"].values[column % SHAPE[1]],
            "area": weight[pixel, column],
        }
    )


def mixtures(rng, pixels=50):
    weight = np.zeros((pixels, SHAPE[0] * SHAPE[1]))
    for row in weight:
        some = rng.choice(row.size, rng.integers(1, 5), replace=False)
        row[some] = rng.dirichlet(np.ones(some.size))
    return weight


def bricks(n_ra=8, n_dec=8, **columns):
    ra, dec = np.meshgrid(10 + 0.25 * np.arange(n_ra), -5 + 0.25 * np.arange(n_dec))
    table = {"ra1": ra, "ra2": ra + 0.25, "dec1": dec, "dec2": dec + 0.25}
    table = pd.DataFrame({name: values.ravel() for name, values in table.items()})
    return table.assign(**{"psfsize_r": 1.1, "psfdepth_r": 23.0, "area": 0.0622} | columns)


def test_a_pixel_of_all_cells_is_the_average_over_seeing_and_depth():
    one, _ = cube()
    mean = completeness.marginalise(one)
    found = completeness.sky_map(one, pieces(one, np.full((1, 35), 1.0)), 8)
    for name in ("lower", "upper"):
        np.testing.assert_allclose(found[name].values[0], mean[name].values[:, 0], atol=2e-4)
    middle = mean["completeness"].sel(quantile=0.5).values[:, 0]
    np.testing.assert_allclose(found["completeness"].values[0], middle, atol=2e-4)


def test_sky_outside_the_grid_has_no_number_and_its_share_is_told():
    one, _ = cube()
    some = pieces(one, np.eye(3, 35))
    out = some.assign(psfsize_r=[9.0, np.nan, some["psfsize_r"][2]])
    found = completeness.sky_map(one, pd.concat([out, some[2:].assign(psfsize_r=9.0, area=0.25)]), 8)
    np.testing.assert_allclose(found["unsupported"].isel(theta_e=0), [1, 1, 0.2])
    assert found["supported"].isel(theta_e=0).values.tolist() == [False, False, False]
    assert np.isnan(found["completeness"][:2]).all()
    assert np.isnan(found["lower"][:2]).all()
    assert np.isfinite(found["lower"][2]).all()
    kept = completeness.sky_map(one, pd.concat([out, some[2:].assign(psfsize_r=9.0, area=0.05)]), 8)
    assert kept["supported"].isel(theta_e=0).values.tolist() == [False, False, True]


def test_cells_with_too_few_hosts_have_a_number_and_no_interval():
    one, _ = cube(trials="24 on 3")
    found = completeness.sky_map(one, pieces(one, np.eye(2, 35)), 8)
    assert np.isfinite(found["completeness"]).all()
    assert np.isnan(found["lower"]).all()
    assert not found["supported"].any()


@pytest.mark.parametrize("population", [False, True])
@pytest.mark.parametrize(("hosts", "trials"), [("bb 0", "even"), ("bb 0.3", "even"), ("bb 0.3", "zipf")])
def test_intervals_of_pixels_hold_truths_of_no_prior(hosts, trials, population):
    rng, shares = np.random.default_rng(5), np.array([0.35, 0.25, 0.2, 0.1, 0.06, 0.04])
    inside = []
    for seed in range(30):
        one, truth = cube(seed, hosts, trials, clustered.uniform)
        weight = mixtures(rng)
        radii = dict(zip(one["theta_e"].values, shares)) if population else None
        found = completeness.sky_map(one, pieces(one, weight), 8, radii)
        true = (weight @ truth.T) @ shares if population else weight @ truth.T
        inside.append([np.mean((found["lower"][..., i] <= true) & (true <= found["upper"][..., i])) for i in (0, 1)])
    share, error = np.mean(inside, 0), np.std(inside, 0, ddof=1) / np.sqrt(len(inside))
    assert (np.abs(share - schema.LEVELS) < 0.02 + 3 * error).all(), f"{share} +- {error}"


def test_one_half_of_the_hosts_is_predicted_from_the_other():
    """Held out: maps of either half of the hosts of every cell differ as their errors say."""
    rng, apart = np.random.default_rng(3), []
    for seed in range(25):
        _, n, k = clustered.drawn(np.random.default_rng(seed), clustered.uniform, "bb 0.1", "even", (6, 35, 1))
        halves = [clustered.counted(n[i::2], k[:, :, 0, i::2], SHAPE) for i in (0, 1)]
        maps, weight = [], mixtures(rng)
        for half in halves:
            one = completeness.posterior(half, config.Completeness())
            maps.append(completeness.sky_map(one, pieces(one, weight), 8))
        width = [(one["upper"] - one["lower"]).isel(level=0) / 2 for one in maps]
        z = (maps[0]["completeness"] - maps[1]["completeness"]) / np.hypot(*width)
        apart.append([float((abs(z) < limit).mean()) for limit in (1.0, 1.96)])
    share, error = np.mean(apart, 0), np.std(apart, 0, ddof=1) / np.sqrt(len(apart))
    assert (np.abs(share - [0.6827, 0.95]) < 0.02 + 3 * error).all(), f"{share} +- {error}"


def test_one_radius_as_a_population_is_that_radius():
    one, _ = cube()
    all_, alone = (completeness.sky_map(one, pieces(one, np.eye(4, 35)), 8, radii) for radii in (None, {1.0: 3.0}))
    row = int(np.argmin(np.abs(one["theta_e"].values - 1.0)))
    np.testing.assert_array_equal(all_["lower"][:, row], alone["lower"])
    assert alone.attrs["theta_e_weights"] == "1: 3"


def test_parts_of_bricks_keep_their_area_and_lie_where_the_brick_does():
    table = bricks(psfsize_r=np.linspace(0, 2, 64))
    found = sky_pieces.of_bricks(table, 256)
    assert found["area"].sum() == pytest.approx(table["area"].sum())
    per = found.groupby(found["psfsize_r"].fillna(0))["area"].sum()
    np.testing.assert_allclose(per, 0.0622)
    ra, dec = healpy.pix2ang(256, found["pixel"].to_numpy(), nest=True, lonlat=True)
    assert (ra > 9.8).all()
    assert (ra < 12.2).all()
    assert (dec > -5.2).all()
    assert (dec < -2.8).all()
    whole = found.groupby("pixel")["area"].sum()
    inner = whole[(whole > 0.045)]
    np.testing.assert_allclose(inner.mean(), healpy.nside2pixarea(256, degrees=True), rtol=0.02)


def test_random_points_make_the_map_that_bricks_make():
    one, _ = cube()
    rng = np.random.default_rng(0)
    table = bricks(psfsize_r=rng.choice(one["psf_fwhm"].values, 64), psfdepth_r=rng.choice(one["depth"].values, 64))
    own = completeness.sky_map(one, sky_pieces.of_bricks(table, 32), 32)
    row = rng.integers(0, 64, 60_000)
    points = pd.DataFrame(
        {
            "ra": table["ra1"].to_numpy()[row] + rng.uniform(0, 0.25, row.size),
            "dec": table["dec1"].to_numpy()[row] + rng.uniform(0, 0.25, row.size),
            "psfsize_r": table["psfsize_r"].to_numpy()[row],
            "psfdepth_r": table["psfdepth_r"].to_numpy()[row],
            "area": 64 * 0.0622 / row.size,
        }
    )
    edges = {dim: completeness.edges_of(one, dim) for dim in ("psf_fwhm", "depth")}
    parts = (points.iloc[start::3] for start in range(3))
    other = completeness.sky_map(one, sky_pieces.of_randoms(parts, 32, edges), 32)
    both = np.intersect1d(own["cell_ids"][own["area"] > 0.5], other["cell_ids"])
    assert both.size >= 2
    own, other = (one.isel(cells=np.searchsorted(one["cell_ids"].values, both)) for one in (own, other))
    np.testing.assert_allclose(own["area"], other["area"], rtol=0.06)
    np.testing.assert_allclose(own["completeness"], other["completeness"], atol=0.03)


def test_the_map_opens_in_xdggs_by_its_grid_mapping_alone(tmp_path):
    xdggs = pytest.importorskip("xdggs")
    one, _ = cube()
    found = completeness.sky_map(one, sky_pieces.of_bricks(bricks(), 64), 64)
    stores.write(tmp_path / "map.zarr", schema.SKY_MAP, found, {})
    opened = xdggs.decode(xr.open_zarr(tmp_path / "map.zarr"), convention="cf")
    assert opened.dggs.grid_info.level == 6
    assert opened.dggs.grid_info.indexing_scheme == "nested"
    ra, dec = healpy.pix2ang(64, found["cell_ids"].values.astype(int), nest=True, lonlat=True)
    np.testing.assert_allclose(opened.dggs.cell_centers()["latitude"], dec)
    np.testing.assert_allclose(opened.dggs.cell_centers()["longitude"] % 360, ra)


def test_the_grid_mapping_is_as_cf_has_it():
    one, _ = cube()
    found = completeness.sky_map(one, sky_pieces.of_bricks(bricks(), 64), 64)
    schema.SKY_MAP.check(schema.SKY_MAP.describe(found))
    assert found["healpix"].attrs == {
        "grid_mapping_name": "healpix",
        "refinement_level": 6,
        "indexing_scheme": "nested",
    }
    assert all(array.attrs["grid_mapping"] == "healpix" for array in found.data_vars.values())


def test_the_region_of_a_map_is_its_supported_pixels(tmp_path):
    MOC = pytest.importorskip("mocpy").MOC
    (tmp_path / "some.fits").write_bytes(moc.moc(np.array([5, 6, 7]), 16))
    (tmp_path / "none.fits").write_bytes(moc.moc(np.array([], int), 16))
    found = MOC.load(tmp_path / "some.fits")
    assert found.to_string() == MOC.from_string("4/5-7").to_string()
    assert moc.moc(np.array([5, 6, 7]), 16) == moc.moc(np.array([7, 6, 5]), 16)
    assert MOC.load(tmp_path / "none.fits").empty()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nside": 12}, "nside is 12, expected a power of two"),
        ({"nside": 0}, "expected a power of two"),
        ({"threshold": 1}, "the cube has 1, counted from 0"),
        ({"theta_e": {7.0: 1.0}}, "theta_e 7 is no centre of the cube"),
        ({"theta_e": {1.0: -1.0}}, "expected none negative"),
        ({"theta_e": {1.0: np.nan}}, "expected none negative"),
        ({"conditions": pd.DataFrame({"pixel": [1]})}, "lack psfsize_r, psfdepth_r, area"),
    ],
)
def test_what_makes_no_map_is_refused_by_name(change, said):
    one, _ = cube()
    given = {"conditions": pieces(one, np.eye(2, 35)), "nside": 8} | change
    with pytest.raises(InputError, match=said):
        completeness.sky_map(one, **given)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("area", -1.0, "area of the pieces is negative"),
        ("area", np.nan, "area of the pieces is negative, NaN"),
        ("pixel", 768, "a pixel of the pieces is none of nside 8"),
        ("pixel", -1, "a pixel of the pieces is none of nside 8"),
    ],
)
def test_pieces_of_no_sky_are_refused_by_name(column, value, said):
    one, _ = cube()
    with pytest.raises(InputError, match=said):
        completeness.sky_map(one, pieces(one, np.eye(2, 35)).assign(**{column: value}), 8)


def test_bricks_without_edges_or_with_edges_that_enclose_nothing_are_refused():
    with pytest.raises(InputError, match="the table of bricks lacks ra2"):
        sky_pieces.of_bricks(bricks().drop(columns="ra2"), 64)
    with pytest.raises(InputError, match="1 of 64 bricks have edges that enclose nothing"):
        sky_pieces.of_bricks(bricks(dec2=np.r_[-90.0, np.full(63, 0.0)]), 64)


def test_a_cube_without_its_hosts_gives_radii_and_no_population():
    one, _ = cube()
    bare = one.drop_dims("host")
    assert completeness.sky_map(bare, pieces(one, np.eye(2, 35)), 8).sizes["theta_e"] == 6
    with pytest.raises(InputError, match="without the counts of its hosts"):
        completeness.sky_map(bare, pieces(one, np.eye(2, 35)), 8, {0.5: 1.0, 1.0: 1.0})


@pytest.mark.parametrize("wide", [False, True])
def test_the_picture_of_a_map_shows_its_numbers(wide):
    one, _ = cube()
    table = bricks(psfdepth_r=22.5)
    if wide:
        table = table.assign(ra1=np.linspace(0, 300, 64), dec1=np.linspace(-60, 30, 64)).eval("ra2=ra1+2\ndec2=dec1+2")
    found = completeness.sky_map(one, sky_pieces.of_bricks(table, 32), 32)
    with style.styled():
        figure = sky.draw(found, 1.0)
        first, second = style.png(sky.draw(found, 1.0)), style.png(figure)
    assert first == second
    shown = [image.get_array().compressed() for image in figure.axes[0].images][-1]
    row = int(np.argmin(np.abs(found["theta_e"].values - 1.0)))
    assert set(np.unique(np.round(shown, 6))) == set(np.unique(np.round(found["completeness"].values[:, row], 6)))


def test_a_selection_function_has_the_map_of_its_cube_by_bricks_by_points_and_by_pieces():
    one, _ = cube()
    made = lc.SelectionFunction.from_run(one)
    table = bricks()
    wanted = completeness.sky_map(one, sky_pieces.of_bricks(table, 64), 64)
    for conditions in (table, sky_pieces.of_bricks(table, 64)):
        xr.testing.assert_allclose(made.sky_map(conditions, 64), wanted)
    points = pd.DataFrame({"ra": [10.1, 10.2], "dec": [0.1, 0.2], "psfsize_r": [1.1, 1.2], "psfdepth_r": [23.0, 23.0]})
    by_points = made.sky_map(points.assign(area=0.001), 64)
    assert by_points["area"].sum() == pytest.approx(0.002)
    assert {"cells", "theta_e"} == set(by_points["completeness"].dims)
    with pytest.raises(InputError, match="the conditions lack psfdepth_r, area; expected bricks"):
        made.sky_map(points.drop(columns="psfdepth_r"), 64)
    with pytest.raises(InputError, match="expected cells along theta_e, psf_fwhm, depth"):
        made.marginalise("depth", "area").sky_map(table, 64)
    merged = one.assign(merge_group=xr.zeros_like(one["area"], dtype=int))
    with pytest.raises(InputError, match="share the trials"):
        completeness.sky_map(merged, sky_pieces.of_bricks(table, 64), 64)
