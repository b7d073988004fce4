"""The manifest: which galaxies make the sample, in which pool, split and role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.gates import Gate, Ledger
from lenscal.manifest import audit, confusers, exclusion, labels, pools, splits

__all__ = ["Built", "ManifestError", "build", "external", "gates"]

gates = audit.gates


class ManifestError(ValueError):
    """A sample that cannot be what it is meant to be; the message holds the waterfall."""


@dataclass(frozen=True)
class Built:
    """A manifest and what is to be said about it.

    `table` is as `schema.MANIFEST`; `waterfall` has the rows after each filter, of each class and of each pool;
    `strata` the quotas and shortfalls; `balance`, `overlap` and `weights` the reports on the splits, on what the negatives
    reach, and on what the loss sees.
    """

    table: pd.DataFrame
    waterfall: pd.DataFrame
    strata: pd.DataFrame
    balance: pd.DataFrame
    overlap: pd.DataFrame
    weights: pd.DataFrame
    ledger: Ledger
    gates: list[Gate]


class _Waterfall:
    """Steps and the rows left after each."""

    def __init__(self) -> None:
        self.rows: list[dict] = []

    def add(self, step: str, rows: int | np.ndarray) -> None:
        self.rows.append(
            {"step": step, "rows": int(np.count_nonzero(rows)) if isinstance(rows, np.ndarray) else int(rows)}
        )

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["step", "rows"])

    def error(self, what: str) -> ManifestError:
        return ManifestError(f"manifest: {what}\n{self.table().to_string(index=False)}")


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
        (schema.GALAXIES, galaxies), (schema.LENSES, lenses), (schema.MATCHES, matches), (schema.CONTAMINANTS, contaminants),
    ):  # fmt: skip
        declaration.check_table(table)
    waterfall, rows_in, dropped = _Waterfall(), len(galaxies), {}
    waterfall.add("galaxies", rows_in)

    def leave_out(table: pd.DataFrame, bad: np.ndarray, reason: str, step: str) -> pd.DataFrame:
        if bad.any():
            dropped[reason] = int(bad.sum())
            table = table[~bad].reset_index(drop=True)
        waterfall.add(step, len(table))
        return table

    order = np.lexsort((galaxies["row_index"], galaxies["sweep_file"].astype("str"), galaxies["galaxy_id"]))
    table = galaxies.iloc[order].reset_index(drop=True)
    table = leave_out(table, exclusion.same_key(table), "key seen before", "each key once")
    found = labels.positives(lenses, matches, settings.positive_lenses)
    waterfall.add("galaxies matched to a positive", len(found))
    twice = exclusion.same_place(
        table, settings.duplicate_radius_arcsec, table["galaxy_id"].isin(found["galaxy_id"]).to_numpy()
    )
    table = leave_out(table, twice, "second fit of the same sky", "each place once")
    bits = confusers.classify(table, settings.confuser_cuts)
    table = table.assign(confuser=bits)
    border = exclusion.near_border(table, settings.guard_arcsec, seed, settings.split_fractions)
    table = leave_out(table, border, "guard band", f"{settings.guard_arcsec:g} arcsec from other splits")
    low, high = settings.dec_range_degree
    dec = table["dec"].to_numpy()
    table = leave_out(table, ~((dec > low) & (dec < high)), "declination", f"{low:g} < Dec < {high:g}")
    few = (table[[f"nobs_{band}" for band in schema.BANDS]] < settings.nobs_min).any(axis=1).to_numpy()
    table = leave_out(table, few, "too few exposures", f"NOBS >= {settings.nobs_min} in g, r and z")

    positive = table["galaxy_id"].isin(found["galaxy_id"]).to_numpy()
    waterfall.add("of these positives", positive)
    excluded = exclusion.near_lens(table, lenses, settings.exclusion_radius_arcsec) & ~positive
    candidates = ~positive & ~excluded
    waterfall.add(f"of these further than {settings.exclusion_radius_arcsec:g} arcsec from every lens", candidates)
    for step, inside in pools.ordinary(table, settings).items():
        waterfall.add(step, candidates & inside)
    rule = candidates & inside
    bits = table["confuser"].to_numpy()
    for bit, name in enumerate(schema.CONFUSERS):
        waterfall.add(f"N2 class: {name}", candidates & ((bits >> bit & 1) > 0))
    waterfall.add("N2 candidates: any class", candidates & (bits > 0))
    if not positive.any():
        raise waterfall.error(
            "no lens is matched to a galaxy inside the footprint, so there is nothing to draw negatives for"
        )

    drawn = pools.draw(table, candidates, bits, positive, settings, seed)
    pool = np.where(positive, "positive", drawn.pool)
    for name in ("positive", "N1", "N2"):
        waterfall.add(f"pool {name}", pool == name)
    for name in schema.CONFUSERS:
        waterfall.add(f"pool N2, drawn for {name}", drawn.confuser_class == name)
    for name in ("N1", "N2"):
        if not (pool == name).any():
            raise waterfall.error(f"pool {name} is empty")
    if empty := [name for name in settings.required_classes if not (drawn.confuser_class == name).any()]:
        raise waterfall.error(
            f"class(es) {', '.join(empty)} of N2 are empty, and manifest.required_classes asks for them; "
            "lower their cuts (manifest.confuser_cuts) or use more sky"
        )

    kept = pool != ""
    reasons = {
        "within the exclusion radius of a lens": excluded,
        "neither N1 nor N2": candidates & ~rule & (bits == 0),
        "candidate not drawn": candidates & (rule | (bits > 0)) & ~kept,
    }
    dropped |= {reason: int(rows.sum()) for reason, rows in reasons.items() if rows.any()}
    out = table[kept].assign(pool=pool[kept], confuser_class=drawn.confuser_class[kept], condition_source="catalogue")
    out = out.merge(found, on="galaxy_id", how="left", validate="one_to_one")
    out["contaminant"] = _contaminant(out, contaminants)
    out = _finish(out, settings, seed, provenance)
    ledger = Ledger(rows_in, len(out), dropped)
    return _built(out, waterfall, drawn.strata, ledger, settings, seed, audit.gates(out, settings, seed, lenses))


def external(rows: pd.DataFrame, settings: config.Manifest, seed: int, provenance: Mapping[str, str]) -> Built:
    """The manifest of a sample that comes with its own rows, such as sets of stamps.

    Parameters
    ----------
    rows : DataFrame
        galaxy_id, pool, tier (of positives), and any other column of `schema.MANIFEST`. Label, weight, target, role, sky
        pixels and split are made here; host is the rows' own where they have the column, and never a positive.
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
    for name, variable in schema.MANIFEST.variables.items():
        if variable.dtype == "str":
            out[name] = out[name].fillna("").astype("str") if name in out else ""
        elif variable.dtype.startswith("i"):
            missing = 0 if name in ("release", "maskbits", "fitbits", "confuser") else -1
            out[name] = out[name].fillna(missing) if name in out else missing
        elif variable.dtype.startswith("f") and name not in out:
            out[name] = np.nan
    for band in schema.BANDS:
        flux = out[f"flux_{band}"].to_numpy("f8")
        made = schema.ZEROPOINT - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))
        out[f"mag_{band}"] = np.where(np.isfinite(out[f"mag_{band}"]), out[f"mag_{band}"], made)
    for nside in (64, 128):
        out[f"healpix_{nside}"] = splits.pixels_of(out["ra"], out["dec"], nside)
    own = rows["host"].fillna(False).to_numpy(bool) if "host" in rows else None
    out = _finish(
        out.assign(host=own) if own is not None else out, settings, seed, provenance, own_hosts=own is not None
    )
    waterfall = _Waterfall()
    waterfall.add("rows", len(rows))
    for name in schema.POOLS:
        waterfall.add(f"pool {name}", int(out["pool"].eq(name).sum()))
    stratum = out.groupby(["nobs_z_bin", "type_bin"], observed=True)["pool"].value_counts().unstack(fill_value=0)
    counts = {n: stratum.get(p, 0) for n, p in (("positives", "positive"), ("n1", "N1"), ("n2", "N2"))}
    strata = stratum.assign(**counts)[list(counts)].reset_index()
    strata["wanted"] = strata["positives"] * settings.negatives_per_positive
    strata["shortfall"] = (strata["wanted"] - strata["n1"] - strata["n2"]).clip(lower=0)
    strata.columns.name = None
    ledger = Ledger(len(rows), len(out))
    return _built(out, waterfall, strata, ledger, settings, seed, audit.gates(out, settings, seed, drawn=False))


def _finish(
    out: pd.DataFrame, settings: config.Manifest, seed: int, provenance: Mapping[str, str], own_hosts: bool = False
) -> pd.DataFrame:
    """Splits, strata, labels, hosts and provenance; declared columns in declared order, by galaxy_id."""
    for name in ("lens_id", "tier", "catalogue", "reference", "grade", "channel"):
        out[name] = out[name].fillna("")
    out["split"] = splits.split_of(out["healpix_128"].to_numpy(), seed, settings.split_fractions)
    out["nobs_z_bin"], out["type_bin"] = pools.nobs_bins(out["nobs_z"].to_numpy()), out["type"]
    out = labels.label(out, settings)
    out = labels.keep_apart(out, settings.exclusion_radius_arcsec)
    out["host"] = (out["host"] & out["label"].eq(0)) if own_hosts else labels.hosts(out, settings)
    for name in ("pipeline_version", "git_commit", "extraction_timestamp"):
        out[name] = str(provenance.get(name, ""))
    return schema.MANIFEST.cast_table(out).sort_values("galaxy_id", ignore_index=True)


def _built(
    out: pd.DataFrame, waterfall: _Waterfall, strata: pd.DataFrame, ledger: Ledger, settings: config.Manifest, seed: int,
    gates: list[Gate],
) -> Built:  # fmt: skip
    return Built(
        schema.MANIFEST.check_table(out), waterfall.table(), strata, splits.balance(out), audit.overlap(out),
        labels.weights(out), ledger, gates,
    )  # fmt: skip


def _contaminant(out: pd.DataFrame, contaminants: pd.DataFrame) -> pd.Series:
    """Categories of the catalogued contaminant(s) matched to each galaxy, joined by |; none for a positive."""
    hits = contaminants[contaminants["galaxy_id"] >= 0]
    pairs = hits[["galaxy_id", "category"]].drop_duplicates().sort_values(["galaxy_id", "category"])
    joined = pairs.groupby("galaxy_id")["category"].agg("|".join).astype("object")
    return out["galaxy_id"].map(joined).where(~out["pool"].eq("positive")).astype("str").fillna("")
