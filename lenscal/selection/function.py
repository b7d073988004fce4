"""A selection function: how often a detector finds a lens, by its conditions, with the interval of that number; from a
run, or from one's own trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from lenscal import completeness, config, schema
from lenscal.arguments import columns, in_unit
from lenscal.errors import InputError

from .counting import _counts, _edges, _places, bins, outcomes

OUTSIDE = "outside"


@dataclass(frozen=True)
class SelectionFunction:
    """Completeness by condition, with intervals.

    Attributes
    ----------
    cube : Dataset
        Dims of the axes; n_injected, n_failed, n_detected, n_hosts, n_effective, design_effect, hosts_effective,
        fraction_detected, completeness (quantile), lower and upper (level), sufficient, status, as
        `schema.COMPLETENESS` has them. From a run, total_lower and total_upper hold the systematic errors as well.
    edges : dict of str to array
        Edges of the bins of each axis; a bin holds its lower edge, not its upper one.
    """

    cube: xr.Dataset
    edges: dict[str, np.ndarray]

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame,
        axes: Mapping[str, ArrayLike],
        *,
        found: str = "found",
        trials: str | None = None,
        host: str | None = "host",
        weight: str | None = None,
        settings: config.Completeness | None = None,
    ) -> SelectionFunction:
        """Completeness of trials in a table, by the same counts and posterior as a run's cube.

        Trials on one host are alike, so that they tell less than as many independent ones: the binomial is given
        effective counts, by the correlation of trials within hosts at each step of the first axis
        (docs/stages/completeness.md).

        Parameters
        ----------
        table : DataFrame, one row a trial
            Or one row for several trials of one host in one cell, with their number in the column `trials`.
        axes : dict of str to (n + 1,) array
            Edges of the bins of each axis, which is a column of the table; a Quantity says its unit. The first is the
            one that changes among the trials of a host (such as theta_e), the others are conditions of the host (such
            as seeing and depth).
        found : str
            Column with true or 1 where the detector found the trial, false or 0 where not, NaN where the trial failed;
            with `trials`, how many it found.
        trials : str, optional
            Column with the number of trials of a row.
        host : str or None
            Column that names the host; None where every trial has a host of its own.
        weight : str, optional
            Column with the weight of a host in the population that is meant, the same in all its trials.
        settings : config.Completeness, optional
            Prior, kind of interval, and how many trials and hosts are sufficient; those of a run by default.

        Returns
        -------
        SelectionFunction
            Attribute `outside` of its cube: trials beyond the axes, which are in no cell.

        Raises
        ------
        ValueError
            A column that is missing, more found than tried, a value that is neither found nor missed, an axis without
            rising edges or with values that are not finite, a host without a name, weights that are negative or change
            within a host, or no trial at all.
        """
        settings = settings or config.Completeness()
        edges = _edges(axes)
        columns("completeness: the table", table, [*edges, found, *(name for name in (trials, host, weight) if name)])
        n, k, failed = outcomes(table, found, trials)
        places, inside = _places(table, edges)
        if not (n[inside].sum() > 0):
            raise InputError(
                f"completeness: none of the {len(table)} rows holds a trial within the axes "
                f"{', '.join(edges)}; widen the edges"
            )
        counts = _counts(table, places, inside, n, k, failed, edges, host, weight)
        units = {str(name): str(getattr(given, "unit", "1") or "1") for name, given in axes.items()}
        cube = _named(completeness.posterior(counts, settings), edges, units)
        return cls(cube.assign_attrs(outside=int((n + failed)[~inside].sum())), edges)

    @classmethod
    def from_run(cls, cube: xr.Dataset, population: str | None = None, threshold: int = 0) -> SelectionFunction:
        """The selection function that a run has measured.

        Parameters
        ----------
        cube : Dataset
            As `schema.COMPLETENESS`: ``lenscal.open_run(path)["completeness"]``.
        population : str, optional
            Of hosts; the one that the run means by default.
        threshold : int
            Position along `threshold`.

        Raises
        ------
        ValueError
            It is no cube of completeness, or has no such population or threshold.
        """
        if lacking := [
            name for name in ("completeness", "lower", "upper", "status", *schema.CELL) if name not in cube.variables
        ]:
            raise InputError(
                f"from_run: the Dataset lacks {', '.join(lacking)}, expected the completeness of a run: "
                "lenscal.open_run(path)['completeness']"
            )
        one = completeness.of_population(cube, population)
        if not 0 <= threshold < one.sizes["threshold"]:
            raise InputError(
                f"from_run: threshold is {threshold}, the cube has {one.sizes['threshold']}, counted from 0"
            )
        edges = {dim: completeness.edges_of(one, dim) for dim in schema.CELL}
        return cls(one.isel(threshold=threshold), edges)

    def query(self, points: pd.DataFrame | Mapping[str, ArrayLike], level: float = 0.6827) -> pd.DataFrame:
        """Completeness at some points, with its interval.

        Parameters
        ----------
        points : DataFrame or mapping
            A column for each axis, in the unit of the axis; values of a mapping broadcast.
        level : float
            Of the interval: 0.6827 or 0.95.

        Returns
        -------
        DataFrame, one row a point
            completeness (median), lower, upper, and status: ``sufficient``, ``insufficient`` (few trials or hosts),
            ``no data``, or ``outside`` of the axes, where there is no number. total_lower and total_upper where the
            cube has them.

        Raises
        ------
        ValueError
            An axis that the points lack, or a level that the cube does not have.
        """
        if lacking := [name for name in self.edges if name not in points]:
            raise InputError(f"query: the points lack {', '.join(lacking)}; expected {', '.join(self.edges)}")
        try:
            given = np.broadcast_arrays(
                *(np.atleast_1d(in_unit(f"query: {name}", points[name], _unit(self.cube, name))) for name in self.edges)
            )
        except ValueError as error:
            raise (
                error
                if str(error).startswith("query")
                else ValueError("query: the axes of the points have shapes that do not broadcast")
            ) from None
        flat = {name: values.ravel() for name, values in zip(self.edges, given)}
        places, inside = bins(flat, self.edges)
        levels = self.cube["level"].values
        if not np.isclose(levels, level).any():
            raise InputError(f"query: the level is {level}, the cube has {', '.join(f'{value:g}' for value in levels)}")
        at = {
            "quantile": int(np.argmin(np.abs(self.cube["quantile"].values - 0.5))),
            "level": int(np.argmin(np.abs(levels - level))),
        }
        out = {}
        for name in ("completeness", "lower", "upper", "total_lower", "total_upper"):
            if name in self.cube:
                array = (
                    self.cube[name]
                    .isel({dim: place for dim, place in at.items() if dim in self.cube[name].dims})
                    .transpose(*self.edges)
                    .values
                )
                out[name] = np.where(inside, array[places], np.nan)
        status = self.cube["status"].transpose(*self.edges).values.astype(object)[places]
        return pd.DataFrame(out | {"status": np.where(inside, status, OUTSIDE)})


def _unit(cube: xr.Dataset, axis: str) -> str:
    unit = str(cube[axis].attrs.get("units", "1"))
    return "mag" if unit.startswith("mag") else unit


def _named(cube: xr.Dataset, edges: Mapping[str, np.ndarray], units: Mapping[str, str]) -> xr.Dataset:
    """The cube with the axes that were asked for instead of those that stood for them."""
    first, *others = edges
    sides = [edges[name].size - 1 for name in others]
    one = cube.drop_dims(["host", "population"], errors="ignore").isel(threshold=0, depth=0, drop=True)
    out = {}
    for name, array in one.data_vars.items():
        rest = [dim for dim in array.dims if dim not in ("theta_e", "psf_fwhm")]
        values = array.transpose("theta_e", "psf_fwhm", *rest).values
        shape = (values.shape[0], *sides, *values.shape[2:])
        out[name] = ((first, *others, *rest), values.reshape(shape), array.attrs)
    centres = {name: (name, (ends[1:] + ends[:-1]) / 2, {"units": units[name]}) for name, ends in edges.items()}
    kept = {name: one[name].variable for name in ("quantile", "level")}
    return xr.Dataset(
        out, {**centres, **kept}, {name: value for name, value in cube.attrs.items() if name != "population"}
    )
