"""A number that is masked is no number, and one with a unit is in that unit, whatever kind of array holds it."""

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn
from astropy.utils.masked import Masked

import lenscal as lc
from lenscal.arguments import in_unit

MASK = [False, True]


@pytest.mark.parametrize(
    "value",
    [
        np.ma.array([60.0, 120.0], mask=MASK),
        MaskedColumn([60, 120], mask=MASK),
        MaskedColumn([1.0, 2.0], mask=MASK, unit="arcmin"),
        Masked([1.0, 2.0] * u.arcmin, mask=MASK),
        Masked(np.array([60.0, 120.0]), mask=MASK),
        pd.array([60, None], dtype="Int64"),
        pd.Series([60.0, None], dtype="Float64"),
        [60, pd.NA],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_masked_is_nan_whatever_lies_below_the_mask(value):
    np.testing.assert_array_equal(in_unit("seeing", value, "arcsec"), [60.0, np.nan])


def test_a_column_with_a_unit_is_converted_as_a_quantity_is():
    for value in (Column([1.5], unit="arcmin"), MaskedColumn([1.5], unit="arcmin"), [1.5] * u.arcmin):
        np.testing.assert_allclose(in_unit("seeing", value, "arcsec"), [90.0])
    np.testing.assert_array_equal(in_unit("seeing", Column([1.5]), "arcsec"), [1.5])
    assert in_unit("depth", Column([23.5], unit="mag(AB)"), "mag") == 23.5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Column([1.5], unit="Jy"), "seeing is in Jy, which cannot be converted to arcsec"),
        (Column([1.5], unit=u.Unit("pixels2", parse_strict="silent")), "seeing is in pixels2, which cannot be conv"),
        (Column(["wide"], unit="arcsec"), r"seeing holds .*expected numbers \[arcsec\]"),
    ],
)
def test_a_column_in_another_kind_of_unit_is_refused(value, words):
    with pytest.raises(ValueError, match=words):
        in_unit("seeing", value, "arcsec")


def test_masked_points_have_no_completeness():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"theta_e": rng.uniform(0.5, 2.5, 4000), "host": rng.integers(0, 200, 4000)})
    table["found"] = rng.random(4000) < table["theta_e"] / 3
    told = lc.SelectionFunction.from_table(table, {"theta_e": [0.5, 1.0, 1.5, 2.0, 2.5]})
    for points in (np.ma.array([1.6, 1.0], mask=MASK), MaskedColumn([1.6, 1.0], mask=MASK)):
        answer = told.query(theta_e=points, outside="nan")
        assert answer.status.tolist() == ["sufficient", "nan"]
        assert np.isnan(answer.completeness).tolist() == [False, True]
