"""Catalogues of lenses become one table: tiers, redshifts, one row for a system of several catalogues."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lenscal import config, healpix, schema
from lenscal.gates import Ledger
from lenscal.kernels import grouping, splitting
from lenscal.objects.columns import ObjectsError, positions_of

_IMAGING = re.compile("Huang|Storfer|Inchausti")
_UNKNOWN = ("", "-", "--", "nan", "none", "not measured", "<na>")
_REDSHIFT_MAX = 20.0  # nothing with a spectrum lies beyond: 99, 999999 and 1e20 fill cells that are masked


def redshifts(cells: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Redshifts of text cells: the first entry (entries are separated by ``|``) that is a number as a whole.

    Returns
    -------
    values : (n,) float64 array
        NaN where no entry is a non-negative number below 20, as in "0.272?".
    unreadable : (n,) bool array
        NaN although the cell says more than that the redshift is unknown.
    """
    values, unreadable = np.full(len(cells), np.nan), np.zeros(len(cells), bool)
    for i, cell in enumerate(cells):
        for entry in str(cell).split("|"):
            text = entry.strip()
            if text.lower() in _UNKNOWN:
                continue
            try:
                number = float(text)
            except ValueError:
                unreadable[i] = True
                continue
            if 0 <= number < _REDSHIFT_MAX:
                values[i] = number
                break
            unreadable[i] |= _REDSHIFT_MAX <= number < np.inf
    return values, unreadable & np.isnan(values)


def lens_id(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Canonical names: J<ra><dec> in degrees, the position rounded to 0.1 arcsec."""
    ra = np.round(np.asarray(ra, float) * 36000).astype(np.int64) % (360 * 36000)
    dec = np.round(np.asarray(dec, float) * 36000).astype(np.int64)
    return np.array([f"J{r / 36000:09.5f}{d / 36000:+09.5f}" for r, d in zip(ra, dec)], dtype=object)


def lens_table(raw: pd.DataFrame, catalogue: config.LensCatalogue) -> tuple[pd.DataFrame, Ledger]:
    """Lenses of one catalogue, with tier, channel and redshift.

    Parameters
    ----------
    raw : DataFrame
        ra, dec, and what there is of name, zlens, zsource, grade, reference.
    catalogue : LensCatalogue

    Returns
    -------
    DataFrame
        As `schema.LENSES` without sky pixel and split; `attrs["unreadable_redshifts"]` counts cells such as "0.272?".
        Tier: confirmed or high-quality -> literature, confident -> A, probable -> B; without a grade a spectroscopic
        or literature catalogue gives literature, another B. A lens is an imaging candidate (rule P0.1b) when its name
        contains DESI or its reference cites Huang, Storfer or Inchausti.
    Ledger
        Rows without a usable position.

    Raises
    ------
    ObjectsError
        When a grade is unknown, or no row has a position.
    """
    ra, dec, keep, ledger = positions_of(raw, f"lens catalogue '{catalogue.name}'")
    raw, ra, dec = raw[keep].reset_index(drop=True), ra[keep], dec[keep]
    text = {}
    for name in ("name", "grade", "reference"):
        column = raw[name] if name in raw else pd.Series("", index=raw.index)
        text[name] = column.astype("str").str.strip().where(column.notna(), "")
    if catalogue.format == "desi-sl-vac":
        text["name"] = "TARGETID " + text["name"]
    grade = text["grade"].str.lower()
    default = "literature" if catalogue.channel in ("spectroscopic", "follow-up", "literature") else "B"
    known = {**schema.TIER_OF_GRADE, **{one: one for one in schema.TIERS if one}}
    own = {
        theirs.strip().lower(): known.get(ours, known.get(ours.strip().lower(), default))
        for theirs, ours in catalogue.grades.items()
    }
    tier = grade.map({**schema.TIER_OF_GRADE, "": default, "nan": default, **own})
    if tier.isna().any():
        found = sorted(set(text["grade"][tier.isna()]))
        raise ObjectsError(
            f"lens catalogue '{catalogue.name}': {int(tier.isna().sum()):,} of {len(raw):,} rows have unknown "
            f"grade(s) {str(found)[:200]}; known: {sorted(schema.TIER_OF_GRADE)}; give each its tier under `grades` of "
            "the catalogue in the run file, as in grades: {definite: A}"
        )
    imaging = np.zeros(len(raw), bool)
    channel = pd.Series(catalogue.channel, index=raw.index, dtype="str")
    if catalogue.format != "desi-sl-vac":
        imaging = (text["name"].str.contains("DESI", regex=False) | text["reference"].str.contains(_IMAGING)).to_numpy(
            bool
        )
        papers = text["reference"].str.split("|")
        others = np.array([any(p.strip() and not _IMAGING.search(p) for p in cell) for cell in papers], bool)
        alone = imaging & ~(others & text["reference"].ne("").to_numpy())
        both = "|".join(sorted({"imaging-ml", catalogue.channel}))
        channel = channel.mask(imaging, both).mask(alone, "imaging-ml")
    z_lens, unreadable = redshifts(raw["zlens"].tolist() if "zlens" in raw else [""] * len(raw))
    z_source, _ = redshifts(raw["zsource"].tolist() if "zsource" in raw else [""] * len(raw))
    table = pd.DataFrame(
        {
            "lens_id": lens_id(ra, dec),
            "name": text["name"],
            "ra": ra,
            "dec": dec,
            "zlens": z_lens,
            "zsource": z_source,
            "grade": text["grade"],
            "tier": tier,
            "catalogue": catalogue.name,
            "reference": text["reference"],
            "channel": channel,
            "imaging_candidate": imaging,
        }
    )
    table = schema.LENSES.cast_table(table)
    table.attrs["unreadable_redshifts"] = int(unreadable.sum())
    return table, ledger


def joined(cells: pd.Series) -> str:
    return "|".join(sorted({part.strip() for cell in cells for part in str(cell).split("|")} - {""}))


def merge_lenses(
    tables: Sequence[pd.DataFrame], radius_arcsec: float, seed: int, fractions: tuple[float, float, float]
) -> tuple[pd.DataFrame, Ledger]:
    """One row per lens system, whatever the number, order and overlap of the catalogues.

    Parameters
    ----------
    tables : sequence of DataFrame
        As `lens_table` gives them.
    radius_arcsec : float
        Entries linked by steps of at most this are one system (friends of friends).
    seed, fractions
        Of the splits.

    Returns
    -------
    DataFrame
        As `schema.LENSES`, by lens_id. Position, name, grade and tier are those of the best tier's entry; catalogues,
        references and channels are joined by ``|``. Spectra of one system at two redshifts give lens and source.
        `attrs["merged"]` counts the entries of each catalogue that went into another one.
    Ledger
        Entries merged into another.
    """
    tables = [t for t in tables if len(t)]
    names = [n for n in schema.LENSES.variables if n not in ("healpix_128", "split")]
    if not tables:
        empty = pd.DataFrame(
            {n: pd.Series(dtype="str" if v.dtype == "str" else v.dtype) for n, v in schema.LENSES.variables.items()}
        )
        empty = schema.LENSES.cast_table(empty)
        empty.attrs["merged"] = {}
        return empty, Ledger(0, 0)
    all_ = pd.concat([t[names] for t in tables], ignore_index=True)
    rank = all_["tier"].map({tier: i for i, tier in enumerate(schema.TIERS)})
    keys = ["rank", "catalogue", "ra", "dec", "name", "grade", "reference", "zlens", "zsource", "channel"]
    all_ = all_.assign(rank=rank).sort_values(keys, ignore_index=True)
    system = grouping.groups(all_["ra"], all_["dec"], radius_arcsec)
    groups = all_.groupby(system, sort=True)
    first = groups.first()  # the first value that is not missing, column by column
    lead = all_.loc[first.index, ["lens_id", "name", "ra", "dec", "grade", "tier"]]
    out = first.assign(**{n: lead[n] for n in lead.columns}, imaging_candidate=groups["imaging_candidate"].any())
    several = groups.size()
    several = several.index[several > 1]
    members = all_[np.isin(system, several)].groupby(system[np.isin(system, several)])
    for name in ("catalogue", "reference", "channel"):
        out[name] = out[name].map(lambda cell: joined([cell]))
        if len(several):
            out.loc[several, name] = members[name].agg(joined).astype(str).to_numpy()
    spectra = all_["zlens"].where(all_["channel"].str.contains("spectroscopic|follow-up"))
    low, high = spectra.groupby(system).min(), spectra.groupby(system).max()
    two = (high - low) > 0.01 * (1 + low)
    out["zlens"] = out["zlens"].mask(two, low)
    out["zsource"] = out["zsource"].mask(two & out["zsource"].isna(), high)
    out["healpix_128"] = healpix.pixels_of(out["ra"], out["dec"], 128)
    out["split"] = np.array(schema.SPLITS)[splitting.split_codes(out["healpix_128"].to_numpy(), seed, fractions)]
    if out["lens_id"].duplicated().any():
        raise ObjectsError(
            f"{int(out['lens_id'].duplicated().sum())} lenses share a name of 0.1 arcsec; objects.merge_radius_arcsec "
            f"is {radius_arcsec}, expected 0.2 or more"
        )
    table = schema.LENSES.cast_table(out).sort_values("lens_id", ignore_index=True)
    table.attrs["merged"] = all_.drop(first.index)["catalogue"].value_counts().to_dict()
    merged = len(all_) - len(table)
    return table, Ledger(len(all_), len(table), {"merged into another entry": merged} if merged else {})
