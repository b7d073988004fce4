"""Outside catalogues of lenses and of look-alikes, with their columns under our names; values as they stand."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal.config import ContaminantCatalogue, GalaxyTable, LensCatalogue
from lenscal.io.tables import stated_units
from lenscal.io.tables.reading import read_table
from lenscal.io.tables.stated_units import CatalogueError

__all__ = ["LENS_COLUMNS", "CatalogueError", "lenscat_path", "read_contaminants", "read_lenses", "read_table"]

LENS_COLUMNS = ("name", "ra", "dec", "zlens", "zsource", "grade", "reference")
_REQUIRED = ("ra", "dec")
_FORMATS = {
    "lenscat": {
        "name": ("name",),
        "ra": ("RA [deg]", "ra"),
        "dec": ("DEC [deg]", "dec"),
        "zlens": ("zlens",),
        "grade": ("grading",),
        "reference": ("ref",),
    },
    "desi-sl-vac": {
        "name": ("TARGETID",),
        "ra": ("TARGET_RA",),
        "dec": ("TARGET_DEC",),
        "zlens": ("Z",),
        "grade": ("ZWARN",),
    },
    "csv": {name: (name,) for name in LENS_COLUMNS},
}
VAC_EXTENSION = "DESI_SL_CATALOG"
VAC_REFERENCE = "DESI DR1 strong lensing VAC"


def lenscat_path() -> Path:
    """The CSV inside the installed lenscat package, found without importing it (its import takes seconds).

    Raises
    ------
    CatalogueError
        When the package is not installed, or holds no such file.
    """
    spec = importlib.util.find_spec("lenscat")
    if spec is None or not spec.submodule_search_locations:
        raise CatalogueError(
            "package lenscat is not installed; `pip install lenscat`, or give the path of its catalog.csv"
        )
    path = Path(spec.submodule_search_locations[0]) / "data" / "catalog.csv"
    if not path.is_file():
        version = importlib.metadata.version("lenscat")
        raise CatalogueError(f"lenscat {version} holds no data/catalog.csv; 1.1.3 is the version known to")
    return path


def read_lenses(catalogue: LensCatalogue) -> pd.DataFrame:
    """A catalogue of lenses, columns under our names, values as they stand.

    Parameters
    ----------
    catalogue : LensCatalogue
        `format` names the layout; `columns` (our name -> its name) goes before it.

    Returns
    -------
    DataFrame
        Those of name, ra, dec, zlens, zsource, grade, reference that the catalogue has.

    Raises
    ------
    CatalogueError
        When the file cannot be read, or lacks columns.
    """
    path = lenscat_path() if catalogue.source == "lenscat" else Path(catalogue.source)
    vac = catalogue.format == "desi-sl-vac"
    required = tuple(_FORMATS[catalogue.format]) if catalogue.format != "csv" else (*_REQUIRED, *catalogue.columns)
    choices = {**_FORMATS[catalogue.format], **{ours: (theirs,) for ours, theirs in catalogue.columns.items()}}
    if unknown := set(catalogue.columns) - set(LENS_COLUMNS):
        raise CatalogueError(
            f"lens catalogue '{catalogue.name}': columns names {sorted(unknown)}; known: {LENS_COLUMNS}"
        )
    hdu = VAC_EXTENSION if vac and catalogue.hdu is None else catalogue.hdu
    raw = read_table(path, hdu, _texts(choices), _sought(choices, required))
    table = _renamed(raw, choices, required, f"lens catalogue '{catalogue.name}' ({path})", catalogue.units)
    if vac:
        table["grade"] = np.where(table["grade"].eq(0).fillna(False).astype(bool), "high-quality", "probable")
        table["reference"] = VAC_REFERENCE
    return table


def read_contaminants(catalogue: ContaminantCatalogue) -> pd.DataFrame:
    """A catalogue of look-alikes: name, ra, dec [degree] and category.

    Raises
    ------
    CatalogueError
        When the file cannot be read, or lacks columns.
    """
    what = f"contaminant catalogue '{catalogue.name}' ({catalogue.source})"
    if unknown := set(catalogue.columns) - {"name", "ra", "dec"}:
        raise CatalogueError(f"{what}: columns names {sorted(unknown)}; known: name, ra, dec")
    choices = {"name": ("name", "objname", "id_str", "objid"), "ra": ("ra", "RA [deg]"), "dec": ("dec", "DEC [deg]")}
    choices |= {ours: (theirs,) for ours, theirs in catalogue.columns.items()}
    required = [*_REQUIRED, *catalogue.columns]
    if catalogue.category.startswith("column:"):
        choices["category"] = (catalogue.category.removeprefix("column:"),)
        required.append("category")
    raw = read_table(catalogue.source, catalogue.hdu, _texts(choices), _sought(choices, required))
    table = _renamed(raw, choices, required, what, catalogue.units)
    if "category" not in table:
        table["category"] = catalogue.category
    if catalogue.categories:
        own = {theirs.strip(): ours for theirs, ours in catalogue.categories.items()}
        cells = table["category"].astype("str").str.strip()
        table["category"] = cells.map(own).where(cells.isin(own), table["category"])
    if "name" not in table:
        table["name"] = ""
    return table


def read_stand_ins(item: str | GalaxyTable) -> pd.DataFrame:
    """A table of rows that stand in for the survey: ra, dec [degree].

    Raises
    ------
    CatalogueError
        When the file cannot be read, or lacks columns.
    """
    item = GalaxyTable(source=item) if isinstance(item, str) else item
    choices = {ours: (item.columns.get(ours, ours),) for ours in _REQUIRED}
    raw = read_table(item.source, item.hdu, wanted=_sought(choices, _REQUIRED))
    return _renamed(raw, choices, _REQUIRED, f"table '{item.source}' (objects.galaxy_tables)", item.units)


def _sought(choices: Mapping[str, tuple[str, ...]], required: Collection[str]) -> Callable[[Collection[str]], bool]:
    """Whether a table has all columns that are required, by the names of its columns."""

    def has(names: Collection[str]) -> bool:
        lower = {str(name).lower() for name in names}
        return all(any(theirs.lower() in lower for theirs in choices[ours]) for ours in required)

    return has


def _texts(choices: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Columns that hold texts, so that a number among them keeps its digits."""
    return {theirs for ours in ("name", "grade", "reference", "category") for theirs in choices.get(ours, ())}


def _renamed(
    raw: pd.DataFrame,
    choices: Mapping[str, tuple[str, ...]],
    required: Collection[str],
    what: str,
    stated: Mapping[str, str],
) -> pd.DataFrame:
    """The columns that `choices` finds, exact names first, then in any case; ra and dec in degrees.

    `attrs["stated"]` says that the unit of both is known: of the file, or of the run file (`stated`), which may not
    contradict it.
    """
    lower = {str(name).lower(): name for name in reversed(raw.columns)}
    found, missing, known = {}, [], {}
    for ours, theirs in choices.items():
        name = next((t for t in theirs if t in raw.columns), None) or next(
            (lower[t.lower()] for t in theirs if t.lower() in lower), None
        )
        if name is not None:
            found[ours] = raw[name]
            if ours in _REQUIRED:
                if ours in stated:
                    stated_units.agreed(raw, name, stated[ours], what)
                known[ours] = stated_units.stated(raw, name)
                found[ours] = stated_units.in_degrees(raw, name, what)
        elif ours in required:
            missing.append(" or ".join(theirs))
    if missing:
        columns = ", ".join(map(str, raw.columns))
        raise CatalogueError(
            f"{what}, {len(raw):,} rows, lacks column(s) {', '.join(missing)}; found {columns[:400]}; name them "
            "in `columns` of the run file"
        )
    table = pd.DataFrame(found)
    table.attrs = {"stated": all(known.get(name) for name in _REQUIRED)}
    return table
