"""Catalogues of look-alikes become one table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.gates import Ledger
from lenscal.objects.columns import positions_of


def contaminant_table(raw: pd.DataFrame, catalogue: config.ContaminantCatalogue) -> tuple[pd.DataFrame, Ledger]:
    """Look-alikes of one catalogue, not yet matched.

    Parameters
    ----------
    raw : DataFrame
        name, ra, dec, category.
    catalogue : ContaminantCatalogue

    Returns
    -------
    DataFrame
        As `schema.CONTAMINANTS`, with galaxy_id -1.
    Ledger
        Rows without a usable position or category.

    Raises
    ------
    ObjectsError
        When no row has a position.
    """
    ra, dec, keep, ledger = positions_of(raw, f"contaminant catalogue '{catalogue.name}'")
    category = raw["category"].astype("str").str.strip().where(raw["category"].notna(), "")
    blank = keep & category.eq("").to_numpy()
    keep &= ~blank
    dropped = {**ledger.dropped, **({"no category": int(blank.sum())} if blank.any() else {})}
    table = pd.DataFrame(
        {
            "name": raw["name"].astype("str").str.strip().where(raw["name"].notna(), ""),
            "category": category,
            "catalogue": catalogue.name,
            "ra": ra,
            "dec": dec,
            "galaxy_id": np.int64(-1),
            "separation": np.nan,
        }
    )
    return schema.CONTAMINANTS.cast_table(table[keep]).reset_index(drop=True), Ledger(
        len(raw), int(keep.sum()), dropped
    )
