"""The cube as a table: one row for each cell, population of hosts and threshold, with what stands behind its number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.cube import edges_of, of_population

_CELLWISE = ("n_injected", "n_failed", "n_hosts", "hosts_effective")
_RATES = ("n_detected", "n_effective", "design_effect")


def lookup(cube: xr.Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cube, cell by cell.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`.

    Returns
    -------
    DataFrame
        Edges and centre of the cell, population, threshold; counts, completeness (median), lower, upper (and with
        systematic errors total_lower, total_upper) at each level, such as lower_68 and upper_95; status.
    DataFrame
        column, unit, description.
    """
    names = [str(name) for name in cube["population"].values] if "population" in cube["completeness"].dims else [None]
    parts = [_rows(of_population(cube, name)) for name in names]
    return pd.concat([table for table, _ in parts], ignore_index=True), parts[0][1]


def _rows(cube: xr.Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    order = (*schema.CELL, "threshold")
    shape = tuple(cube.sizes[dim] for dim in order)
    table: dict[str, np.ndarray] = {}
    about: list[tuple[str, str, str]] = []

    def put(name: str, values: np.ndarray, unit: str, text: str) -> None:
        table[name] = np.broadcast_to(values, shape).ravel()
        about.append((name, unit, text))

    def declared(name: str) -> tuple[str, str]:
        variable = schema.COMPLETENESS.variables[name]
        return variable.units, variable.about

    at = np.indices(shape)
    for axis, dim in enumerate(schema.CELL):
        unit, text = declared(dim)
        edges = edges_of(cube, dim)
        put(dim, cube[dim].values[at[axis]], unit, text)
        put(f"{dim}_low", edges[:-1][at[axis]], unit, f"lower edge of the bin of {dim}, which it holds")
        put(f"{dim}_high", edges[1:][at[axis]], unit, f"upper edge of the bin of {dim}, which it does not hold")
    put("population", np.array(str(cube.attrs.get("population", "survey")), object), "", "population of hosts")
    for name in ("threshold", "false_positive_rate"):
        put(name, cube[name].values[at[3]], *declared(name))
    for name in _CELLWISE:
        if name in cube:
            put(name, cube[name].transpose(*schema.CELL).values[..., None], *declared(name))
    for name in _RATES:
        put(name, cube[name].transpose(*order).values, *declared(name))
    middle = int(np.argmin(np.abs(cube["quantile"].values - 0.5)))
    median = cube["completeness"].isel(quantile=middle).transpose(*order).values
    put("completeness", median, "1", "median of the posterior; NaN without data")
    for end in ("lower", "upper", "total_lower", "total_upper"):
        for place, level in enumerate(cube["level"].values if end in cube else ()):
            values = cube[end].isel(level=place).transpose(*order).values
            put(f"{end}_{100 * level:.0f}", values, "1", f"{declared(end)[1]}; level {level:g}")
    put(
        "sufficient", cube["sufficient"].transpose(*schema.CELL).values.astype(bool)[..., None], *declared("sufficient")
    )
    put("status", cube["status"].transpose(*schema.CELL).values.astype(object)[..., None], *declared("status"))
    return pd.DataFrame(table), pd.DataFrame(about, columns=["column", "unit", "description"])
