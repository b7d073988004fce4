"""One binning: a bin holds its lower edge and not its upper one, whoever asks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenscal import grid

EDGES = np.array([0.9, 1.05, 1.2, 1.35])
floats = st.floats(0.5, 2.0) | st.sampled_from(EDGES.tolist()) | st.just(float("nan"))


@given(st.lists(floats, min_size=1, max_size=20))
def test_the_place_is_that_of_pandas_and_what_has_none_says_why(values):
    values = np.array(values)
    codes = pd.cut(values, EDGES, right=False).codes  # -1 outside
    found = grid.place(EDGES, values)
    inside = grid.inside(EDGES, values)
    np.testing.assert_array_equal(found[inside], codes[inside])
    np.testing.assert_array_equal(inside, codes >= 0)
    np.testing.assert_array_equal(found == grid.BELOW, values < EDGES[0])
    np.testing.assert_array_equal(found == 3, values >= EDGES[-1])
    np.testing.assert_array_equal(found == grid.UNKNOWN, np.isnan(values))


@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=20))
def test_each_row_outside_has_one_reason_and_the_others_a_cell(rows):
    a, b = np.array(rows).T
    reasons = dict(grid.outside({"a": (EDGES, a), "b": (EDGES, b)}))
    assert list(reasons) == ["unknown", "a below", "a above", "b below", "b above"]
    np.testing.assert_array_equal(
        sum(mask.astype(int) for mask in reasons.values()), ~(grid.inside(EDGES, a) & grid.inside(EDGES, b))
    )
    np.testing.assert_array_equal(reasons["unknown"], np.isnan(a) | np.isnan(b))


@pytest.mark.parametrize(("value", "bin"), [(0.0, 0), (0.9, 0), (1.05, 1), (1.34999, 2), (1.35, 2), (9.0, 2)])
def test_the_nearest_bin_is_the_one_that_holds_a_value_or_the_one_at_its_end(value, bin):
    assert grid.nearest(EDGES, value) == bin
