"""The claims a manifest makes, each with its measure and limits."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.gates import Gate, absent, words
from lenscal.kernels import matching

from .overlaps import overlaps
from .parting import _splits, share

CRITICAL_COLUMNS = ("galaxy_id", "ra", "dec", "type", "nobs_z", "flux_r", "healpix_64", "healpix_128", "split", "pool")
_PROVENANCE = ("pipeline_version", "git_commit", "extraction_timestamp")


def gates(
    table: pd.DataFrame,
    settings: config.Manifest,
    seed: int,
    lenses: pd.DataFrame | None = None,
    drawn: bool = True,
    own_splits: Collection[int] = (),
) -> list[Gate]:
    """Every claim of a manifest.

    Parameters
    ----------
    table : DataFrame
        As `schema.MANIFEST`.
    settings : config.Manifest
    seed : int
        Of the run.
    lenses : DataFrame, optional
        As `schema.LENSES`, for the exclusion around them.
    drawn : bool
        Whether the negatives were drawn here; a sample with rows of its own makes no claim about their number.
    own_splits : collection of galaxy_id
        Of rows whose split was given, not drawn by their place.
    """
    given = "the sample came with its own rows"
    negative = table["label"].eq(0)
    n1, n2 = int(table["pool"].eq("N1").sum()), int(table["pool"].eq("N2").sum())
    return [
        Gate(
            "manifest.rows",
            "the sample is large enough",
            "rows",
            len(table),
            minimum=max(1, settings.rows_min),
            critical=True,
        ),
        _nulls(table, drawn),
        Gate(
            "manifest.unique",
            "no galaxy is there twice",
            "repeated galaxy_id",
            int(table["galaxy_id"].duplicated().sum()),
            maximum=0,
            critical=True,
        ),
        _ranges(table, "ra", 0, 360),
        _ranges(table, "dec", -90, 90),
        share(n1, n2, settings)
        if drawn
        else absent("1A.3", "N1 is the share of the negatives it is meant to be", given),
        _confusers(table) if drawn else absent("X.1", "negatives include rings, spirals, mergers", given),
        _ratio(table, negative, settings) if drawn else absent("1A.4", "negatives for each positive", given),
        _exclusion(table, negative, lenses, settings),
        Gate(
            "manifest.types",
            "several types of galaxy",
            "types",
            int(table.loc[table["type"] != "", "type"].nunique()),
            minimum=settings.types_min,
        ),
        *_splits(table, settings, seed, own_splits),
        *_roles(table, settings),
        _provenance(table),
        *overlaps(table, settings),
    ]


def _nulls(table: pd.DataFrame, drawn: bool) -> Gate:
    names = CRITICAL_COLUMNS if drawn else ("galaxy_id", "split", "pool")  # rows of one's own need no position
    nulls = {name: int(_missing(table[name]).sum()) for name in names}
    found = {name: rows for name, rows in nulls.items() if rows}
    return Gate(
        "manifest.nulls",
        "no value is missing in the critical columns",
        "missing values",
        sum(nulls.values()),
        maximum=0,
        critical=True,
        evidence=words(found) if found else ", ".join(names),
    )


def _missing(column: pd.Series) -> pd.Series:
    """Values that are not known: NaN, an empty text, a negative number of a column of whole numbers."""
    if pd.api.types.is_integer_dtype(column.dtype):
        return column < 0
    return column.isna() if pd.api.types.is_float_dtype(column.dtype) else column.isna() | column.eq("")


def _ranges(table: pd.DataFrame, name: str, low: float, high: float) -> Gate:
    values = table[name].to_numpy("f8")
    outside = int(((values < low) | (values > high)).sum())
    claim = f"{name} lies in [{low}, {high}]"
    if not np.isfinite(values).any():
        return absent(f"manifest.{name}", claim, "no row has a position")
    return Gate(f"manifest.{name}", claim, "rows outside", outside, maximum=0, critical=True)


def _confusers(table: pd.DataFrame) -> Gate:
    counts = table.loc[table["pool"].eq("N2"), "confuser_class"].value_counts().to_dict()
    counts = {name: int(counts.get(name, 0)) for name in schema.CONFUSERS}
    empty = [name for name, rows in counts.items() if rows == 0]
    return Gate(
        "X.1",
        "negatives include rings, spirals, mergers: no class of N2 is empty",
        "empty classes",
        len(empty),
        maximum=0,
        evidence=words(counts),
    )


def _ratio(table: pd.DataFrame, negative: pd.Series, settings: config.Manifest) -> Gate:
    positives = int(table["label"].eq(1).sum())
    value = int(negative.sum()) / positives if positives else float("nan")
    meant = settings.negatives_per_positive
    sums = table.groupby("pool", observed=True)["weight"].sum().round(3).to_dict()
    return Gate(
        "1A.4",
        "negatives for each positive",
        "negatives per positive",
        value,
        (1 - settings.shortfall_max) * meant,
        meant,
        evidence=(
            f"{int(negative.sum())} negatives, {positives} positives, summed weights {words(sums)}; strata in the notes"
        ),
    )


def _exclusion(
    table: pd.DataFrame, negative: pd.Series, lenses: pd.DataFrame | None, settings: config.Manifest
) -> Gate:
    claim = f"no negative lies within {settings.exclusion_radius_arcsec:g} arcsec of a lens"
    rows = table[negative & np.isfinite(table["ra"]) & np.isfinite(table["dec"])]
    if lenses is None or rows.empty:
        return absent("1A.7", claim, "no table of lenses was given" if lenses is None else "no negative has a position")
    reach = max(60.0, settings.exclusion_radius_arcsec)
    index, distance, _ = matching.nearest(rows["ra"], rows["dec"], lenses["ra"], lenses["dec"], reach)
    nearest = f"nearest at {np.nanmin(distance):.2f} arcsec" if (index >= 0).any() else f"none within {reach:g} arcsec"
    inside = int((distance <= settings.exclusion_radius_arcsec).sum())
    return Gate(
        "1A.7", claim, "negatives inside", inside, maximum=0, critical=True, evidence=f"{len(lenses)} lenses; {nearest}"
    )


def _roles(table: pd.DataFrame, settings: config.Manifest) -> list[Gate]:
    positive = table["label"].eq(1)
    train, anchor = table[table["role"].eq("train")], table[table["role"].eq("anchor")]
    mismatch = positive & ~np.isclose(table["weight"], table["tier"].map(settings.tier_weights).astype("f8").fillna(-1))
    tiers = table.loc[positive, "tier"].value_counts().to_dict()
    roles = pd.crosstab(
        table.loc[positive, "tier"].to_numpy(object), table.loc[positive, "role"].to_numpy(object)
    ).to_dict("index")
    if not positive.any():
        why = "the sample has no positive"
        return [
            absent(i, c, why)
            for i, c in (
                ("manifest.anchors", "anchors are apart from what may train"),
                ("manifest.training", "what may train is of no anchor tier and in the training split"),
                ("2.1", "tiers weigh what they are meant to"),
                ("2.5", "every positive says where it is from"),
            )
        ]
    return [
        Gate(
            "manifest.anchors",
            "anchors are apart from what may train, by id, by sky and by split",
            "anchors that are not apart",
            _not_apart(anchor, train, settings.exclusion_radius_arcsec),
            maximum=0,
            critical=True,
            evidence=f"{len(anchor)} anchors, {int((positive & table['role'].eq('train')).sum())} training positives",
        ),
        Gate(
            "manifest.training",
            "what may train is of no anchor tier and in the training split",
            "training rows of an anchor tier or outside the training split",
            int((train["tier"].isin(settings.anchor_tiers) | train["split"].ne("train")).sum()),
            maximum=0,
            critical=True,
            evidence="; ".join(f"tier {tier}: {words(counts)}" for tier, counts in roles.items()),
        ),
        Gate(
            "2.1",
            "tiers weigh what they are meant to",
            "positives of another weight",
            int(mismatch.sum()),
            maximum=0,
            evidence=words(tiers),
        ),
        Gate(
            "2.5",
            "every positive says where it is from",
            "positives without a catalogue",
            int((positive & table["catalogue"].fillna("").eq("")).sum()),
            maximum=0,
        ),
    ]


def _not_apart(anchor: pd.DataFrame, train: pd.DataFrame, radius: float) -> int:
    """Anchors that share an id with what may train, lie near it on the sky, or are in its split."""
    shared = anchor["galaxy_id"].isin(train["galaxy_id"]) | (
        anchor["lens_id"].isin(train["lens_id"]) & anchor["lens_id"].ne("")
    )
    there = anchor["ra"].notna().to_numpy() & anchor["dec"].notna().to_numpy()
    seen = train[train["label"].eq(1) & train["ra"].notna() & train["dec"].notna()]  # negatives: gate 1A.7
    near = matching.nearest(anchor["ra"][there], anchor["dec"][there], seen["ra"], seen["dec"], radius)[0] >= 0
    return int(shared.sum() + near.sum() + anchor["split"].eq("train").sum())


def _provenance(table: pd.DataFrame) -> Gate:
    full = [n for n in _PROVENANCE if table[n].fillna("").ne("").all()]
    return Gate(
        "manifest.provenance",
        "rows say what made them",
        "of 3 provenance columns filled",
        len(full),
        minimum=2,
        evidence=", ".join(full),
    )
