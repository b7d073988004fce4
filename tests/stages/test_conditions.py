"""The plane of seeing and depth holds all the area, and the recommended grid leaves out what it says, no more."""

import re

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

from lenscal import completeness, config
from lenscal.audit import Run
from lenscal.audit.given import held
from lenscal.audit.stages import STAGES
from lenscal.cli import app
from lenscal.completeness import conditions
from lenscal.gates import FAIL, PASS
from lenscal.io.randoms import heads, read_randoms
from lenscal.io.stores import StoreError
from lenscal.io.sweeps import SweepError, SweepFile

STEP = {"psf_fwhm": 0.15, "depth": 0.5}


@pytest.fixture
def bricks():
    rng = np.random.default_rng(2)
    n = 4000
    return pd.DataFrame(
        {
            "psfsize_r": rng.normal(1.35, 0.15, n),
            "psfdepth_r": rng.normal(24.4, 0.4, n),
            "area": rng.uniform(0, 0.06, n),
        }
    )


def test_the_plane_holds_all_the_area_and_agrees_with_the_occupancy_of_the_cube(bricks):
    grid = config.Grid()
    plane = conditions.plane(bricks, grid.psf_fwhm, grid.depth)
    assert plane.to_numpy().sum() == pytest.approx(bricks["area"].sum())
    hosts = pd.DataFrame({"psf_fwhm": [], "depth": []})
    cube = completeness.occupancy(bricks, hosts, grid)
    np.testing.assert_allclose(plane.iloc[1:-1, 1:-1].to_numpy(), cube["area"].values)
    assert plane.to_numpy().sum() - plane.iloc[1:-1, 1:-1].to_numpy().sum() == pytest.approx(
        cube.attrs["area_total"] - cube.attrs["area_inside"]
    )


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
        np.testing.assert_allclose(
            axes[name].centres / STEP[name], np.round(axes[name].centres / STEP[name]), atol=1e-6
        )


def test_bricks_without_conditions_are_left_out_and_nothing_at_all_is_refused(bricks):
    some = bricks.assign(psfsize_r=np.where(np.arange(len(bricks)) % 2, np.nan, bricks["psfsize_r"]))
    grid = config.Grid()
    assert conditions.plane(some, grid.psf_fwhm, grid.depth).to_numpy().sum() == pytest.approx(
        bricks["area"][::2].sum()
    )
    with pytest.raises(ValueError, match="none of 4000 has seeing"):
        conditions.recommended(bricks.assign(psfsize_r=np.nan), STEP)
    with pytest.raises(ValueError, match="negative number or NaN"):
        conditions.plane(bricks.assign(area=-1.0), grid.psf_fwhm, grid.depth)


def points_of(folder, bricks, number, density, card=True):
    """A file of random points as the survey writes one: so many to the square degree of each brick, its conditions
    at each, the order mixed.
    """
    rng = np.random.default_rng(number)
    row = rng.permutation(np.repeat(np.arange(len(bricks)), np.round(bricks["area"] * density).astype(int)))
    size, depth = bricks["psfsize_r"].to_numpy()[row], 25 * 10 ** (0.8 * (bricks["psfdepth_r"].to_numpy()[row] - 22.5))
    columns = {
        "RELEASE": np.full(row.size, 10000, ">i2"),
        "BRICKID": row.astype(">i4"),
        "RA": (0.9 * row).astype(">f8"),
        "DEC": np.full(row.size, 1.0, ">f8"),
        "NOBS_R": np.isfinite(size).astype(">i2"),
        "PSFSIZE_R": np.nan_to_num(size).astype(">f4"),
        "PSFDEPTH_R": np.nan_to_num(depth).astype(">f4"),
    }
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
    said = CliRunner().invoke(
        app, ["conditions", str(run_file(tmp_path)), *(part for path in paths for part in ("--randoms", str(path)))]
    )
    assert f"{bricks['area'].sum():.2f} in all" in said.output
    assert f"without conditions in r {bricks['area'][:10].sum() / bricks['area'].sum():.1%}" in said.output


def region(path, ra, dec, count=600, density=2500.0, unit=None, seed=1, ordered=False):
    """Random points of one region, their conditions known."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(*ra, count), rng.uniform(*dec, count)
    values = {
        "RA": np.sort(place[0]) if ordered else place[0],
        "DEC": place[1],
        "PSFSIZE_R": np.full(count, 1.3),
        "PSFDEPTH_R": np.full(count, 500.0),
    }
    columns = [
        fits.Column(n, "D" if n in ("RA", "DEC") else "E", unit=unit if n == "PSFDEPTH_R" else None, array=v)
        for n, v in values.items()
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["DENSITY"] = density
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


A, B = {"ra": (150, 150.5), "dec": (10, 10.5)}, {"ra": (200, 200.5), "dec": (-3, -2.5)}
TOGETHER = {
    "one file": ([A], 600),
    "two files of one region": ([A, A], 600),
    "two regions": ([A, B], 1200),
    "two regions, one twice": ([A, B, A], 1200),
    "one region, other densities": ([A, A | {"density": 1250.0, "count": 300}], 600),
    "three regions": ([A, B, {"ra": (359.7, 360), "dec": (0, 0.5)}], 1800),
    "one region, in order of RA": ([A | {"ordered": True}, A], 600),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_random_points_of_several_files_stand_for_the_area_of_their_union(tmp_path, case):
    regions, points = TOGETHER[case]
    paths = [region(tmp_path / f"randoms-{i}.fits", **{"seed": i, **one}) for i, one in enumerate(regions)]
    parts = pd.concat(read_randoms(paths))
    assert parts["area"].sum() == pytest.approx(points / 2500, rel=0.02)
    assert conditions.of_randoms(read_randoms(paths))["area"].sum() == pytest.approx(points / 2500, rel=0.02)


@pytest.mark.parametrize("case", TOGETHER)
def test_a_file_of_random_points_is_opened_once_whatever_is_asked_of_it(tmp_path, case, monkeypatch):
    paths = [region(tmp_path / f"randoms-{i}.fits", **{"seed": i, **one}) for i, one in enumerate(TOGETHER[case][0])]
    opened, way_in = [], SweepFile.__init__
    monkeypatch.setattr(
        SweepFile, "__init__", lambda file, path, *more: (opened.append(path), way_in(file, path, *more))[1]
    )
    pd.concat(read_randoms(paths))
    assert opened == paths


@pytest.mark.parametrize("unit", ["1/nanomaggy^2", "nanomaggies^(-2)", "nanomaggy-2"])
def test_depths_of_random_points_go_by_the_unit_of_their_file(tmp_path, unit):
    path = region(tmp_path / "a.fits", **A, unit=unit)
    np.testing.assert_allclose(conditions.of_randoms(read_randoms([path]))["psfdepth_r"].dropna(), 24.126, atol=2e-3)
    wrong = region(tmp_path / "b.fits", **A, unit="mag")
    with pytest.raises(ValueError, match="600 of 600 depths can be no magnitudes, and their file says that they are"):
        conditions.of_randoms(read_randoms([wrong]))
    with pytest.raises(SweepError, match="PSFDEPTH_R is in 'nanomaggy', expected 1/nanomaggy"):
        conditions.of_randoms(read_randoms([region(tmp_path / "c.fits", **A, unit="nanomaggy")]))


def run_file(folder):
    path = folder / "run.yaml"
    path.write_text(
        f"name: points\nseed: 1\nstores: {folder / 'stores'}\nsurvey: {{root: {folder}}}\nobjects: {{lenses: []}}\n"
    )
    return path


def test_depths_of_random_points_may_be_magnitudes_and_points_of_no_known_density_are_refused(tmp_path, bricks):
    points = pd.DataFrame({"psfsize_r": [1.2, 1.4, 0.0], "psfdepth_r": [24.0, 24.5, 0.0], "area": 0.1})
    np.testing.assert_allclose(conditions.of_randoms([points])["psfdepth_r"], [24.0, 24.5, np.nan], atol=1e-3)
    inverse = points.assign(psfdepth_r=[1000.0, 1.0, 0.0])
    np.testing.assert_allclose(conditions.of_randoms([inverse])["psfdepth_r"], [24.5027, 20.7526, np.nan], atol=1e-3)
    with pytest.raises(ValueError, match="some are inverse variances and of others magnitudes"):
        conditions.of_randoms([points, inverse])
    path = points_of(tmp_path, bricks.iloc[:9], 3, 2500, card=False)
    with pytest.raises(
        SweepError,
        match=(
            r"randoms-1-3\.fits' \([\d,]+ rows\) has DENSITY None in its header; "
            r".*survey\.randoms_density, or --density"
        ),
    ):
        next(read_randoms([path]))
    assert next(read_randoms([path], 2500.0))["area"].iloc[0] == 1 / 2500
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(SweepError, match=r"randoms-1-3\.fits' .*truncated: \d+ of the [\d,]+ rows"):
        next(read_randoms([path], 2500.0))


def test_another_density_than_that_of_the_header_is_refused(tmp_path):
    path = region(tmp_path / "a.fits", **A)
    for ask in (heads, lambda *given: next(read_randoms(*given))):
        ask([path], 2500.0)
        with pytest.raises(
            SweepError, match=r"has DENSITY 2500 in its header, and 5000 points .* are given \(survey\.ran"
        ):
            ask([path], 5000.0)


@pytest.mark.parametrize(
    ("survey", "photsys"),
    [
        ({}, "S"),
        ({"layer": "of-my-own"}, "S"),
        ({"layer": "ls-dr9-north"}, "N"),
        ({"layer": "north-of-my-own"}, None),
        ({"layout": "dr11", "region": "north"}, "N"),
        ({"region": "south"}, "S"),
    ],
)
def test_a_run_that_names_no_region_counts_the_points_of_its_layer(tmp_path, survey, photsys):
    path = region(tmp_path / "a.fits", **A)
    table = Table.read(path)
    table["PHOTSYS"] = np.where(np.arange(len(table)) % 3 == 0, "N", "S")
    table.meta["DENSITY"] = 2500.0
    table.write(path, overwrite=True)
    release = config.Survey(root=str(tmp_path), **survey).of_points
    assert getattr(release, "photsys", None) == photsys
    count = sum(map(len, read_randoms([path], release=release)))
    assert count == {"S": 400, "N": 200, None: 600}[photsys]


def test_points_together_are_the_points_one_by_one_however_they_are_cut(bricks):
    points = bricks.iloc[:3000].assign(area=0.01)
    points.loc[:99, "psfdepth_r"] = 0.0
    whole = conditions.of_randoms([points])
    parts = conditions.of_randoms(points.iloc[start : start + 700] for start in range(0, 3000, 700))
    pd.testing.assert_frame_equal(whole, parts)
    grid = config.Grid()
    one_by_one = conditions.plane(conditions.of_bricks(points), grid.psf_fwhm, grid.depth)
    pd.testing.assert_frame_equal(conditions.plane(whole, grid.psf_fwhm, grid.depth), one_by_one)
    assert whole["area"].sum() == pytest.approx(30.0)
    assert whole.loc[whole["psfsize_r"].isna(), "area"].sum() == pytest.approx(1.0)


def test_bricks_that_were_never_seen_are_area_without_conditions_not_below_the_grid(bricks):
    never = bricks.assign(psfsize_r=0.0, psfdepth_r=0.0).iloc[:500]
    table, grid = conditions.of_bricks(pd.concat([bricks, never], ignore_index=True)), config.Grid()
    pd.testing.assert_frame_equal(
        conditions.plane(table, grid.psf_fwhm, grid.depth), conditions.plane(bricks, grid.psf_fwhm, grid.depth)
    )
    cube = completeness.occupancy(table, pd.DataFrame({"psf_fwhm": [], "depth": []}), grid)
    assert cube.attrs["area_without_conditions"] == pytest.approx(never["area"].sum())
    with pytest.raises(
        ValueError,
        match=r"4,000 rows without psfsize_r, psfdepth_r; expected those of survey-bricks-dr10-south.*survey\.randoms",
    ):
        conditions.of_bricks(bricks[["area"]])
    with pytest.raises(ValueError, match=r"psfdepth_r of 7 of 4,000 bricks is no magnitude \(up to 900\)"):
        conditions.of_bricks(
            bricks.assign(psfdepth_r=np.where(np.arange(len(bricks)) < 7, 900.0, bricks["psfdepth_r"]))
        )


def test_the_area_of_a_run_is_that_of_its_random_points_where_it_names_some(tmp_path, bricks):
    survey = bricks.iloc[:300].assign(area=np.random.default_rng(5).choice([0.02, 0.04, 0.06], 300))
    survey["psfdepth_r"] += 1.0  # deeper than the table of bricks below says
    points_of(tmp_path, survey, 0, 100)
    path = run_file(tmp_path)
    named = tmp_path / "named.yaml"
    named.write_text(path.read_text().replace("survey: {", "survey: {randoms: [randoms-1-0.fits], "))
    write_bricks(tmp_path, bricks.iloc[:300])
    settings = config.load(named)
    assert settings.survey.randoms == [str(tmp_path / "randoms-1-0.fits")]
    places = Run(config.load(path)), Run(settings)
    grid = settings.injections.grid
    hosts = pd.DataFrame({"psf_fwhm": [], "depth": []})
    by_bricks, by_points = (
        completeness.occupancy(sky := place.sky(), hosts, grid).assign_attrs(sky.attrs) for place in places
    )
    assert by_bricks.attrs["area_from"] == "table of bricks"
    assert by_points.attrs["area_from"] == "random points: randoms-1-0.fits"
    assert by_points.attrs["area_total"] == pytest.approx(survey["area"].sum())
    gates = [completeness.occupancy_gate(found, settings.completeness) for found in (by_bricks, by_points)]
    direct = (
        survey.loc[
            (survey["psfdepth_r"] >= 24.75) | (survey["psfsize_r"] < 0.825) | (survey["psfsize_r"] >= 1.875), "area"
        ].sum()
        / survey["area"].sum()
    )
    assert [gate.verdict for gate in gates] == [FAIL if gates[0].value > 0.1 else PASS, FAIL]
    assert gates[1].value == pytest.approx(direct, abs=1e-6)
    assert gates[1].value > gates[0].value
    assert "from random points: randoms-1-0.fits; psf below" in gates[1].evidence
    stage = STAGES["completeness"]
    assert stage.inputs(places[0]) != stage.inputs(places[1])
    assert held(places[0], "objects") == held(places[1], "objects")  # nothing else is done again
    said = [CliRunner().invoke(app, ["conditions", str(file)]).output for file in (path, named)]
    assert "from table of bricks" in said[0]
    assert "from random points: randoms-1-0.fits" in said[1]
    refused = CliRunner().invoke(app, ["conditions", str(named), "--density", "100"])
    assert refused.exit_code == 1
    assert "survey.randoms_density" in refused.stderr
    (tmp_path / "randoms-1-0.fits").unlink()
    with pytest.raises(StoreError, match=r"randoms-1-0\.fits' is missing; correct survey\.randoms"):
        stage.inputs(places[1])


def write_bricks(folder, bricks):
    names = [f"{i:04d}p000" for i in range(len(bricks))]
    where = {"BRICKNAME": names, "RA": np.arange(len(bricks)) * 0.25, "DEC": np.zeros(len(bricks))}
    Table(where).write(folder / "survey-bricks.fits.gz")
    (folder / "south").mkdir()
    Table({**where, **{name: bricks[name.lower()] for name in ("PSFSIZE_R", "PSFDEPTH_R", "AREA")}}).write(
        folder / "south" / "survey-bricks-dr10-south.fits.gz"
    )


def test_random_points_of_stamps_are_refused(tmp_path):
    with pytest.raises(ValueError, match="randoms are points of a survey, and layout is 'stamps'"):
        config.Survey(layout="stamps", root="x", randoms=["a.fits"])


def test_real_dr10_regions_need_a_deeper_grid_than_the_seed(real):
    table = pd.read_csv(real / "conditions" / "dr10_region_conditions.csv.gz")
    table = table[(table["median_psf_r_arcsec"] > 0) & (table["median_psfdepth_r"] > 0)]
    bricks = pd.DataFrame(
        {
            "psfsize_r": table["median_psf_r_arcsec"],
            "psfdepth_r": table["median_psfdepth_r"],
            "area": table["total_area_deg2"],
        }
    )
    grid = config.Grid()
    plane = conditions.plane(bricks, grid.psf_fwhm, grid.depth)
    deeper = plane["above"].sum() / plane.to_numpy().sum()
    direct = bricks.loc[bricks["psfdepth_r"] >= 24.75, "area"].sum() / bricks["area"].sum()
    assert deeper == pytest.approx(direct)
    assert 0.2 < deeper < 0.6
    axes = conditions.recommended(bricks, STEP)
    assert axes["depth"].stop > grid.depth.stop


def test_areas_of_a_tiny_field_are_shown_with_three_digits(tmp_path, bricks):
    write_bricks(tmp_path, bricks.iloc[:300].assign(area=1.234e-7))
    told = CliRunner().invoke(app, ["conditions", str(run_file(tmp_path))]).output
    assert "0.00003702 in all" in told
    shown = sum(float(cell) for cell in re.findall(r" (0\.0\d{7})\b", told.partition("inside the grid")[0]))
    assert shown == pytest.approx(2 * 3.70e-5, rel=0.05), "the cells, and what they come to"
