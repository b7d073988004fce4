"""Arguments of public functions: numbers in the unit that is meant, and refusals that say what was
found and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from lenscal.errors import InputError


def in_unit(what: str, value: Any, unit: str) -> np.ndarray:
    """Numbers of an argument in a unit; a plain number is taken to be in it.

    Parameters
    ----------
    what : str
        Function and argument, for the message.
    value : number, array, column of a table or astropy Quantity
        Masked numbers (NumPy, Astropy) and pandas' NA are NaN, whatever lies below the mask.
    unit : str
        As astropy spells it, such as ``arcsec``; an AB magnitude is ``mag``.

    Returns
    -------
    float64 array

    Raises
    ------
    ValueError
        The quantity has another kind of unit, or the value is no number.
    """
    try:
        value, masked = _unmasked(value)
    except TypeError:  # a column with a unit that holds no numbers
        raise InputError(f"{what} holds {str(value)[:60]!r}, expected numbers [{unit}]") from None
    if getattr(value, "unit", None) is not None:
        value = _converted(what, value, unit)
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError):
        numbers = _with_blanks(what, value, unit)
    return numbers if masked is None else np.where(masked, np.nan, numbers)


def _unmasked(value: Any) -> tuple[Any, np.ndarray | None]:
    """What lies below the mask of a value, its unit kept, and where the mask is; None where it has none."""
    if isinstance(value, np.ma.MaskedArray):
        mask, data = np.ma.getmaskarray(value), np.ma.getdata(value)
        if (unit := getattr(value, "unit", None)) is None:
            return data, mask
        from astropy import units

        return units.Quantity(data, unit, subok=True), mask
    if hasattr(value, "unmasked") and hasattr(value, "mask"):
        return value.unmasked, np.asarray(value.mask)
    if getattr(value, "unit", None) is not None and hasattr(value, "quantity"):  # a column of a table
        from astropy import units

        return units.Quantity(np.asarray(value), value.unit, subok=True), None
    return value, None


def _converted(what: str, value: Any, unit: str) -> Any:
    """A quantity in a unit."""
    from astropy import units

    if not hasattr(value, "to_value"):
        return value
    wanted = value.unit if unit == "mag" and value.unit == units.ABmag else units.Unit(unit)
    try:
        return value.to_value(wanted)
    except (units.UnitConversionError, ValueError):  # another kind of unit, or one that is unknown
        raise InputError(
            f"{what} is in {value.unit}, which cannot be converted to {unit}; give it in {unit} or as a plain number"
        ) from None


def _with_blanks(what: str, value: Any, unit: str) -> np.ndarray:
    """Numbers among which pandas' NA stands."""
    try:
        cells = np.asarray(value, object)
        return np.array([np.nan if cell is pd.NA else cell for cell in cells.ravel()], float).reshape(cells.shape)
    except (TypeError, ValueError):
        raise InputError(f"{what} holds {str(value)[:60]!r}, expected numbers [{unit}]") from None


def finite(what: str, values: np.ndarray) -> np.ndarray:
    """The values themselves, once all are finite.

    Raises
    ------
    ValueError
        NaN or infinity is among them.
    """
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(
            f"{what} is not finite in {int(bad.sum())} of {values.size} places; leave such rows out and count them"
        )
    return values


def positive(what: str, value: Any, unit: str) -> float:
    """One finite number above 0, in a unit.

    Raises
    ------
    ValueError
        It is none.
    """
    number = in_unit(what, value, unit)
    if number.size != 1 or not 0 < float(number.reshape(-1)[0]) < np.inf:
        raise InputError(f"{what} is {np.array2string(number, threshold=3)}, expected one number above 0 [{unit}]")
    return float(number.reshape(-1)[0])


def fraction(what: str, value: Any) -> float:
    """One number between 0 and 1, both excluded.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{what} is {value!r}, expected a number between 0 and 1") from None
    if not 0 < number < 1:
        raise InputError(f"{what} is {number:g}, expected a number between 0 and 1")
    return number


def columns(what: str, table: pd.DataFrame, names: Iterable[str]) -> None:
    """Check that a table has some columns.

    Raises
    ------
    ValueError
        It is no table, or lacks a column; the message lists those that it has.
    """
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{what} is a {type(table).__name__}, expected a pandas DataFrame")
    if missing := [name for name in names if name not in table.columns]:
        raise InputError(
            f"{what} lacks the column {', '.join(missing)}; its columns are {', '.join(map(str, table.columns))}"
        )
