"""Scored cutouts as a table."""

from __future__ import annotations

import pandas as pd
import xarray as xr


def table(scores: xr.Dataset) -> pd.DataFrame:
    names = ("galaxy_id", "ra", "dec", "split", "pool", "role", "label", "host", "cutout_ok", "arc_snr", "score")
    columns = {name: scores[name].values for name in names}
    table = pd.DataFrame({name: v.astype(object) if v.dtype.kind in "OTU" else v for name, v in columns.items()})
    table["negative"] = (table["label"] == 0) & table["pool"].isin(["N1", "N2"])
    return table
