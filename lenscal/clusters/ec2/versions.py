"""Versions that a run and its machines must share: with others the same block would give other bytes, or none."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

LIBRARIES = (
    "dask",
    "distributed",
    "numpy",
    "numba",
    "scipy",
    "xarray",
    "zarr",
    "pandas",
    "pyarrow",
    "astropy",
    "healpy",
)
"""Libraries that blocks are done with, or that speak between run and machines."""


def of_this_process() -> dict[str, str]:
    """Of Python, of the libraries and of lenscal's sources, by name."""
    from lenscal.engine.code import code

    found = {"python": ".".join(platform.python_version_tuple()[:2]), "lenscal": code()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """What differs, as ``name: here, there``; empty where a run and a machine fit."""
    return [
        f"{name}: {version} here, {there.get(name, 'absent')} there"
        for name, version in here.items()
        if there.get(name) != version
    ]
