"""A finished run, opened by its folder alone: every product by name, without the run file that made it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from lenscal.io import stores
from lenscal.io.folders import StoreError

_GROUPS = ("cutouts", "injections")  # of scores.zarr
_STAGE_OF = {
    "completeness_map": "completeness",
    "completeness_merged": "completeness",
    "manifest-notes": "manifest",
    "hosts": "injections",
    "thresholds": "judgement",
}
_LAZY = "objects/galaxies"  # of the size of the survey


class FinishedRun(Mapping[str, Any]):
    """Products of a run by name: stores as Datasets that read when indexed, tables as DataFrames (that of all
    galaxies as a Dask DataFrame).

    Attributes
    ----------
    folder : Path
        Where the stores lie.
    """

    def __init__(self, folder: Path, places: Mapping[str, Path]) -> None:
        self.folder = folder
        self._places = dict(places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, name: str) -> xr.Dataset | pd.DataFrame | Any:
        """A product.

        Raises
        ------
        KeyError
            The run has none of this name; the message lists those that it has.
        StoreError
            Its stage is not finished, or the product is damaged.
        """
        if name not in self._places:
            raise KeyError(f"the run in '{self.folder}' has no product '{name}'; it has {', '.join(self._places)}")
        self._finished(name)
        path = self._places[name]
        if path.suffix == ".zarr":
            return stores.open(path, group=name.partition("/")[2] or None)
        if name == _LAZY:
            import dask.dataframe

            return dask.dataframe.read_parquet([str(file) for file in sorted(path.rglob("*.parquet"))])
        return stores.read_table(path)

    def __repr__(self) -> str:
        return f"FinishedRun('{self.folder}': {', '.join(self._places)})"

    @property
    def gates(self) -> pd.DataFrame:
        """Every claim with its measure, limits and verdict.

        Raises
        ------
        StoreError
            The run has not come to its end.
        """
        path = self.folder / "gates.json"
        try:
            return pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise StoreError(
                f"'{path}' cannot be read ({type(error).__name__}); it is written when a run ends: lenscal run"
            ) from None

    def _finished(self, name: str) -> None:
        top = name.partition("/")[0].partition("_by_")[0]
        plan = self.folder / ".plan" / _STAGE_OF.get(top, top)
        if plan.is_dir() and not (plan / "done.json").is_file():
            raise StoreError(
                f"the stage {plan.name} of the run in '{self.folder}' is not finished; finish it first: lenscal run"
            )


def open_run(folder: str | Path) -> FinishedRun:
    """Open a run by the folder of its stores.

    Parameters
    ----------
    folder : path
        Such as ``stores/small``: the key `stores` of the run file. Of this machine; stores of a bucket are opened one
        by one (`open_store`).

    Returns
    -------
    FinishedRun
        A mapping: ``open_run("stores/small")["completeness"]``.

    Raises
    ------
    StoreError
        The folder is missing, or holds no product of a run.
    """
    if "://" in str(folder):
        raise StoreError(
            f"'{folder}' is no folder of this machine; open the stores of a bucket one by one: "
            f"lenscal.open_store('{folder}/completeness.zarr')"
        )
    path = Path(folder)
    if not path.is_dir():
        raise StoreError(
            f"'{path}' is no folder; expected the stores of a run, such as stores/small (key `stores` of its run file)"
        )
    places = dict(sorted(_products(path)))
    if not places:
        raise StoreError(
            f"'{path}' holds no product of a run; expected completeness.zarr, manifest and the like: point at "
            "the folder that `stores` names"
        )
    return FinishedRun(path, places)


def _products(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and place of every store and table of a folder."""
    for place in folder.iterdir():
        if place.name.startswith("."):
            continue
        if place.suffix == ".zarr" and (place / "zarr.json").is_file():
            groups = (
                [name for name in _GROUPS if (place / name / "zarr.json").is_file()] if place.stem == "scores" else []
            )
            yield from ((f"{place.stem}/{group}", place) for group in groups)
            if not groups:
                yield place.stem, place
        elif place.suffix == ".parquet":
            yield place.stem, place
        elif place.is_dir() and place.name == "manifest":
            yield place.name, place
        elif place.is_dir():
            for inner in place.iterdir():
                if inner.suffix == ".parquet" and inner.is_file():
                    yield f"{place.name}/{inner.stem}", inner
                elif f"{place.name}/{inner.name}" == _LAZY:
                    yield f"{place.name}/{inner.name}", inner
