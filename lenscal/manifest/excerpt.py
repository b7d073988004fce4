"""What the filters and classes leave of a table that lacks some columns: each step that its columns allow,
and what the others lack.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.manifest import class_sky, confusers, exclusion


def waterfall(table: pd.DataFrame, settings: config.Manifest, lenses: pd.DataFrame | None = None) -> pd.DataFrame:
    """Rows after each step of the sample on an excerpt of the survey.

    A step that cannot be decided is skipped, and the rows go on to the next: nothing here may be drawn from. A class is
    one line whether or not it can be decided; it is never decided from less than its columns.

    Parameters
    ----------
    table : DataFrame
        Columns of `schema.GALAXIES`, as many as there are; type in capitals, magnitudes as observed.
    settings : config.Manifest
    lenses : DataFrame, optional
        ra, dec; for the exclusion.

    Returns
    -------
    DataFrame
        step, rows (<NA> where it cannot be told), lacks: the columns that it needs and the table does not have.
    """
    rows, alive = [{"step": "rows", "rows": len(table), "lacks": ""}], np.ones(len(table), bool)

    def leave(step: str, needs: tuple[str, ...], keep: Callable[[], np.ndarray]) -> None:
        nonlocal alive
        short = [name for name in needs if name not in table.columns]
        alive = alive if short else alive & keep()
        rows.append({"step": step, "rows": None if short else int(alive.sum()), "lacks": ", ".join(short)})

    low, high = settings.dec_range_degree
    nobs = tuple(f"nobs_{band}" for band in schema.BANDS)
    leave(
        f"{low:g} < Dec < {high:g}", ("dec",), lambda: table["dec"].between(low, high, inclusive="neither").to_numpy()
    )
    leave(
        f"NOBS >= {settings.nobs_min} in g, r and z",
        nobs,
        lambda: (table[list(nobs)] >= settings.nobs_min).all(axis=1).to_numpy(),
    )
    if lenses is not None:
        step = f"further than {settings.exclusion_radius_arcsec:g} arcsec from every lens"
        leave(step, ("ra", "dec"), lambda: ~exclusion.near_lens(table, lenses, settings.exclusion_radius_arcsec))
    types = f"N1 rule: type {', '.join(settings.types)}"
    before = alive
    leave(types, ("type",), lambda: table["type"].isin(settings.types).to_numpy(bool))
    leave(f"N1 rule: z < {settings.mag_z_max:g}", ("mag_z",), lambda: table["mag_z"].to_numpy() < settings.mag_z_max)
    short, chosen, sky = confusers.lacking(table.columns), confusers.cuts(settings.confuser_cuts), class_sky.Sky(table)
    for item in confusers.CLASSES:
        with np.errstate(invalid="ignore"):
            count = None if item.name in short else int((item.member(sky, chosen[item.name]) & before).sum())
        rows.append({"step": f"N2 class: {item.name}", "rows": count, "lacks": ", ".join(short.get(item.name, []))})
    return pd.DataFrame(rows).astype({"rows": "Int64", "lacks": "str"})
