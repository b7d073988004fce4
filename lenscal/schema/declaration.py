"""How a variable and a product are declared, and how a Dataset or a table is held to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lenscal.errors import LenscalError

if TYPE_CHECKING:  # the vocabulary is read by commands that open no table
    import pandas as pd
    import xarray as xr


class SchemaError(LenscalError, ValueError):
    """A product that is not what its declaration says."""


@dataclass(frozen=True)
class Variable:
    """One variable: its dims, type, unit and meaning."""

    dims: tuple[str, ...]
    dtype: str
    units: str
    about: str
    required: bool = True

    @property
    def words(self) -> dict[str, str]:
        """`long_name`, short enough for an axis, and `description`, where there is more to say (CF conventions)."""
        short = re.split(r"[,;:(]| at or | as in ", self.about, maxsplit=1)[0].strip()
        return {"long_name": short} | ({"description": self.about} if short != self.about else {})

    def problem(self, name: str, array: xr.DataArray | xr.Variable, along: tuple[str, ...] = ()) -> str | None:
        """What is wrong with an array that claims to be this variable; None when nothing is. It may run
        `along` these dims besides.
        """
        if set(array.dims) - set(along) != set(self.dims) - set(along):
            return f"'{name}' has dims {tuple(array.dims)}, not {self.dims}"
        kind = "U" if self.dtype == "str" else np.dtype(self.dtype).kind
        found = "U" if array.dtype.kind in "OUT" else array.dtype.kind
        if found != kind:
            return f"'{name}' is {array.dtype}, not {self.dtype}"
        units = array.attrs.get("units")
        if self.dtype != "str" and units != self.units:
            return f"'{name}' is in {units!r}, not {self.units!r}"
        return None


@dataclass(frozen=True)
class Declaration:
    """What one product holds.

    `block` names the dims a block of work runs along; `chunk` the length of a Zarr chunk along a dim (the whole dim
    where it is not named). `coords` are the names stored as coordinates; `along` dims that its variables may have
    besides.
    """

    name: str
    about: str
    variables: dict[str, Variable]
    block: tuple[str, ...] = ()
    chunk: dict[str, int] = field(default_factory=dict)
    coords: tuple[str, ...] = ()
    along: tuple[str, ...] = ()

    def check(self, dataset: xr.Dataset) -> xr.Dataset:
        """The dataset itself, once its names, dims, types and units are as declared; extra names are allowed.

        Raises
        ------
        SchemaError
            Naming every variable that is missing or differs.
        """
        problems = []
        for name, variable in self.variables.items():
            if name not in dataset.variables:
                if variable.required:
                    problems.append(f"'{name}' is missing")
                continue
            problem = variable.problem(name, dataset.variables[name], self.along)
            if problem:
                problems.append(problem)
        if problems:
            raise SchemaError(f"{self.name}: " + "; ".join(problems))
        return dataset

    def check_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table itself, once its columns and types are as declared (units stand in the declaration).

        Raises
        ------
        SchemaError
            Naming every column that is missing or of another kind.
        """
        import pandas as pd

        problems = []
        for name, variable in self.variables.items():
            if name not in table.columns:
                if variable.required:
                    problems.append(f"column '{name}' is missing")
                continue
            kind = "U" if variable.dtype == "str" else np.dtype(variable.dtype).kind
            dtype = table[name].dtype
            found = "U" if pd.api.types.is_string_dtype(dtype) or dtype.kind == "O" else np.dtype(dtype).kind
            if found != kind:
                problems.append(f"column '{name}' is {dtype}, not {variable.dtype}")
        if problems:
            raise SchemaError(f"{self.name}: " + "; ".join(problems))
        return table

    def describe(self, dataset: xr.Dataset) -> xr.Dataset:
        """The dataset with declared dtypes, `long_name`, `description`, `units` where there are none, and declared
        coordinates set as such.
        """
        described = {}
        for name, variable in self.variables.items():
            if name not in dataset.variables:
                continue
            array = dataset.variables[name]
            if variable.dtype == "str":
                array = array.astype(np.dtypes.StringDType())
            elif array.dtype != np.dtype(variable.dtype):
                array = array.astype(variable.dtype)
            attrs = {**array.attrs, **variable.words}
            if variable.dtype != "str":
                attrs.setdefault("units", variable.units)  # another unit stays, so that `check` sees it
            described[name] = array._replace(attrs=attrs)
        out = dataset.assign(described)  # at once: each assignment by itself aligns all the others
        return out.set_coords([name for name in self.coords if name in out.variables])

    def cast_table(self, table: pd.DataFrame, extra: Iterable[str] = ()) -> pd.DataFrame:
        """Declared columns that are present, in declared order and type, then the `extra` ones."""
        import pandas as pd

        out = {}
        for name, variable in self.variables.items():
            if name not in table.columns:
                continue
            column = table[name]
            if variable.dtype == "str":
                out[name] = _strings(column)
            else:
                out[name] = column if column.dtype == np.dtype(variable.dtype) else column.astype(variable.dtype)
        return pd.DataFrame(out | {name: table[name] for name in extra}, index=table.index)


def _strings(column: pd.Series) -> pd.Series:
    """A column of text; categories are looked up, not spelt out one by one."""
    import pandas as pd

    if not isinstance(column.dtype, pd.CategoricalDtype) or not pd.api.types.is_string_dtype(
        column.cat.categories.dtype
    ):
        return column.astype("string[pyarrow]")
    import pyarrow as pa

    codes = column.cat.codes.to_numpy()
    words = pa.DictionaryArray.from_arrays(
        pa.array(codes, mask=codes < 0), pa.array(column.cat.categories.astype(str), pa.string())
    )
    return pd.Series(
        pd.array(words.cast(pa.large_string()), dtype="string[pyarrow]"), index=column.index, name=column.name
    )


def columns(
    names: str, dtype: str, units: str, about: str, dims: tuple[str, ...], required: bool = True
) -> dict[str, Variable]:
    """Variables of one kind, by name (`names` are parted by spaces)."""
    return {name: Variable(dims, dtype, units, about, required) for name in names.split()}
