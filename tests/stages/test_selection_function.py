"""Completeness from a table is the run's: the same counts and posterior, whatever the columns are called, with
every trial accounted for.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy import units as u
from scipy.stats import beta

import lenscal as lc
from lenscal import completeness, config, schema

HASH = "ab" * 32
UNITS = {"theta_e": "arcsec", "psf_fwhm": "arcsec", "depth": "mag(AB)"}
CENTRES = {"theta_e": [1.0, 1.5, 2.0], "psf_fwhm": [1.1, 1.4], "depth": [23.5, 24.0]}
EDGES = {"theta_e": [0.75, 1.25, 1.75, 2.25], "psf_fwhm": [0.95, 1.25, 1.55], "depth": [23.25, 23.75, 24.25]}
SETTINGS = config.Completeness(trials_min=20, hosts_min=5)
SAME = (
    "n_injected",
    "n_failed",
    "n_detected",
    "n_hosts",
    "n_effective",
    "design_effect",
    "hosts_effective",
    "fraction_detected",
    "completeness",
    "lower",
    "upper",
    "sufficient",
)


def run_of(seed=1, trials=24, hosts=6):
    """Injections, scores and thresholds as a run has them; one cell without hosts, one trial failed."""
    rng = np.random.default_rng(seed)
    coords = {dim: (dim, np.array(values), {"units": UNITS[dim]}) for dim, values in CENTRES.items()}
    shape = (3, 2, 2)
    cell = np.arange(4).reshape(1, 2, 2, 1)
    host = np.broadcast_to(10**13 + cell * 100 + np.arange(trials) % hosts, (*shape, trials)).copy()
    mood = rng.normal(size=10_000)[host % 10_000]
    score = (rng.normal(size=host.shape) + mood + coords["theta_e"][1][:, None, None, None] - 1.5).astype("f4")
    host[:, -1, -1], score[:, -1, -1], score[0, 0, 0, 3] = -1, np.nan, np.nan
    failure = np.where(np.isnan(score), "no host", "").astype(object)
    injections = schema.INJECTIONS.describe(
        xr.Dataset({"galaxy_id": (schema.TRIAL, host), "failure": (schema.TRIAL, failure)}, coords)
    )
    scores = {
        "galaxy_id": (schema.TRIAL, host),
        "score": (schema.TRIAL, score),
        "probability": (schema.TRIAL, score * 0),
    }
    scores = schema.SCORES_INJECTIONS.describe(xr.Dataset(scores, coords, {"detector_hash": HASH}))
    thresholds = xr.Dataset(
        coords={"threshold": [0.0], "false_positive_rate": ("threshold", [0.01])}, attrs={"detector_hash": HASH}
    )
    for name in thresholds.variables:
        thresholds[name].attrs["units"] = "1"
    return injections, scores, thresholds


def table_of(scores, threshold=0.0):
    """The same trials, one row each, in an order of its own."""
    frame = scores["score"].to_dataframe().reset_index()
    frame["host"] = scores["galaxy_id"].to_dataframe()["galaxy_id"].to_numpy()
    frame["found"] = np.where(np.isfinite(frame["score"]), frame["score"] >= threshold, np.nan)
    return frame.drop(columns=["score", "trial"]).sample(frac=1, random_state=3)


@pytest.fixture(scope="module")
def cube():
    return completeness.posterior(completeness.count(*run_of(), SETTINGS), SETTINGS)


@pytest.fixture
def table():
    return table_of(run_of()[1])


def assert_same(found, cube):
    for name in SAME:
        one = found[name].transpose(..., *[dim for dim in ("quantile", "level") if dim in found[name].dims]).values
        np.testing.assert_array_equal(one, cube[name].isel(threshold=0, missing_dims="ignore").values, err_msg=name)
    assert found["status"].values.tolist() == cube["status"].isel(threshold=0, missing_dims="ignore").values.tolist()


@pytest.mark.parametrize(
    ("prior", "interval"), list(itertools.product(["jeffreys", "uniform"], ["equal-tailed", "hpd", "wilson"]))
)
def test_a_table_gives_the_cube_of_the_run_to_the_bit(table, prior, interval):
    settings = config.Completeness(trials_min=20, hosts_min=5, prior=prior, interval=interval)
    cube = completeness.posterior(completeness.count(*run_of(), SETTINGS), settings)
    assert_same(lc.SelectionFunction.from_table(table, EDGES, settings=settings).cube, cube)


def test_names_of_columns_and_hosts_do_not_matter(table, cube):
    other = table.rename(
        columns={"theta_e": "size", "psf_fwhm": "seeing", "depth": "noise", "found": "hit", "host": "galaxy"}
    )
    other["galaxy"] = "galaxy " + other["galaxy"].astype(str)
    other["hit"] = other["hit"].map({1.0: True, 0.0: False})
    edges = dict(zip(("size", "seeing", "noise"), EDGES.values()))
    found = lc.SelectionFunction.from_table(other, edges, found="hit", host="galaxy", settings=SETTINGS)
    assert_same(found.cube, cube)
    assert found.cube["completeness"].dims == ("size", "seeing", "noise", "quantile")


def test_rows_of_several_trials_count_as_these_trials(table):
    counted = (
        table.dropna(subset="found")
        .groupby(["theta_e", "psf_fwhm", "depth", "host"])["found"]
        .agg(["sum", "count"])
        .reset_index()
    )
    many = lc.SelectionFunction.from_table(counted, EDGES, found="sum", trials="count", settings=SETTINGS).cube
    one = lc.SelectionFunction.from_table(table.dropna(subset="found"), EDGES, settings=SETTINGS).cube
    xr.testing.assert_identical(many, one)


@pytest.mark.parametrize(
    "axes",
    [
        ["theta_e"],
        ["theta_e", "psf_fwhm"],
        ["theta_e", "psf_fwhm", "depth"],
        ["theta_e", "psf_fwhm", "depth", "colour"],
    ],
)
def test_any_number_of_axes_counts_every_trial_once(table, axes):
    table = table.assign(colour=np.where(table["host"] % 2, 0.5, 1.5))
    edges = {name: (EDGES | {"colour": [0.0, 1.0, 2.0]})[name] for name in axes}
    cube = lc.SelectionFunction.from_table(table, edges, settings=SETTINGS).cube
    assert cube["completeness"].dims == (*axes, "quantile")
    known = table["found"].notna()
    assert int(cube["n_injected"].sum()) == known.sum()
    assert int(cube["n_detected"].sum()) == table["found"].sum()
    assert int(cube["n_failed"].sum()) == (~known).sum()
    for index in np.ndindex(*(len(edges[name]) - 1 for name in axes)):
        inside = known.copy()
        for name, i in zip(axes, index):
            inside &= (table[name] >= edges[name][i]) & (table[name] < edges[name][i + 1])
        assert cube["n_injected"].values[index] == inside.sum()
        assert cube["n_hosts"].values[index] == table["host"][inside].nunique()


def test_trials_outside_of_the_axes_are_counted_and_in_no_cell(table):
    found = lc.SelectionFunction.from_table(
        table, {"theta_e": [0.75, 1.25], "psf_fwhm": [0.95, 1.25]}, settings=SETTINGS
    ).cube
    assert found.attrs["outside"] + int(found["n_injected"].sum() + found["n_failed"].sum()) == len(table)
    assert found.attrs["outside"] > 0


def test_a_bin_holds_its_lower_edge_and_not_its_upper_one():
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "found": [1, 1, 0], "host": [1, 2, 3]})
    cube = lc.SelectionFunction.from_table(table, {"x": [1.0, 2.0, 3.0]}).cube
    assert cube["n_injected"].values.tolist() == [1, 1]
    assert cube.attrs["outside"] == 1


def test_trials_with_hosts_of_their_own_are_plain_binomials():
    table = pd.DataFrame({"x": np.repeat([0.5, 1.5], 100), "found": np.tile([1, 0, 0, 1, 1], 40)})
    cube = lc.SelectionFunction.from_table(table, {"x": [0, 1, 2]}, host=None).cube
    np.testing.assert_allclose(cube["design_effect"], 1)
    np.testing.assert_allclose(cube["completeness"].sel(quantile=0.5), beta(60.5, 40.5).median(), rtol=1e-9)


def test_trials_of_alike_hosts_tell_less():
    rng = np.random.default_rng(5)
    host = np.repeat(np.arange(60), 20)
    table = pd.DataFrame({"x": 0.5, "found": rng.random(60)[host] < 0.5, "host": host})
    own, alike = (
        lc.SelectionFunction.from_table(table, {"x": [0, 1]}, host=name).query({"x": 0.5}).iloc[0]
        for name in (None, "host")
    )
    assert alike["upper"] - alike["lower"] > 3 * (own["upper"] - own["lower"])


def test_weights_are_those_of_hosts_in_a_population():
    rng = np.random.default_rng(6)
    host = np.repeat(np.arange(100), 10)
    table = pd.DataFrame(
        {
            "x": 0.5,
            "host": host,
            "found": rng.random(1000) < np.where(host < 50, 0.2, 0.8),
            "w": np.where(host < 50, 3.0, 1.0),
        }
    )
    cube = lc.SelectionFunction.from_table(table, {"x": [0, 1]}, weight="w").cube
    assert float(cube["fraction_detected"][0]) == pytest.approx(np.average(table["found"], weights=table["w"]))
    even = lc.SelectionFunction.from_table(table.assign(w=7.0), {"x": [0, 1]}, weight="w").cube
    xr.testing.assert_identical(even, lc.SelectionFunction.from_table(table, {"x": [0, 1]}).cube)


def test_a_query_gives_the_cell_its_interval_and_its_status(table, cube):
    selection = lc.SelectionFunction.from_table(table, EDGES, settings=SETTINGS)
    points = pd.DataFrame(
        {
            "theta_e": [1.0, 1.5, 1.0, 9.0, np.nan],
            "psf_fwhm": [1.1, 1.4, 1.4, 1.1, 1.1],
            "depth": [23.5, 23.5, 24.0, 23.5, 23.5],
        }
    )
    for level in (0.6827, 0.95):
        found = selection.query(points, level, outside="nan")
        assert found["status"].tolist()[2:] == ["no data", "outside", "nan"]
        assert found[["completeness", "lower", "upper"]].isna().all(axis=1).tolist() == [False, False, True, True, True]
        at = cube.isel(threshold=0).sel(theta_e=1.5, psf_fwhm=1.4, depth=23.5)
        assert found.loc[1, ["completeness", "lower", "upper"]].tolist() == [
            float(at.completeness.sel(quantile=0.5)),
            float(at.lower.sel(level=level)),
            float(at.upper.sel(level=level)),
        ]


def test_points_broadcast_and_may_have_units(table):
    edges = {"theta_e": EDGES["theta_e"] * u.arcsec, "psf_fwhm": EDGES["psf_fwhm"], "depth": EDGES["depth"]}
    selection = lc.SelectionFunction.from_table(table, edges, settings=SETTINGS)
    assert selection.cube["theta_e"].attrs["units"] == "arcsec"
    plain = selection.query({"theta_e": [1.0, 1.5], "psf_fwhm": 1.1, "depth": 23.5})
    pd.testing.assert_frame_equal(
        selection.query({"theta_e": [1000, 1500] * u.mas, "psf_fwhm": 1.1, "depth": 23.5}), plain
    )
    with pytest.raises(ValueError, match="query: theta_e is in m, which cannot be converted to arcsec"):
        selection.query({"theta_e": 1 * u.m, "psf_fwhm": 1.1, "depth": 23.5})


def test_a_runs_cube_gives_what_its_own_query_gives(cube):
    selection = lc.SelectionFunction.from_run(cube)
    found = selection.query({"theta_e": [0.8, 1.5, 9.0], "psf_fwhm": 1.1, "depth": 23.5}, outside="nan")
    np.testing.assert_array_equal(found["completeness"], completeness.query(cube, [0.8, 1.5, 9.0], 1.1, 23.5))
    assert found["status"].tolist()[-1] == "outside"
    table = lc.SelectionFunction.from_table(table_of(run_of()[1]), EDGES, settings=SETTINGS)
    again = table.query({"theta_e": [0.8, 1.5, 9.0], "psf_fwhm": 1.1, "depth": 23.5}, outside="nan")
    pd.testing.assert_frame_equal(again, found)


def test_total_intervals_are_told_where_the_cube_has_them(cube):
    wider = cube.assign(total_lower=cube["lower"] / 2, total_upper=(1 + cube["upper"]) / 2)
    found = lc.SelectionFunction.from_run(wider).query({"theta_e": 1.5, "psf_fwhm": 1.1, "depth": 23.5})
    assert found["total_lower"][0] == found["lower"][0] / 2
    assert found["total_upper"][0] == (1 + found["upper"][0]) / 2


def test_a_million_points_are_read_off_in_one_go(table):
    rng = np.random.default_rng(0)
    points = {"theta_e": rng.uniform(0.5, 2.5, 10**6), "psf_fwhm": rng.uniform(0.9, 1.6, 10**6), "depth": 23.5}
    found = lc.SelectionFunction.from_table(table, EDGES, settings=SETTINGS).query(points, outside="nan")
    assert len(found) == 10**6
    assert set(found["status"]) == {"sufficient", "insufficient", "outside"} & set(found["status"])


def frame(**change):
    return pd.DataFrame(
        {"x": [0.1, 0.5, 0.9], "found": [1.0, 0.0, 1.0], "host": [1, 1, 2], "n": [2, 2, 2], "w": [1.0, 1.0, 2.0]}
        | change
    )


AXES = {"x": [0.0, 1.0]}
REFUSED = {
    "column": (
        (frame().drop(columns="found"), AXES),
        {},
        "the table lacks the column found; its columns are x, host, n, w",
    ),
    "axis": ((frame(), {"y": [0, 1]}), {}, "lacks the column y"),
    "host column": ((frame().drop(columns="host"), AXES), {}, "lacks the column host"),
    "weight column": ((frame(), AXES), {"weight": "mass"}, "lacks the column mass"),
    "trials column": ((frame(), AXES), {"trials": "tries"}, "lacks the column tries"),
    "no table": (([[1, 2]], AXES), {}, "the table is a list, expected a pandas DataFrame"),
    "k above n": (
        (frame(found=[3, 1, 1]), AXES),
        {"trials": "n"},
        r"row 0 has 3 found of 2 trials \(1 such rows\); expected found at most trials",
    ),
    "k above one": ((frame(found=[3, 1, 1]), AXES), {}, "1 of 3 rows of 'found' are neither found"),
    "negative": ((frame(found=[-1, 1, 1]), AXES), {"trials": "n"}, "'found' holds -1, expected whole numbers"),
    "broken number": ((frame(n=[2.5, 2, 2]), AXES), {"trials": "n"}, "'n' holds 2.5, expected whole numbers"),
    "trials nan": ((frame(n=[np.nan, 2, 2]), AXES), {"trials": "n"}, "'n' is not finite in 1 of 3"),
    "found text": (
        (frame(found=["yes", "no", "no"]), AXES),
        {},
        "the column 'found' holds 'yes', expected true or false",
    ),
    "axis nan": ((frame(x=[np.nan, 0.5, 0.9]), AXES), {}, "'x' is not finite in 1 of 3 places"),
    "axis nan everywhere": ((frame(x=[np.nan] * 3), AXES), {}, "'x' is not finite in 3 of 3 places"),
    "axis text": ((frame(x=["a", "b", "c"]), AXES), {}, "expected numbers"),
    "host unknown": (
        (frame(host=[None, 1, 2]), AXES),
        {},
        "1 of 3 rows have no 'host'; name the host of each trial, or pass host=None",
    ),
    "weights negative": ((frame(w=[-1.0, -1.0, 2.0]), AXES), {"weight": "w"}, "2 rows of 'w' are negative"),
    "weights nan": ((frame(w=[np.nan, 1.0, 2.0]), AXES), {"weight": "w"}, "'w' is not finite"),
    "weights in a host": ((frame(w=[1.0, 2.0, 2.0]), AXES), {"weight": "w"}, "'w' changes within a host"),
    "no axes": ((frame(), {}), {}, "axes are missing"),
    "axes a list": ((frame(), ["x"]), {}, "axes are missing"),
    "one edge": ((frame(), {"x": [0.0]}), {}, "expected two rising numbers or more"),
    "falling edges": ((frame(), {"x": [1.0, 0.0]}), {}, "expected two rising numbers or more"),
    "edges nan": ((frame(), {"x": [0.0, np.nan]}), {}, "expected two rising numbers or more"),
    "all failed": ((frame(found=[np.nan] * 3), AXES), {}, "none of the 3 rows holds a trial within the axes x"),
    "all outside": ((frame(), {"x": [5.0, 6.0]}), {}, "widen the edges"),
    "empty": ((frame().head(0), AXES), {}, "none of the 0 rows"),
}


@pytest.mark.parametrize("bad", REFUSED)
def test_tables_that_tell_no_completeness_are_refused(bad):
    arguments, options, message = REFUSED[bad]
    with pytest.raises(ValueError, match=message):
        lc.SelectionFunction.from_table(*arguments, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s, cube: s.query({"theta_e": 1.0}),
            "the points lack psf_fwhm, depth; expected theta_e, psf_fwhm, depth",
        ),
        (
            lambda s, cube: s.query({"theta_e": [1.0, 2.0], "psf_fwhm": [1.0, 1.1, 1.2], "depth": 23.5}),
            "shapes that do not broadcast",
        ),
        (
            lambda s, cube: s.query({"theta_e": 1.0, "psf_fwhm": 1.1, "depth": 23.5}, level=0.9),
            "the level is 0.9, the cube has 0.6827, 0.95",
        ),
        (
            lambda s, cube: s.query({"theta_e": "large", "psf_fwhm": 1.1, "depth": 23.5}),
            "theta_e holds 'large', expected numbers",
        ),
        (
            lambda s, cube: lc.SelectionFunction.from_run(cube, threshold=1),
            "threshold is 1, the cube has 1, counted from 0",
        ),
        (
            lambda s, cube: lc.SelectionFunction.from_run(cube, population="elliptical"),
            "population 'survey' alone, not of 'elliptical'",
        ),
        (
            lambda s, cube: lc.SelectionFunction.from_run(cube.drop_vars("lower")),
            "the Dataset lacks lower, expected the completeness of a run",
        ),
    ],
)
def test_questions_that_have_no_answer_are_refused(call, message, cube):
    with pytest.raises(ValueError, match=message):
        call(lc.SelectionFunction.from_run(cube), cube)


def test_host_ids_that_floats_merge_are_refused_by_name(table):
    ids = table.assign(host=table["host"] - table["host"].min() + 39627788403084375)
    lc.SelectionFunction.from_table(ids, EDGES)
    with pytest.raises(ValueError, match=r"rows of 'host' are floats beyond 2\^53.* read the column as whole numbers"):
        lc.SelectionFunction.from_table(ids.astype({"host": float}), EDGES)
    lc.SelectionFunction.from_table(table.assign(host=table["host"].astype(float)), EDGES)
