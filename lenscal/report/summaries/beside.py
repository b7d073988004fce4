"""Tables of two detectors on the same trials."""

from __future__ import annotations

import pandas as pd

from lenscal.report.inputs import Inputs

from .summary import summary

STORES = "scores.zarr of both runs"


def _of(inputs: Inputs, what: str) -> pd.DataFrame | None:
    """One table of every false-positive rate, the rate in front."""
    if inputs.beside is None:
        return None
    tables = [getattr(part, what).copy() for part in inputs.beside.parts]
    for part, table in zip(inputs.beside.parts, tables):
        table.insert(0, "rate_requested", part.rate)
    return pd.concat(tables, ignore_index=True)


@summary(STORES, "Two detectors, all injections")
def beside_all(inputs: Inputs) -> pd.DataFrame | None:
    """What each finds of all injections, either, both, and the paired difference."""
    return _of(inputs, "overall")


@summary(STORES, "Two detectors, real objects by what they are")
def beside_objects(inputs: Inputs) -> pd.DataFrame | None:
    """The same of real objects, lenses and negatives apart."""
    return _of(inputs, "others")


@summary(STORES, "Two detectors, cell by cell")
def beside_cells(inputs: Inputs) -> pd.DataFrame | None:
    """The same of each cell."""
    return _of(inputs, "cells")
