"""What must hold of lenses and matches, and the table of the cross-match."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config, healpix, schema
from lenscal.gates import Gate, Ledger, absent, words
from lenscal.objects.columns import read_as
from lenscal.objects.meeting import MATCHED, NO_OBJECT, OUTSIDE


def _positives(lenses: pd.DataFrame) -> pd.Series:
    """The lenses that the match rate is about: imaging candidates where there are any, else all."""
    imaging = lenses["imaging_candidate"].astype(bool)
    return imaging if imaging.any() else imaging | True


def match_report(lenses: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """The cross-match in numbers: measure, value.

    Lenses counted are the imaging candidates where there are any, else all; separations are in arcsec.
    """
    joined = lenses.merge(matches, on="lens_id", how="left", validate="one_to_one")
    joined = joined[_positives(joined)]
    hit = joined["reason"].eq(MATCHED)
    inside = joined["reason"].ne(OUTSIDE)
    separation = joined.loc[hit, "separation"].to_numpy(float)
    rows = {
        "positives": len(joined),
        "inside the footprint": int(inside.sum()),
        "matched": int(hit.sum()),
        "matched within 1 arcsec": int((separation <= 1).sum()),
        "median separation": float(np.median(separation)) if hit.any() else np.nan,
        "largest separation": float(separation.max()) if hit.any() else np.nan,
        "match rate inside the footprint": hit.sum() / inside.sum() if inside.any() else np.nan,
        "match rate over all": hit.sum() / len(joined) if len(joined) else np.nan,
        NO_OBJECT: int(joined["reason"].eq(NO_OBJECT).sum()),
        OUTSIDE: int((~inside).sum()),
        **{f"matched, tier {tier}": int((hit & joined["tier"].eq(tier)).sum()) for tier in schema.TIERS if tier},
    }
    return pd.DataFrame({"measure": list(rows), "value": np.array(list(rows.values()), float)})


def gates(lenses: pd.DataFrame, matches: pd.DataFrame, settings: config.Objects) -> list[Gate]:
    """Match rate inside the footprint; every lens accounted for; every lens with a tier."""
    claim = "positives inside the footprint have a survey object"
    numbers = match_report(lenses, matches).set_index("measure")["value"]
    over_all = f"{numbers['matched']:.0f} of {numbers['positives']:.0f} over all ({numbers['match rate over all']:.4f})"
    if numbers["inside the footprint"] == 0:
        rate = absent("P0.match_rate", claim, f"no lens lies inside the footprint at hand; {over_all}")
    else:
        inside = (
            f"{numbers['matched']:.0f} of {numbers['inside the footprint']:.0f} within "
            f"{settings.match_radius_arcsec} arcsec"
        )
        rate = Gate(
            "P0.match_rate",
            claim,
            "share matched",
            float(numbers["match rate inside the footprint"]),
            minimum=settings.match_rate_min,
            evidence=f"{inside}; {over_all}",
        )
    lost = set(lenses["lens_id"]) ^ set(matches["lens_id"])
    return [
        rate,
        Gate(
            "P0.every_lens",
            "every lens is matched or has its reason",
            "lenses without account",
            len(lost),
            maximum=0,
            critical=True,
            evidence=words(matches["reason"].value_counts().to_dict()),
        ),
        Gate(
            "X.3",
            "labels tell confirmed from probable",
            "lenses without a tier",
            int((~lenses["tier"].isin([t for t in schema.TIERS if t])).sum()),
            maximum=0,
            critical=True,
            evidence=words(lenses["tier"].value_counts().to_dict()),
        ),
    ]


def catalogue_gates(name: str, ledger: Ledger, settings: config.Objects) -> list[Gate]:
    """Whether a table of positions has rows, and whether nearly all of them have a place; lenses without one would
    stay among the negatives.

    Parameters
    ----------
    name : str
        Of the table.
    ledger : Ledger
        Of its reading.
    settings : config.Objects
    """
    lost = {reason: rows for reason, rows in ledger.dropped.items() if reason.startswith("position")}
    share = 1 - sum(lost.values()) / ledger.rows_in if ledger.rows_in else np.nan
    told = f"{ledger.rows_in:,} in, {ledger.rows_out:,} out" + (
        f"; dropped: {words(ledger.dropped)}" if ledger.dropped else ""
    )
    return [
        Gate(
            f"objects.rows.{name}",
            f"{name}: the table has rows that can be used",
            "rows",
            ledger.rows_out,
            minimum=1,
            critical=True,
            evidence=told,
        ),
        Gate(
            f"objects.usable.{name}",
            f"{name}: nearly every row has a position",
            "share of the rows with a position",
            share,
            minimum=settings.usable_min,
            critical=True,
            evidence=told
            if share >= settings.usable_min
            else f"{told}; look at the rows without (sexagesimal positions, blanks), or lower objects.usable_min",
        )
        if ledger.rows_in
        else absent(f"objects.usable.{name}", f"{name}: nearly every row has a position", "the table has no row"),
    ]


def footprint_gate(name: str, table: pd.DataFrame, footprint: np.ndarray, settings: config.Objects) -> Gate:
    """Whether rows of a catalogue lie inside the footprint, and not more of them if their
    numbers were hours or radians.

    Parameters
    ----------
    name : str
    table : DataFrame
        ra, dec [degree].
    footprint : integer array
        Nside-128 nested pixels that the survey covers.
    settings : config.Objects
    """
    ra, dec = (table[axis].to_numpy(float) for axis in ("ra", "dec"))
    counts = {"degrees": int(np.isin(healpix.pixels_of(ra, dec, 128), footprint).sum())}
    for unit in ("hours", "radians"):
        other = read_as(ra, dec, unit)
        counts[unit] = 0 if other is None else int(np.isin(healpix.pixels_of(*other, 128), footprint).sum())
    least = max(settings.footprint_rows_min, counts["hours"], counts["radians"])
    told = f"{counts['degrees']:,} of {len(table):,} rows"
    if others := [
        f"{rows:,} if they are {unit}"
        for unit, rows in counts.items()
        if unit != "degrees" and rows > counts["degrees"]
    ]:
        told += f"; {', '.join(others)}: state the unit as `units` of the catalogue in the run file"
    elif counts["degrees"] < settings.footprint_rows_min:
        told += "; check ra, dec and their units, or set objects.footprint_rows_min: 0 where none need lie there"
    return Gate(
        f"objects.footprint.{name}",
        f"{name}: rows lie inside the footprint, in degrees",
        "rows inside the footprint",
        counts["degrees"],
        minimum=least,
        critical=True,
        evidence=told,
    )
