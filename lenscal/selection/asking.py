"""What a cube says at points: arrays in their own shape, labelled ones with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lenscal.completeness.posterior import STATUS
from lenscal.errors import InputError

from .cells import checked_unit
from .counting import bins

OUTSIDE, NAN = "outside", "nan"
NUMBERS = ("completeness", "lower", "upper", "n_effective")
STATUSES = (*STATUS, "bounds", OUTSIDE, NAN)
MORE = (
    *("total_lower", "total_upper", "bound_lower", "bound_upper"),
    *("pooled_completeness", "pooled_lower", "pooled_upper"),
)


@dataclass(frozen=True, eq=False)
class Answer:
    """Completeness at points, each in the shape of the points.

    Attributes
    ----------
    completeness : array
        Median; NaN where there is no number.
    lower, upper : array
        Ends of the interval.
    n_effective : array
        Independent trials that tell as much as those of the cell.
    status : array of str
        ``sufficient``, ``insufficient``, ``no data``, ``bounds``; ``outside`` of the axes or ``nan`` where that was
        let through.
    total_lower, total_upper : array or None
        With the systematic errors, where a run has them.
    bound_lower, bound_upper : array or None
        Of an average with a part that is unknown; of a union or an intersection, Frechet's.
    pooled_completeness, pooled_lower, pooled_upper : array or None
        The second estimate (`SelectionFunction.pooled`), where it was asked for.
    """

    completeness: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    n_effective: np.ndarray
    status: np.ndarray
    total_lower: np.ndarray | None = None
    total_upper: np.ndarray | None = None
    bound_lower: np.ndarray | None = None
    bound_upper: np.ndarray | None = None
    pooled_completeness: np.ndarray | None = None
    pooled_lower: np.ndarray | None = None
    pooled_upper: np.ndarray | None = None

    def named(self) -> dict[str, np.ndarray]:
        """The arrays that there are, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}


def ask(cube: xr.Dataset, edges: Mapping[str, np.ndarray], given: Mapping[str, Any], level: float, outside: str) -> Any:
    """Answers at points given axis by axis, in the form that the points have.

    Returns
    -------
    Answer, Dataset or DataFrame
        Dataset where a DataArray is given, DataFrame where a Series is; else an Answer.
    """
    labelled = {name: value for name, value in given.items() if isinstance(value, xr.DataArray)}
    if labelled:
        return _labelled(cube, edges, given, level, outside)
    arrays = _broadcast({name: checked_unit(f"query: {name}", given[name], unit_of(cube, name)) for name in edges})
    answer = at(cube, edges, arrays, level, outside)
    series = [value for value in given.values() if isinstance(value, pd.Series)]
    if not series:
        return answer
    if any(not one.index.equals(series[0].index) for one in series):
        raise InputError("query: the columns of the points have other indices; give them of one table")
    return frame(answer, series[0].index)


def _labelled(
    cube: xr.Dataset, edges: Mapping[str, np.ndarray], given: Mapping[str, Any], level: float, outside: str
) -> xr.Dataset:
    own = {}
    for name in edges:
        value = given[name]
        numbers = checked_unit(f"query: {name}", value, unit_of(cube, name))
        if isinstance(value, xr.DataArray):
            own[name] = value.copy(data=numbers)
        elif numbers.ndim == 0:
            own[name] = xr.DataArray(numbers)
        else:
            raise InputError(f"query: {name} is an array without labels among labelled ones; give it as a DataArray")
    try:
        same = xr.broadcast(*xr.align(*own.values(), join="exact"))
    except ValueError as error:
        raise InputError(f"query: the points have other coordinates: {error}") from None
    answer = at(cube, edges, {name: array.values for name, array in zip(own, same)}, level, outside)
    units = {"status": {}}
    return xr.Dataset(
        {name: (same[0].dims, values, units.get(name, {"units": "1"})) for name, values in answer.named().items()},  # type: ignore[arg-type]
        same[0].coords,
        {"level": level},
    )


def _broadcast(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    try:
        return dict(zip(arrays, np.broadcast_arrays(*arrays.values())))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InputError(f"query: the axes of the points have shapes that do not broadcast: {shapes}") from None


def at(
    cube: xr.Dataset, edges: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray], level: float, outside: str
) -> Answer:
    """Answers at arrays of one shape."""
    chosen = {
        "quantile": int(np.argmin(np.abs(cube["quantile"].values - 0.5))),
        "level": level_of(cube, level),
    }
    shape = next(iter(arrays.values())).shape if arrays else ()
    flat = {name: values.ravel() for name, values in arrays.items()}
    broken = np.zeros(int(np.prod(shape)), bool)
    for values in flat.values():
        broken |= np.isnan(values)
    places, inside = bins(flat, edges) if edges else ((), ~broken)
    if outside == "refuse":
        _refuse(cube, edges, flat, broken, inside)
    good, every = inside & ~broken, bool((inside & ~broken).all())
    sides = [ends.size - 1 for ends in edges.values()]
    cell = np.ravel_multi_index(places, sides) if edges else np.zeros(broken.size, int)
    out: dict[str, np.ndarray] = {}
    for name in (*NUMBERS, *MORE):
        if name not in cube:
            continue
        table = cube[name].isel({dim: i for dim, i in chosen.items() if dim in cube[name].dims})
        found = table.transpose(*edges).values.ravel()[cell]
        out[name] = (found if every else np.where(good, found, np.nan)).reshape(shape)[()]
    status = cube["status"].transpose(*edges).values.astype(object).ravel()[cell]
    if not every:
        status[~inside], status[broken] = OUTSIDE, NAN
    return Answer(**out, status=status.reshape(shape)[()])


def frame(answer: Answer, index: pd.Index | None = None) -> pd.DataFrame:
    """The arrays as columns, status as a category."""
    columns = {name: np.ravel(values) for name, values in answer.named().items()}
    return pd.DataFrame(columns | {"status": pd.Categorical(columns["status"], STATUSES)}, index=index)


def _refuse(
    cube: xr.Dataset,
    edges: Mapping[str, np.ndarray],
    flat: Mapping[str, np.ndarray],
    broken: np.ndarray,
    inside: np.ndarray,
) -> None:
    """Say which points have no answer, along which axis, and what is covered.

    Raises
    ------
    InputError
        There are any.
    """
    if not broken.any() and inside.all():
        return
    said = []
    for name, values in flat.items():
        ends = edges[name]
        if nan := int(np.isnan(values).sum()):
            said.append(f"{nan} have NaN for {name}")
        if beyond := int(((values < ends[0]) | (values >= ends[-1])).sum()):
            unit = unit_of(cube, name)
            covered = f"{ends[0]:g} to {ends[-1]:g}{'' if unit == '1' else ' ' + unit}"
            said.append(f"{beyond} have {name} outside of {covered}, which is covered")
    raise InputError(
        f"query: {int((broken | ~inside).sum())} of {broken.size} points have no answer: {'; '.join(said)}; leave them "
        "out, or pass outside='nan' for NaN with a status"
    )


def level_of(cube: xr.Dataset, level: float) -> int:
    """Place of a level in a cube."""
    levels = cube["level"].values
    if not np.isclose(levels, level).any():
        raise InputError(f"query: the level is {level}, the cube has {', '.join(f'{value:g}' for value in levels)}")
    return int(np.argmin(np.abs(levels - level)))


def unit_of(cube: xr.Dataset, axis: str) -> str:
    """Unit of an axis as astropy spells it."""
    unit = str(cube[axis].attrs.get("units", "1")) or "1"
    return "mag" if unit.startswith("mag") else unit
