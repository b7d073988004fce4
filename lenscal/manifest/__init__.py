"""The manifest: which galaxies make the sample, in which pool, split and role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import config, healpix, schema
from lenscal.gates import Gate, Ledger
from lenscal.manifest import drawing, exclusion, labels, overlaps, pools, splits
from lenscal.manifest.gates import gates
from lenscal.manifest.scan import COLUMNS, ManifestError, Scan, margin_needed, merged, scan

__all__ = [
    "COLUMNS",
    "Built",
    "ManifestError",
    "Scan",
    "assemble",
    "build",
    "draw",
    "external",
    "gates",
    "margin_needed",
    "merged",
    "reservoir_limits",
    "scan",
]


@dataclass(frozen=True)
class Built:
    """A manifest and what is to be said about it.

    `table` is as `schema.MANIFEST`; `waterfall` has the rows after each filter, of each class and of each pool;
    `strata` the quotas and shortfalls; `balance`, `overlap` and `weights` the reports on the splits, on what the
    negatives reach, and on what the loss sees.
    """

    table: pd.DataFrame
    waterfall: pd.DataFrame
    strata: pd.DataFrame
    balance: pd.DataFrame
    overlap: pd.DataFrame
    weights: pd.DataFrame
    ledger: Ledger
    gates: list[Gate]


def build(
    galaxies: pd.DataFrame,
    lenses: pd.DataFrame,
    matches: pd.DataFrame,
    contaminants: pd.DataFrame,
    settings: config.Manifest,
    seed: int,
    provenance: Mapping[str, str],
) -> Built:
    """The sample drawn from a survey's objects.

    Parameters
    ----------
    galaxies, lenses, matches, contaminants : DataFrame
        As declared in `schema`; galaxies in any order.
    settings : config.Manifest
    seed : int
        Of the run.
    provenance : mapping
        pipeline_version, git_commit, extraction_timestamp.

    Returns
    -------
    Built
        The same bytes whatever the order or partition of the galaxies.

    Raises
    ------
    ManifestError
        When there is no positive, or a pool or a required class is empty.
    """
    for declaration, table in (
        (schema.GALAXIES, galaxies),
        (schema.LENSES, lenses),
        (schema.MATCHES, matches),
        (schema.CONTAMINANTS, contaminants),
    ):
        declaration.check_table(table)
    order = np.lexsort((galaxies["row_index"], galaxies["sweep_file"].astype("str"), galaxies["galaxy_id"]))
    table = galaxies.iloc[order].reset_index(drop=True)
    found = labels.positives(lenses, matches, settings.positive_lenses)
    seen = scan(table, found, lenses, settings, seed, repeated=exclusion.same_key(table))
    drawn = draw(seen, found, settings, seed)
    rows = table.iloc[drawn.rows["row"].to_numpy()].reset_index(drop=True)
    return assemble(rows, drawn, seen, found, lenses, contaminants, settings, seed, provenance)


def reservoir_limits(matched: pd.DataFrame, found: pd.DataFrame, settings: config.Manifest) -> np.ndarray:
    """How many candidates of each stratum a scan of the whole sky can ever ask for.

    Parameters
    ----------
    matched : DataFrame
        Galaxies (type, nobs_z, galaxy_id), those of the positives among them.
    found : DataFrame
        From `labels.positives`.
    """
    rows = matched[matched["galaxy_id"].isin(found["galaxy_id"])]
    return pools.limits(np.bincount(pools.strata(rows), minlength=len(pools.STRATA)), settings)


def draw(seen: Scan, found: pd.DataFrame, settings: config.Manifest, seed: int) -> drawing.Drawn:
    """The sample of a scan of the whole sky.

    Raises
    ------
    ManifestError
        As in `build`.
    """
    seen.steps["galaxies matched to a positive"] = len(found)
    if not seen.offers.positives.any():
        raise seen.error(
            "no lens is matched to a galaxy inside the footprint, so there is nothing to draw negatives for"
        )
    drawn = drawing.draw(seen.offers, settings, seed)
    pool, classes = drawn.rows["pool"], drawn.rows["confuser_class"]
    for name in ("positive", "N1", "N2", *(["control"] if settings.controls_per_positive else [])):
        seen.steps[f"pool {name}"] = int(pool.eq(name).sum())
    for name in schema.CONFUSERS:
        seen.steps[f"pool N2, drawn for {name}"] = int(classes.eq(name).sum())
    for name in ("N1", "N2"):
        if not pool.eq(name).any():
            raise seen.error(f"pool {name} is empty")
    if empty := [name for name in settings.required_classes if not classes.eq(name).any()]:
        raise seen.error(
            f"class(es) {', '.join(empty)} of N2 are empty, and manifest.required_classes asks for them; "
            "lower their cuts (manifest.confuser_cuts) or use more sky"
        )
    return drawn


def assemble(
    rows: pd.DataFrame,
    drawn: drawing.Drawn,
    seen: Scan,
    found: pd.DataFrame,
    lenses: pd.DataFrame,
    contaminants: pd.DataFrame,
    settings: config.Manifest,
    seed: int,
    provenance: Mapping[str, str],
) -> Built:
    """The manifest of what was drawn.

    Parameters
    ----------
    rows : DataFrame
        As `schema.GALAXIES`: the galaxy of each row of `drawn.rows`, in that order.
    drawn, seen
        From `draw` and the scan it was made from.
    found, lenses, contaminants, settings, seed, provenance
        As in `build`.
    """
    if not np.array_equal(rows["galaxy_id"].to_numpy(), drawn.rows["galaxy_id"].to_numpy()):
        raise ManifestError("manifest: the galaxies at hand are not those that were drawn; run the stage objects again")
    out = rows.assign(
        pool=drawn.rows["pool"].to_numpy(),
        confuser_class=drawn.rows["confuser_class"].to_numpy(),
        confuser=drawn.rows["bits"].to_numpy(),
        condition_source="catalogue",
    )
    out = out.merge(found, on="galaxy_id", how="left", validate="one_to_one")
    out["contaminant"] = _contaminant(out, contaminants)
    out = _finish(out, settings, seed, provenance)
    dropped = {reason: count for reason, count in seen.dropped.items() if count}
    candidates = int(seen.offers.candidates)
    drawn_from = int(drawn.rows["candidate"].sum())
    if candidates > drawn_from:
        dropped["candidate not drawn"] = candidates - drawn_from
    ledger = Ledger(seen.rows_in, len(out), dropped)
    return _built(out, seen.waterfall(), drawn.strata, ledger, settings, seed, gates(out, settings, seed, lenses))


def external(rows: pd.DataFrame, settings: config.Manifest, seed: int, provenance: Mapping[str, str]) -> Built:
    """The manifest of a sample that comes with its own rows, such as sets of stamps.

    Parameters
    ----------
    rows : DataFrame
        galaxy_id, pool, tier (of positives), and any other column of `schema.MANIFEST`. Label, weight, target, role,
        sky pixels and split are made here; host and split are the rows' own where they have them, and a positive is
        never a host.
        Numbers that are missing become NaN or -1, bit masks and release 0, text empty.
    settings, seed, provenance
        As in `build`.

    Returns
    -------
    Built
        A row without a position is in split "none".

    Raises
    ------
    ManifestError
        When galaxy_id or pool is missing, a galaxy_id is there twice, or a column is unknown.
    """
    needed = [name for name in ("galaxy_id", "pool") if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in schema.MANIFEST.variables]
    if needed or unknown:
        raise ManifestError(
            f"manifest: the rows of the sample lack {needed}, and hold unknown columns {unknown}; see docs/data.md"
        )
    if rows["galaxy_id"].duplicated().any():
        again = rows.loc[rows["galaxy_id"].duplicated(), "galaxy_id"].tolist()
        raise ManifestError(
            f"manifest: {len(again)} galaxy_id(s) of the sample are there twice, the first is {again[0]}"
        )
    out = rows.reset_index(drop=True).copy()
    bands = [band for band in schema.OPTICAL if band in schema.BANDS or f"flux_{band}" in rows]
    for name, variable in schema.of_bands(schema.MANIFEST, bands).variables.items():
        if name == "region" and name not in out:  # of a run of both regions only
            continue
        if variable.dtype == "str":
            out[name] = out[name].fillna("").astype("str") if name in out else ""
        elif variable.dtype.startswith("i"):
            missing = 0 if name in ("release", "maskbits", "fitbits", "confuser") else -1
            out[name] = out[name].fillna(missing) if name in out else missing
        elif variable.dtype.startswith("f") and name not in out:
            out[name] = np.nan
    for band in bands:
        flux = out[f"flux_{band}"].to_numpy("f8")
        made = schema.ZEROPOINT - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))
        out[f"mag_{band}"] = np.where(np.isfinite(out[f"mag_{band}"]), out[f"mag_{band}"], made)
    for nside in (64, 128):
        out[f"healpix_{nside}"] = healpix.pixels_of(out["ra"], out["dec"], nside)
    own = rows["host"].fillna(False).to_numpy(bool) if "host" in rows else None
    out = _finish(
        out.assign(host=own) if own is not None else out, settings, seed, provenance, own_hosts=own is not None
    )
    steps = {"rows": len(rows), **{f"pool {name}": int(out["pool"].eq(name).sum()) for name in schema.POOLS}}
    waterfall = Scan(len(rows), steps).waterfall()
    stratum = out.groupby(["nobs_z_bin", "type_bin"], observed=True)["pool"].value_counts().unstack(fill_value=0)
    counts = {n: stratum.get(p, 0) for n, p in (("positives", "positive"), ("n1", "N1"), ("n2", "N2"))}
    strata = stratum.assign(**counts)[list(counts)].reset_index()
    strata["wanted"] = strata["positives"] * settings.negatives_per_positive
    strata["shortfall"] = (strata["wanted"] - strata["n1"] - strata["n2"]).clip(lower=0)
    strata.columns.name = None
    ledger = Ledger(len(rows), len(out))
    given = rows["split"].fillna("").astype("str").ne("") if "split" in rows else pd.Series(False, index=rows.index)
    judged = gates(out, settings, seed, drawn=False, own_splits=rows.loc[given, "galaxy_id"].tolist())
    return _built(out, waterfall, strata, ledger, settings, seed, judged)


def _finish(
    out: pd.DataFrame, settings: config.Manifest, seed: int, provenance: Mapping[str, str], own_hosts: bool = False
) -> pd.DataFrame:
    """Splits, strata, labels, hosts and provenance; declared columns in declared order, by galaxy_id."""
    for name in ("lens_id", "tier", "catalogue", "reference", "grade", "channel"):
        out[name] = out[name].fillna("")
    drawn = splits.split_of(out["healpix_128"].to_numpy(), seed, settings.split_fractions)
    own = out["split"].astype("str").to_numpy() if "split" in out else np.full(len(out), "")
    out["split"] = np.where(own != "", own, drawn)
    out["nobs_z_bin"], out["type_bin"] = pools.nobs_bins(out["nobs_z"].to_numpy()), out["type"]
    out = labels.label(out, settings)
    out = labels.keep_apart(out, settings.exclusion_radius_arcsec)
    out["host"] = (out["host"] & out["label"].eq(0)) if own_hosts else labels.hosts(out, settings)
    for name in ("pipeline_version", "git_commit", "extraction_timestamp"):
        out[name] = str(provenance.get(name, ""))
    return schema.MANIFEST.cast_table(out).sort_values("galaxy_id", ignore_index=True)


def _built(
    out: pd.DataFrame,
    waterfall: pd.DataFrame,
    strata: pd.DataFrame,
    ledger: Ledger,
    settings: config.Manifest,
    seed: int,
    gates: list[Gate],
) -> Built:
    return Built(
        schema.MANIFEST.check_table(out),
        waterfall,
        strata,
        splits.balance(out),
        overlaps.overlap(out),
        labels.weights(out),
        ledger,
        gates,
    )


def _contaminant(out: pd.DataFrame, contaminants: pd.DataFrame) -> pd.Series:
    """Categories of the catalogued contaminant(s) matched to each galaxy, joined by |; none for a positive."""
    hits = contaminants[contaminants["galaxy_id"] >= 0]
    pairs = hits[["galaxy_id", "category"]].drop_duplicates().sort_values(["galaxy_id", "category"])
    joined = pairs.groupby("galaxy_id")["category"].agg("|".join).astype("object")
    return out["galaxy_id"].map(joined).where(~out["pool"].eq("positive")).astype("str").fillna("")
