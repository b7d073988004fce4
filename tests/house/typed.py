"""The public door as a type checker sees it: a user's lines, with the types that they have (`mypy` reads
this file, nothing runs it).
"""

from typing import assert_type

import numpy as np
import pandas as pd
import xarray as xr

import lenscal as lc

table = pd.DataFrame({"theta_e": [1.0], "found": [True], "host": [1]})
lower, upper = lc.interval(3, 10)
assert_type(lower, np.ndarray)
assert_type(lc.auc([1.0, 2.0], [0.0]), tuple[float, float, float])
assert_type(lc.split_of((table["theta_e"], table["theta_e"])), np.ndarray)
assert_type(lc.cross_match(table, table, 5.0), pd.DataFrame)
assert_type(lc.render(table), xr.DataArray)
assert_type(lc.inject_into(np.zeros((9, 9)), np.ones((1, 1)), {"theta_e": 1.0}).magnification, float)
assert_type(lc.stamp_quality(np.zeros((3, 101, 101))), pd.DataFrame)
assert_type(lc.compare_stamps(np.zeros((1, 3, 101, 101)), np.zeros((1, 3, 101, 101))).verdict, str)
assert_type(lc.SelectionFunction.from_table(table, {"theta_e": [0.5, 1.5]}).query({"theta_e": 1.0}), pd.DataFrame)
assert_type(lc.SelectionFunction.from_table(table, {"theta_e": [0.5, 1.5]}).cube, xr.Dataset)
selection = lc.SelectionFunction.from_counts(table, k="found", n="host")
assert_type(selection, lc.SelectionFunction)
assert_type(selection.marginalise("theta_e"), lc.SelectionFunction)
assert_type(selection | selection, lc.SelectionFunction)
assert_type(selection - selection, xr.Dataset)
assert_type(selection.trend(), pd.DataFrame)
assert_type(selection.reweight(table), lc.Reweighted)
assert_type(selection.predict(table).number, float)
assert_type(lc.open_run("stores/small").gates, pd.DataFrame)
assert_type(lc.reweight(table, table, np.array([True]), 0), lc.Reweighted)
assert_type(lc.Paired.of(np.ones(2), np.ones(2)).pairs, int)
assert_type(lc.open_store("stores/small/completeness.zarr"), xr.Dataset)
assert_type(lc.load_settings("pipelines/small.yaml"), lc.Settings)
assert_type(lc.injection_parameters(xr.Dataset()), pd.DataFrame)
assert_type(lc.trials_table(xr.Dataset(), xr.Dataset()), pd.DataFrame)
assert_type(lc.compare_arms(np.ones(2), {"other": np.ones(2)}), pd.DataFrame)
assert_type(lc.commit(), str)
assert_type(lc.__version__, str)
lc.interval("three", 10, level="wide")  # type: ignore[arg-type]
lc.nonsense  # type: ignore[attr-defined] # noqa: B018
