"""Data sets by name, through intake: `lenscal.open_catalog(run="small").completeness.read()`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from lenscal.config import ConfigError, real_data


def _file(path: str | Path | None) -> Path:
    """catalogs.yaml: as given, else of the checkout, else in this folder (never above it: a catalogue names code to load)."""
    if path is not None:
        found = Path(path)
        if not found.is_file():
            raise ConfigError(f"catalogue '{found}' is missing")
        return found
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (folder / "catalogs.yaml").is_file():
            return folder / "catalogs.yaml"
    raise ConfigError("no catalogs.yaml beside lenscal or in this folder; name it: open_catalog(path=...)")


def lenscat_file() -> str:
    """The CSV of the package lenscat, found without importing it (its import takes seconds)."""
    try:
        files = distribution("lenscat").files or []
    except PackageNotFoundError:
        return "lenscat is not installed"
    return next((str(f.locate()) for f in files if str(f).endswith("data/catalog.csv")), "lenscat holds no catalog.csv")


def open_catalog(run: str = "small", path: str | Path | None = None) -> Any:
    """The intake catalogue with its places filled in.

    Parameters
    ----------
    run : str
        Name of the run whose stores are meant.
    path : path, optional
        Of catalogs.yaml; found by itself in a checkout.

    Returns
    -------
    intake catalogue
        An attribute per data set; ``.read()`` opens it: stores as Datasets of Dask arrays, large tables as Dask
        DataFrames, outside catalogues as DataFrames.
    """
    import intake

    file = _file(path)
    places = {
        "run": run,
        "root": str(file.resolve().parent),
        "real_data": str(real_data() or "real-data"),
        "lenscat": lenscat_file(),
    }
    return intake.from_yaml_file(str(file))(**places)


def describe(run: str) -> list[tuple[str, str, bool]]:
    """Name, description and presence of every data set."""
    catalog = open_catalog(run)
    rows = []
    for name in catalog.aliases:
        reader = catalog[name]
        url = str(reader.kwargs["data"].url)
        place = Path(url.split("/**")[0].split("/*")[0])
        rows.append((name, catalog.entries[catalog.aliases[name]].metadata.get("description", ""), place.exists()))
    return rows
