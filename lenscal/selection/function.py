"""A selection function: how often a detector finds a lens, by its conditions, with the interval of that number; from a
run, or from one's own trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from lenscal import completeness, config, schema
from lenscal.arguments import columns, finite, in_unit
from lenscal.completeness.counts import SURVEY
from lenscal.errors import InputError

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
        n, k, failed = _outcomes(table, found, trials)
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
        places, inside = _bins(flat, self.edges)
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


def _edges(axes: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    if not isinstance(axes, Mapping) or not axes:
        raise InputError(
            "completeness: axes are missing; expected the edges of the bins of one column or more: "
            "{'theta_e': [0.5, 1.0, 1.5]}"
        )
    out = {}
    for name, given in axes.items():
        edges = in_unit(f"completeness: the edges of {name}", given, str(getattr(given, "unit", "1") or "1"))
        if edges.ndim != 1 or edges.size < 2 or not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            raise InputError(
                f"completeness: the edges of {name} are {np.array2string(edges, threshold=6)}, "
                "expected two rising numbers or more"
            )
        out[str(name)] = edges
    return out


def _outcomes(table: pd.DataFrame, found: str, trials: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trials, found ones, and failed ones of each row."""
    try:
        k = table[found].to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(
            f"completeness: the column '{found}' holds {table[found].iloc[0]!r}, expected true or false, or 1 or 0"
        ) from None
    if trials is None:
        if wrong := int((~(np.isnan(k) | (k == 0) | (k == 1))).sum()):
            raise InputError(
                f"completeness: {wrong} of {len(k)} rows of '{found}' are neither found (1) nor missed (0); where "
                "rows count several trials, name their column: trials=..."
            )
        lost = np.isnan(k)
        return (~lost).astype(np.int64), np.where(lost, 0, k).astype(np.int64), lost.astype(np.int64)
    n = finite(f"completeness: '{trials}'", in_unit(f"completeness: '{trials}'", table[trials].to_numpy(), "1"))
    finite(f"completeness: '{found}'", k)
    for name, values in ((trials, n), (found, k)):
        if ((values < 0) | (values != np.round(values))).any():
            raise InputError(
                f"completeness: '{name}' holds {values[np.argmax((values < 0) | (values != np.round(values)))]:g}, "
                "expected whole numbers of 0 or more"
            )
    if (k > n).any():
        row = int(np.argmax(k > n))
        raise InputError(
            f"completeness: row {row} has {k[row]:g} found of {n[row]:g} trials ({int((k > n).sum())} such rows); "
            "expected found at most trials"
        )
    return n.astype(np.int64), k.astype(np.int64), np.zeros(len(n), np.int64)


def _bins(
    values: Mapping[str, np.ndarray], edges: Mapping[str, np.ndarray]
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Bin of each value along each axis, and whether it is in one on all."""
    places, inside = [], np.ones(len(next(iter(values.values()))), bool)
    for name, ends in edges.items():
        places.append(np.clip(np.searchsorted(ends, values[name], "right") - 1, 0, ends.size - 2))
        inside &= (values[name] >= ends[0]) & (values[name] < ends[-1])
    return tuple(places), inside


def _places(table: pd.DataFrame, edges: Mapping[str, np.ndarray]) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    return _bins(
        {
            name: finite(f"completeness: '{name}'", in_unit(f"completeness: '{name}'", table[name].to_numpy(), "1"))
            for name in edges
        },
        edges,
    )


def _counts(
    table: pd.DataFrame,
    places: Sequence[np.ndarray],
    inside: np.ndarray,
    n: np.ndarray,
    k: np.ndarray,
    failed: np.ndarray,
    edges: Mapping[str, np.ndarray],
    host: str | None,
    weight: str | None,
) -> xr.Dataset:
    """Counts as `completeness.count` makes them: the first axis stands for theta_e, the cells of all
    others together for psf_fwhm.
    """
    sides = [ends.size - 1 for ends in edges.values()]
    column = (
        np.ravel_multi_index([place[inside] for place in places[1:]], sides[1:])
        if len(sides) > 1
        else np.zeros(int(inside.sum()), int)
    )
    row, n, k, failed = places[0][inside], n[inside], k[inside], failed[inside]
    names = np.arange(len(table)) if host is None else _codes(table[host], host)
    pairs, own = np.unique(np.stack([column, names[inside]], 1), axis=0, return_inverse=True)
    own, shape = own.ravel(), (sides[0], len(pairs))

    def put(numbers: np.ndarray, place: tuple, shape: tuple) -> np.ndarray:
        total = np.bincount(np.ravel_multi_index(place, shape), numbers, int(np.prod(shape)))
        return total.reshape(shape).astype(np.int64)

    injected, detected = put(n, (row, own), shape), put(k, (row, own), shape)
    weights = _weights(table, weight, inside, own, len(pairs))
    used = injected.any(0)
    pairs, injected, detected, weights = pairs[used], injected[:, used], detected[:, used], weights[used]
    cells = (sides[0], int(np.prod(sides[1:])))
    of_cell = lambda values: (schema.CELL, put(values, (row, column), cells)[:, :, None])  # noqa: E731
    hosts = np.stack([(injected[:, pairs[:, 0] == j] > 0).sum(1) for j in range(cells[1])], 1)
    found = put(k, (row, column), cells)
    first = next(iter(edges.values()))
    return xr.Dataset(
        {
            "n_injected": of_cell(n),
            "n_failed": of_cell(failed),
            "n_hosts": (schema.CELL, hosts[:, :, None]),
            "n_detected": ((*schema.CELL, "threshold"), found[:, :, None, None]),
            "host_injected": (("theta_e", "host"), injected),
            "host_detected": (("theta_e", "threshold", "host"), detected[:, None]),
            "host_weight": (("population", "host"), weights[None]),
        },
        coords={
            "theta_e": ("theta_e", (first[1:] + first[:-1]) / 2),
            "psf_fwhm": ("psf_fwhm", np.arange(cells[1], dtype=float)),
            "depth": ("depth", [0.0]),
            "threshold": ("threshold", [np.nan]),
            "false_positive_rate": ("threshold", [np.nan]),
            "population": ("population", [SURVEY]),
            "host_id": ("host", pairs[:, 1]),
            "host_psf_fwhm": ("host", pairs[:, 0].astype(float)),
            "host_depth": ("host", np.zeros(len(pairs))),
        },
    )


def _codes(hosts: pd.Series, name: str) -> np.ndarray:
    codes, _ = pd.factorize(hosts, sort=False)
    if (codes < 0).any():
        raise InputError(
            f"completeness: {int((codes < 0).sum())} of {len(codes)} rows have no '{name}'; name the host of each "
            "trial, or pass host=None where each has its own"
        )
    return codes


def _weights(table: pd.DataFrame, weight: str | None, inside: np.ndarray, own: np.ndarray, count: int) -> np.ndarray:
    if weight is None:
        return np.ones(count)
    given = finite(f"completeness: '{weight}'", in_unit(f"completeness: '{weight}'", table[weight].to_numpy(), "1"))[
        inside
    ]
    if (given < 0).any():
        raise InputError(
            f"completeness: {int((given < 0).sum())} rows of '{weight}' are negative, expected weights of 0 or more"
        )
    first = np.empty(count)
    first[own[::-1]] = given[::-1]
    if not np.allclose(given, first[own], rtol=1e-9, atol=0):
        raise InputError(
            f"completeness: '{weight}' changes within a host of one cell; expected one weight for each "
            "host, the same in all its trials"
        )
    return first


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
