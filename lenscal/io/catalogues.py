"""Outside catalogues of lenses and of look-alikes, with their columns under our names; values as they stand."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from lenscal.config import ContaminantCatalogue, LensCatalogue
from lenscal.io import row_counts

LENS_COLUMNS = ("name", "ra", "dec", "zlens", "zsource", "grade", "reference")
_REQUIRED = ("ra", "dec")
_FORMATS = {
    "lenscat": {
        "name": ("name",), "ra": ("RA [deg]", "ra"), "dec": ("DEC [deg]", "dec"), "zlens": ("zlens",),
        "grade": ("grading",), "reference": ("ref",),
    },
    "desi-sl-vac": {
        "name": ("TARGETID",), "ra": ("TARGET_RA",), "dec": ("TARGET_DEC",), "zlens": ("Z",), "grade": ("ZWARN",),
    },
    "csv": {name: (name,) for name in LENS_COLUMNS},
}  # fmt: skip
VAC_EXTENSION = "DESI_SL_CATALOG"
VAC_REFERENCE = "DESI DR1 strong lensing VAC"


class CatalogueError(ValueError):
    """An outside catalogue that cannot be used; the message names it."""


def read_table(path: str | Path, extension: str | None = None) -> pd.DataFrame:
    """A table from CSV (gzipped or not), TSV or FITS.

    Parameters
    ----------
    path : path
    extension : str, optional
        Name of the FITS extension; the first table when not given.

    Returns
    -------
    DataFrame
        Native byte order, text stripped; vector columns of a FITS table are left out.

    Raises
    ------
    CatalogueError
        When the file cannot be read or lacks the extension.
    """
    path = Path(path)
    if not path.is_file():
        raise CatalogueError(f"catalogue '{path}' does not exist; check its source in the run file")
    name = path.name.removesuffix(".gz")
    fits_like = name.endswith((".fits", ".fit"))
    if not fits_like and not name.endswith((".csv", ".tsv", ".txt")):
        raise CatalogueError(f"catalogue '{path}' is of no known kind; expected .csv, .csv.gz, .tsv or .fits")
    try:
        if fits_like:
            return _fits_table(path, extension)
        return pd.read_csv(path, sep="\t" if name.endswith(".tsv") else ",", low_memory=False)
    except CatalogueError:
        raise
    except (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error, fits.VerifyError, AstropyUserWarning) as error:
        with path.open("rb") as file:
            packed = path.name.endswith(".gz")
            left = row_counts.told(file, packed, extension) if fits_like else f"{row_counts.lines(file, packed):,} lines can be read"
        raise CatalogueError(f"catalogue '{path}' cannot be read ({error}): {left}; it may be truncated: fetch it again") from None


def _fits_table(path: Path, extension: str | None) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*truncated", category=AstropyUserWarning)
        with fits.open(path, memmap=False) as hdus:
            tables = [h for h in hdus if isinstance(h, fits.BinTableHDU)]
            if extension is not None:
                found = [h.name for h in tables]
                tables = [h for h in tables if h.name == extension]
                if not tables:
                    raise CatalogueError(f"'{path}' has no extension {extension}; found {found}")
            if not tables:
                raise CatalogueError(f"'{path}' holds no FITS table: it is another file, or truncated")
            data, out = tables[0].data, {}
            for name in tables[0].columns.names:
                values = np.asarray(data.field(name))
                if values.ndim > 1:
                    continue
                native = values.astype(values.dtype.newbyteorder("="))
                out[name] = np.char.strip(native.astype("U")) if native.dtype.kind in "SU" else native
    return pd.DataFrame(out)


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
    raw = read_table(path, VAC_EXTENSION if vac else None)
    required = tuple(_FORMATS[catalogue.format]) if catalogue.format != "csv" else (*_REQUIRED, *catalogue.columns)
    choices = {**_FORMATS[catalogue.format], **{ours: (theirs,) for ours, theirs in catalogue.columns.items()}}
    if unknown := set(catalogue.columns) - set(LENS_COLUMNS):
        raise CatalogueError(
            f"lens catalogue '{catalogue.name}': columns names {sorted(unknown)}; known: {LENS_COLUMNS}"
        )
    table = _renamed(raw, choices, required, f"lens catalogue '{catalogue.name}' ({path})")
    if vac:
        table["grade"] = np.where(table["grade"] == 0, "high-quality", "probable")
        table["reference"] = VAC_REFERENCE
    return table


def read_contaminants(catalogue: ContaminantCatalogue) -> pd.DataFrame:
    """A catalogue of look-alikes: name, ra, dec [degree] and category.

    Raises
    ------
    CatalogueError
        When the file cannot be read, or lacks columns.
    """
    raw = read_table(catalogue.source)
    what = f"contaminant catalogue '{catalogue.name}' ({catalogue.source})"
    if unknown := set(catalogue.columns) - {"name", "ra", "dec"}:
        raise CatalogueError(f"{what}: columns names {sorted(unknown)}; known: name, ra, dec")
    choices = {"name": ("name", "objname", "id_str", "objid"), "ra": ("ra", "RA [deg]"), "dec": ("dec", "DEC [deg]")}
    choices |= {ours: (theirs,) for ours, theirs in catalogue.columns.items()}
    required = [*_REQUIRED, *catalogue.columns]
    if catalogue.category.startswith("column:"):
        choices["category"] = (catalogue.category.removeprefix("column:"),)
        required.append("category")
    table = _renamed(raw, choices, required, what)
    if "category" not in table:
        table["category"] = catalogue.category
    if "name" not in table:
        table["name"] = ""
    return table


def _renamed(raw: pd.DataFrame, choices: Mapping[str, tuple[str, ...]], required: object, what: str) -> pd.DataFrame:
    """The columns that `choices` finds, exact names first, then in any case."""
    lower = {str(name).lower(): name for name in reversed(raw.columns)}
    found, missing = {}, []
    for ours, theirs in choices.items():
        name = next((t for t in theirs if t in raw.columns), None) or next(
            (lower[t.lower()] for t in theirs if t.lower() in lower), None
        )
        if name is not None:
            found[ours] = raw[name]
        elif ours in required:
            missing.append(" or ".join(theirs))
    if missing:
        raise CatalogueError(
            f"{what}, {len(raw):,} rows, lacks column(s) {', '.join(missing)}; found {', '.join(map(str, raw.columns))}; name them in `columns` of the run file"
        )
    return pd.DataFrame(found)
