"""Data sets by name, through intake: `lenscal.open_catalog(run="small").completeness.read()`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from lenscal.config import ConfigError, real_data
from lenscal.io.tables.lenses import CatalogueError, lenscat_path


def _file(path: str | Path | None) -> Path:
    """catalogs.yaml: as given, else of the checkout; never one that happens to lie in this folder, since a
    catalogue names code to load.
    """
    if path is not None:
        found = Path(path)
        if not found.is_file():
            raise ConfigError(f"catalogue '{found}' is missing")
        return found
    found = Path(__file__).resolve().parents[2] / "catalogs.yaml"
    if found.is_file():
        return found
    raise ConfigError(
        "no catalogs.yaml beside lenscal; name the one that is meant, if you trust it: "
        "open_catalog(path=...), lenscal catalog --path ..."
    )


def lenscat_file() -> str:
    """The CSV of the package lenscat, or why there is none."""
    try:
        return str(lenscat_path())
    except CatalogueError as error:
        return str(error)


DEFAULT = "small"
"""The run of `make audit`."""


def open_catalog(run: str = DEFAULT, path: str | Path | None = None) -> Any:
    """The intake catalogue with its places filled in.

    Parameters
    ----------
    run : str
        Name of the run whose stores are meant; one that lies elsewhere is opened by its folder (`open_run`).
    path : path, optional
        Of catalogs.yaml; found by itself in a checkout.

    Returns
    -------
    intake catalogue
        An attribute per data set; ``.read()`` opens it: stores as Datasets of Dask arrays, large tables as Dask
        DataFrames, outside catalogues as DataFrames.

    Raises
    ------
    ConfigError
        There is no run of that name, other than the one that `make audit` makes.
    """
    import intake

    file = _file(path)
    stores = file.resolve().parent / "stores"
    if run != DEFAULT and not (stores / run).is_dir():
        there = sorted(one.name for one in stores.iterdir() if one.is_dir()) if stores.is_dir() else []
        raise ConfigError(
            f"there is no run '{run}' in '{stores}' ({', '.join(there) or 'which has none'}); open one that lies "
            "elsewhere by the folder of its stores: lenscal.open_run(FOLDER)"
        )
    return intake.from_yaml_file(str(file))(**_places(file, run))


def _places(file: Path, run: str) -> dict[str, str]:
    return {
        "run": run,
        "root": str(file.resolve().parent),
        "real_data": str(real_data() or "real-data"),
        "lenscat": lenscat_file(),
    }


def describe(run: str, path: str | Path | None = None) -> list[tuple[str, str, bool]]:
    """Name, description and presence of every data set: the file is read as plain YAML, and nothing that it
    names is loaded or called.

    Raises
    ------
    ConfigError
        The file is no catalogue.
    """
    file = _file(path)
    places = _places(file, run)
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
        rows = []
        for name, entry in raw["aliases"].items():
            about = (raw["entries"][entry].get("metadata") or {}).get("description", "")
            data = _DATA.fullmatch(raw["entries"][entry]["kwargs"]["data"])["name"]
            url = _PLACE.sub(lambda match: places[match["name"]], raw["data"][data]["kwargs"]["url"])
            rows.append((str(name), str(about), Path(url.split("/**")[0].split("/*")[0]).exists()))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"catalogue '{file}' cannot be read: {error}") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"'{file}' is no catalogue of lenscal ({type(error).__name__}: {str(error)[:200]}); expected aliases, "
            "entries and data as in the one of the project"
        ) from None
    return rows


_DATA = re.compile(r"\{data\((?P<name>\w+)\)\}")
_PLACE = re.compile(r"\{(?P<name>run|root|real_data|lenscat)\}")
