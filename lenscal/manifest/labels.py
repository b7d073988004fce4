"""What a row is used for: label, tier, weight, role, host."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.errors import InputError
from lenscal.kernels import matching

LABELS = {"positive": 1, "N1": 0, "N2": 0, "control": -1}


def positives(lenses: pd.DataFrame, matches: pd.DataFrame, which: str) -> pd.DataFrame:
    """The galaxy of each positive, one row per galaxy: that of the best tier, then the nearest lens.

    Parameters
    ----------
    lenses, matches : DataFrame
        As `schema.LENSES` and `schema.MATCHES`.
    which : str
        ``"all"``, or ``"imaging"`` for imaging candidates (rule P0.1b) and the literature tier.

    Returns
    -------
    DataFrame
        galaxy_id, lens_id, tier, catalogue, reference, grade, channel; by galaxy_id.
    """
    names = ["lens_id", "tier", "catalogue", "reference", "grade", "channel", "imaging_candidate"]
    table = matches[matches["galaxy_id"] >= 0].merge(lenses[names], on="lens_id", validate="one_to_one")
    if which == "imaging":
        table = table[table["imaging_candidate"].astype(bool) | table["tier"].eq("literature")]
    rank = table["tier"].map({tier: i for i, tier in enumerate(schema.TIERS)})
    table = table.assign(rank=rank).sort_values(["galaxy_id", "rank", "separation", "lens_id"])
    return table.drop_duplicates("galaxy_id")[["galaxy_id", *names[:-1]]].reset_index(drop=True)


def label(table: pd.DataFrame, settings: config.Manifest) -> pd.DataFrame:
    """The table with label, weight, target and role, from pool, tier and split.

    A positive trains when its split is train and its tier is not one of `anchor_tiers`; it is an anchor when its split
    is val or test. One of an anchor tier on the sky of the training split is neither: it is not trained on, and the
    sky around it is. Negatives of the training split train.
    """
    pool, tier, split = (table[name].astype("str") for name in ("pool", "tier", "split"))
    if unknown := set(pool) - set(LABELS):
        raise InputError(f"manifest: unknown pool(s) {sorted(unknown)}; known: {list(LABELS)}")
    positive = pool.eq("positive")
    if bad := set(tier[positive]) - set(settings.tier_weights):
        raise InputError(f"manifest: positives of tier(s) {sorted(bad)}; known: {sorted(settings.tier_weights)}")
    negative = pool.isin(["N1", "N2"])
    weight = tier.map(settings.tier_weights).where(positive, negative.astype(float))
    target = tier.map(settings.tier_targets).where(positive, 0.0)
    trains = split.eq("train") & (negative | (positive & ~tier.isin(settings.anchor_tiers)))
    anchors = positive & split.isin(["val", "test"])
    role = np.select([trains, anchors], ["train", "anchor"], "none")
    return table.assign(label=pool.map(LABELS).astype("i1"), weight=weight, target=target, role=role)


def keep_apart(table: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """The table without training positives on the sky of an anchor: one within the radius,
    across a border, has no role.
    """
    there = np.isfinite(table["ra"].to_numpy("f8")) & np.isfinite(table["dec"].to_numpy("f8"))
    train = np.flatnonzero(there & (table["role"].eq("train") & table["label"].eq(1)).to_numpy(bool))
    anchor = np.flatnonzero(there & table["role"].eq("anchor").to_numpy(bool))
    ra, dec = table["ra"].to_numpy("f8"), table["dec"].to_numpy("f8")
    first, _, _ = matching.pairs(ra[train], dec[train], ra[anchor], dec[anchor], radius_arcsec)
    role = table["role"].to_numpy(object).copy()
    role[train[first]] = "none"
    return table.assign(role=role)


def hosts(table: pd.DataFrame, settings: config.Manifest) -> np.ndarray:
    """Which rows may carry an injection: N1 galaxies of the host types and splits, within the cuts
    on colour and magnitude.

    N1 is the sky as the detector meets it, confusers included in their natural share; nothing drawn for N2 is a host.
    """
    host = table["pool"].eq("N1") & table["type"].isin(settings.host_types) & table["split"].isin(settings.host_splits)
    if settings.host_colour_gr_min is not None:
        host &= table["colour_gr"] >= settings.host_colour_gr_min
    if settings.host_mag_r_max is not None:
        host &= table["mag_r"] <= settings.host_mag_r_max
    return host.to_numpy(bool)


def weights(table: pd.DataFrame) -> pd.DataFrame:
    """Rows and summed sample weight of each split, role, pool and tier: what a loss sees is the role train."""
    groups = table.groupby(["split", "role", "pool", "tier"], observed=True, dropna=False)
    out = groups.agg(rows=("weight", "size"), weight=("weight", "sum"), target=("target", "mean"))
    return out.reset_index()
