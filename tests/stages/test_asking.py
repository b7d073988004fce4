"""A selection function answers in the form of the question, and refuses what it cannot answer, by name."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy import units as u
from selections import EDGES, SETTINGS, run_cube, selection, table

import lenscal as lc
from lenscal import completeness


@pytest.fixture(scope="module")
def made():
    return selection()


def test_numbers_give_numbers_and_arrays_their_own_shape(made):
    one = made.query(theta_e=1.2, seeing=1.3)
    assert np.ndim(one.completeness) == 0
    assert one.status == "sufficient"
    assert one.lower < one.completeness < one.upper
    many = made.query(theta_e=np.full((3, 1, 2), 1.2), seeing=np.full((4, 1), 1.3))
    for name, values in many.named().items():
        assert values.shape == (3, 4, 2), name
        assert (values == getattr(one, name)).all()


def test_each_number_is_that_of_its_cell(made):
    points = np.array([0.5, 0.99, 1.0, 1.999]), np.array([1.0, 1.2, 1.39, 1.1])
    answer = made.query(theta_e=points[0], seeing=points[1], level=0.95)
    cube = made.cube
    for i, (a, b) in enumerate(((0, 0), (0, 1), (1, 1), (2, 0))):
        cell = cube.isel(theta_e=a, seeing=b)
        assert answer.completeness[i] == cell["completeness"].sel(quantile=0.5)
        assert (answer.lower[i], answer.upper[i]) == tuple(
            float(cell[end].sel(level=0.95)) for end in ("lower", "upper")
        )
        assert answer.n_effective[i] == cell["n_effective"]


def test_labels_come_back_with_the_answer(made):
    theta_e = xr.DataArray([1.1, 1.7], dims="lens", coords={"lens": ["a", "b"]})
    seeing = xr.DataArray([1.1, 1.2, 1.3], dims="night")
    answer = made.query(theta_e=theta_e, seeing=seeing)
    assert answer["completeness"].dims == ("lens", "night")
    assert answer["lens"].values.tolist() == ["a", "b"]
    assert float(answer["lower"][1, 2]) == made.query(theta_e=1.7, seeing=1.3).lower
    whole = made.query(xr.Dataset({"theta_e": theta_e, "seeing": 1.3, "else": 1.0}))
    assert isinstance(whole, xr.Dataset)
    frame = pd.DataFrame({"seeing": [1.1, 1.3], "theta_e": [1.1, 1.7], "name": ["x", "y"]}, index=[7, 9])
    for said in (made.query(frame), made.query(theta_e=frame["theta_e"], seeing=frame["seeing"])):
        assert said.index.tolist() == [7, 9]
        assert said.loc[9, "lower"] == made.query(theta_e=1.7, seeing=1.3).lower
    assert made.query(theta_e=frame["theta_e"], seeing=1.1).index.tolist() == [7, 9]


def test_what_is_outside_or_nan_has_no_number_and_says_so(made):
    answer = made.query(theta_e=[1.2, 2.0, 0.4, np.nan, np.inf], seeing=1.3, outside="nan")
    assert answer.status.tolist() == ["sufficient", "outside", "outside", "nan", "outside"]
    for name in ("completeness", "lower", "upper", "n_effective"):
        assert np.isnan(getattr(answer, name)).tolist() == [False, True, True, True, True]


def test_units_are_converted_where_they_can_be():
    edges = {"theta_e": np.array(EDGES["theta_e"]) * u.arcsec, "seeing": np.array(EDGES["seeing"]) * u.arcsec}
    made = lc.SelectionFunction.from_table(table(), edges, settings=SETTINGS)
    plain = made.query(theta_e=1.2, seeing=1.3)
    assert made.query(theta_e=1200 * u.mas, seeing=1.3).lower == plain.lower
    labelled = xr.DataArray([1200.0], dims="x", attrs={"units": "mas"})
    assert made.query(theta_e=labelled, seeing=1.3)["lower"].item() == plain.lower
    for given, unit in ((1.2 * u.kg, "kg"), (xr.DataArray([1.2], dims="x", attrs={"units": "kg"}), "kg")):
        with pytest.raises(ValueError, match=f"query: theta_e is in {unit}, which cannot be converted to arcsec"):
            made.query(theta_e=given, seeing=1.3)
    with pytest.raises(ValueError, match="is in 'lightyards', which is no unit"):
        made.query(theta_e=xr.DataArray([1.2], dims="x", attrs={"units": "lightyards"}), seeing=1.3)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (
            {"theta_e": [1.2, 2.5, 0.1], "seeing": 1.3},
            r"2 of 3 points have no answer: 2 have theta_e outside of 0.5 to 2, which is covered",
        ),
        (
            {"theta_e": [1.2, np.nan], "seeing": [1.3, 2.0]},
            "1 of 2 points have no answer: 1 have NaN for theta_e; 1 have seeing outside of 1 to 1.4",
        ),
        ({"theta_e": 1.2}, "the points lack seeing; expected theta_e, seeing"),
        ({"theta_e": 1.2, "seeing": 1.3, "depth": 23}, "there is no axis depth; the axes are theta_e, seeing"),
        ({"theta_e": [1.2, 1.3], "seeing": [1.1, 1.2, 1.3]}, r"do not broadcast: theta_e \(2,\), seeing \(3,\)"),
        ({"theta_e": 1.2, "seeing": 1.3, "level": 0.5}, "the level is 0.5, the cube has 0.6827, 0.95"),
        ({"theta_e": 1.2, "seeing": 1.3, "outside": "zero"}, "outside is 'zero', expected 'refuse' or 'nan'"),
        ({"points": {"theta_e": 1.2, "seeing": 1.1}, "theta_e": 1.2}, "as a table and by keywords"),
        ({"theta_e": "wide", "seeing": 1.3}, "theta_e holds 'wide', expected numbers"),
        ({"theta_e": xr.DataArray([1.2], dims="x"), "seeing": [1.3, 1.2]}, "an array without labels among labelled"),
        (
            {
                "theta_e": xr.DataArray([1.2], dims="x", coords={"x": [1]}),
                "seeing": xr.DataArray([1.2], dims="x", coords={"x": [2]}),
            },
            "other coordinates",
        ),
        ({"theta_e": pd.Series([1.2], [1]), "seeing": pd.Series([1.2], [2])}, "other indices"),
    ],
)
def test_questions_without_an_answer_are_refused_by_name(made, question, message):
    with pytest.raises(ValueError, match=message):
        made.query(**question)


def test_no_point_is_no_answer_and_no_error(made):
    assert made.query(theta_e=np.empty(0), seeing=1.2).completeness.shape == (0,)
    assert len(made.query(pd.DataFrame({"theta_e": [], "seeing": []}))) == 0


def test_a_cube_with_a_further_axis_is_refused_by_its_name_until_one_of_it_is_taken():
    cube, *_ = run_cube()
    more = cube.expand_dims(host_type=["DEV", "EXP"])
    conditions = {"theta_e": float(cube["theta_e"][0]), "psf_fwhm": float(cube["psf_fwhm"][0]), "depth": 0.0}
    conditions["depth"] = float(cube["depth"][0])
    for ask in (
        lambda: lc.SelectionFunction.from_run(more),
        lambda: completeness.query(more, **conditions),
        lambda: completeness.cell_of(more, **conditions),
    ):
        with pytest.raises(ValueError, match=r"the further axis host_type \(DEV, EXP\): take one of it first"):
            ask()
    taken = lc.SelectionFunction.from_run(more.sel(host_type="DEV"))
    assert (
        taken.query(**conditions).completeness == lc.SelectionFunction.from_run(cube).query(**conditions).completeness
    )


@pytest.mark.parametrize("name", ["quantile", "level", "status", "host"])
def test_an_axis_with_a_name_that_every_cube_has_is_refused(name):
    trials = table().rename(columns={"seeing": name} if name != "host" else {})
    with pytest.raises(ValueError, match=f"an axis is called {name}"):
        lc.SelectionFunction.from_table(trials, {"theta_e": EDGES["theta_e"], name: [1.0, 1.4]})


def test_no_number_of_trials_is_no_limit():
    with pytest.raises(ValueError, match="trials_min is nan"):
        selection().merge("theta_e", float("nan"))
    with pytest.raises(lc.SupportError):
        selection().reweight(lambda t: np.zeros(len(t)), n_eff_min=float("nan"))
    with pytest.raises(ValueError, match="expected 'area', 'hosts' or a DataArray"):
        selection().marginalise("theta_e", np.ones(3))
