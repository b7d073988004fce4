"""A run as a selection function: its cube, and the trials behind it where the run can be opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import completeness, config, schema
from lenscal.completeness.counts import LOG_DENSITIES
from lenscal.cube import refuse_further_axes
from lenscal.errors import InputError
from lenscal.scores import rows as scored_rows

from .cells import HostCounts, hosts_of
from .densities import TOTAL
from .found_table import HOST, ID, found_column, found_missed
from .trial_tables import features_of
from .trials import Cut, Trials, distinct

Parts = tuple[xr.Dataset, dict[str, np.ndarray], Trials | None, HostCounts | None]


def of_run(source: Any, population: str | None, threshold: int) -> Parts:
    """Cube, edges, trials and host counts of a run.

    Parameters
    ----------
    source : Dataset, path, or mapping of products
        The cube; a run file or the folder of its stores; what `lenscal.open_run` gives.
    population : str or None
        Of hosts.
    threshold : int
        Position along `threshold`.
    """
    if isinstance(source, (str, Path)):
        source = opened(Path(source))
    run = None if isinstance(source, xr.Dataset) else source
    cube = source if run is None else run["completeness"]
    if lacking := [
        name for name in ("completeness", "lower", "upper", "status", *schema.CELL) if name not in cube.variables
    ]:
        raise InputError(
            f"from_run: the Dataset lacks {', '.join(lacking)}, expected the completeness of a run: "
            "lenscal.open_run(path)['completeness']; of other axes, make one of the trials (from_table, with "
            "columns of the found/missed table as axes)"
        )
    refuse_further_axes(cube)
    one = completeness.of_population(cube, population)
    if not 0 <= threshold < one.sizes["threshold"]:
        raise InputError(f"from_run: threshold is {threshold}, the cube has {one.sizes['threshold']}, counted from 0")
    name = str(one.attrs.get("population", "survey"))
    names = [str(value) for value in cube["population"].values] if "population" in cube.variables else [name]
    hosts = hosts_of(cube.load(), threshold, names.index(name) if name in names else 0)
    edges = {dim: completeness.edges_of(one, dim) for dim in schema.CELL}
    own = one.drop_dims("host", errors="ignore").isel(threshold=threshold).load()
    return own, edges, None if run is None else trials_of(run, own, threshold, name), hosts


def opened(path: Path) -> Any:
    """The run of a run file or of the folder of its stores."""
    from lenscal.io.opened import open_run

    return open_run(config.load(path).stores if path.suffix in (".yaml", ".yml") else path)


def trials_of(run: Any, cube: xr.Dataset, threshold: int, population: str) -> Trials:
    """Trials of a run, with their densities, features and the negatives behind the threshold.

    Raises
    ------
    InputError
        The cube is of another detector or threshold than the scores.
    """
    injections, scores, thresholds = (run[name].load() for name in ("injections", "scores/injections", "thresholds"))
    table, about = found_missed(injections, scores, thresholds)
    made, kept = str(cube.attrs.get("detector_hash", "")), about.attrs["detector_hash"]
    if made != kept or not np.isclose(float(cube["threshold"]), about.attrs["thresholds"][threshold], rtol=1e-12):
        raise InputError(
            f"from_run: the cube is of detector {made[:12] or 'none'} at threshold {float(cube['threshold']):g}, the "
            f"scores of {kept[:12]} at {about.attrs['thresholds'][threshold]:g}; run the stage completeness again"
        )
    table = features_of(table)
    rate = about.attrs["false_positive_rates"][threshold]
    density = LOG_DENSITIES.get(population)
    weight = None
    if density in table and "log_density_host" in injections:
        with np.errstate(over="ignore", invalid="ignore"):
            weight = np.nan_to_num(np.exp(table[density].to_numpy(float) - table["log_density_host"].to_numpy(float)))
    return Trials(
        table,
        {dim: table[f"cell_{dim}"].to_numpy(float) for dim in schema.CELL},
        table[found_column(rate)].to_numpy(float),
        table[HOST].to_numpy(),
        distinct("from_run", table[ID].to_numpy()),
        weight,
        TOTAL,
        True,
        Cut(about.attrs["thresholds"][threshold], rate, _negatives(run), table["score"].to_numpy(float)),
    )


def _negatives(run: Any) -> np.ndarray:
    """Scores of the validation negatives that set the thresholds; none where the run has no scored cutouts."""
    if "scores/cutouts" not in run:
        return np.empty(0)
    rows: pd.DataFrame = scored_rows.table(run["scores/cutouts"].load())
    chosen = rows[(rows["split"] == "val") & rows["negative"] & np.isfinite(rows["score"])]
    return chosen["score"].to_numpy(float)
