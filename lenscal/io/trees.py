"""What an audit found as one tree: cubes, false-positive rates, gates and strata of a run in one Zarr store, a group
each, which `xarray.open_datatree` opens.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal.io import folders, stores
from lenscal.io.folders import StoreError
from lenscal.io.opened import FinishedRun

CUBES = "completeness"
"""Groups whose names begin with it are cubes: that of the audit, those by further axes, the map."""
TABLES = {"gates": "gate", "allocations": "stratum"}
"""Tables of the tree, and the dimension that their rows are along."""


def tree(run: FinishedRun) -> xr.DataTree:
    """The tree of a finished run.

    Returns
    -------
    DataTree
        ``/completeness`` and every other cube of the run under its name; ``/false_positives``: thresholds with their
        false-positive rates; ``/gates``: claims along `gate`; ``/allocations``: strata of the negatives (positives,
        wanted, drawn, short of) along `stratum`.

    Raises
    ------
    StoreError
        The run has no cube, or has not come to its end.
    """
    found = {name: run[name] for name in run if name.startswith(CUBES)}
    cubes = {name: cube.load() for name, cube in found.items() if isinstance(cube, xr.Dataset)}
    if CUBES not in cubes:
        raise StoreError(f"the run in '{run.folder}' has no cube yet; finish it first: lenscal run")
    tables = {"gates": run.gates, "allocations": run["manifest-notes/strata"]}
    groups = {
        **cubes,
        "false_positives": run["thresholds"].load(),
        **{name: rows(table, TABLES[name]) for name, table in tables.items()},
    }
    return xr.DataTree.from_dict(groups)


def rows(table: pd.DataFrame, dim: str) -> xr.Dataset:
    """A table as a Dataset along one dimension: text as text, numbers and missing numbers as such."""
    return xr.Dataset({str(name): (dim, _values(table[name])) for name in table})


def write(run: FinishedRun, path: Path) -> list[str]:
    """Write the tree of a run as a Zarr store; names of its groups.

    Raises
    ------
    StoreError
        As `tree`; or there is something of that name.
    """
    if path.exists():
        raise StoreError(f"'{path}' is there; name another place, or remove it")
    groups = {name: node.to_dataset() for name, node in tree(run).children.items()}
    with folders.in_place(path) as place:
        facts = groups[CUBES].attrs
        about = {key: facts[key] for key in ("run", "seed", "lenscal_version") if key in facts}
        stores.write_group(place, xr.Dataset(attrs={**about, "groups": ", ".join(groups)}))
        for name, group in groups.items():
            stores.write_group(place, group, name)
        stores.consolidate(place)
    return list(groups)


def _values(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column):
        return column.to_numpy()
    if not any(isinstance(value, str) for value in column):
        return pd.to_numeric(column).to_numpy(float)
    text = column.astype(object).where(column.notna(), "").astype(str)
    return np.array(text.tolist(), dtype=np.dtypes.StringDType())
