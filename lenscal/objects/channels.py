"""How each lens was selected: spectra against imaging candidates, and the ledger of selection
channels (where G.1 begins).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.gates import Gate, absent, words
from lenscal.kernels import grouping, matching

_MATCHED, _OUTSIDE = "matched", "outside the footprint"


def spectra_and_candidates(
    tables: Sequence[pd.DataFrame], catalogues: Sequence[config.LensCatalogue], radius_arcsec: float
) -> pd.DataFrame:
    """The spectroscopic catalogues against the imaging candidates of all others (P0.2).

    Parameters
    ----------
    tables : sequence of DataFrame
        As `objects.lens_table` gives them, one for each catalogue.
    catalogues : sequence of LensCatalogue
    radius_arcsec : float

    Returns
    -------
    DataFrame
        catalogue, measure, value. Entries are spectra, not systems; those of high quality are of the literature tier.
        Candidates at one position (0.1 arcsec) in several catalogues are one. An entry without a candidate is not
        thereby independent of imaging: the follow-up was chosen from candidates. Independence is a matter of the
        channel.
    """
    rows = []
    for item, table in zip(catalogues, tables):
        if item.channel not in ("spectroscopic", "follow-up"):
            continue
        others = [t[t["imaging_candidate"].astype(bool)] for c, t in zip(catalogues, tables) if c.name != item.name]
        found = pd.concat(others, ignore_index=True) if others else table.iloc[:0]
        found = found.drop_duplicates("lens_id", ignore_index=True)
        high = table["tier"].eq("literature").to_numpy(bool)
        entry, candidate, _ = matching.pairs(table["ra"], table["dec"], found["ra"], found["dec"], radius_arcsec)
        with_candidate = np.zeros(len(table), bool)
        with_candidate[entry] = True
        seen = np.zeros(len(found), bool)
        seen[candidate[high[entry]]] = True
        systems = np.unique(grouping.groups(table["ra"][high], table["dec"][high], radius_arcsec)).size
        good = int((high & with_candidate).sum())
        measures = {
            "entries": len(table),
            "entries of high quality": int(high.sum()),
            "systems of high quality": int(systems),
            "high quality, with an imaging candidate": good,
            "high quality, without one": int(high.sum()) - good,
            "all entries, with an imaging candidate": int(with_candidate.sum()),
            "imaging candidates": len(found),
            "imaging candidates with a spectrum of high quality": int(seen.sum()),
            "share of the imaging candidates": good / len(found) if len(found) else float("nan"),
        }
        rows += [{"catalogue": item.name, "measure": m, "value": float(v)} for m, v in measures.items()]
    return pd.DataFrame(rows, columns=["catalogue", "measure", "value"])


def ledger(lenses: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """How many lenses each combination of channels found, by tier and split, and how many of them the survey holds.

    Returns
    -------
    DataFrame
        channel, imaging_candidate, independent (found by spectra, and by no imaging search or inspection), lenses, one
        column for each tier, inside (the footprint), matched, and train, val, test of the matched.
    """
    table = lenses.merge(matches[["lens_id", "reason"]], on="lens_id", how="left", validate="one_to_one")
    table = table.assign(imaging_candidate=table["imaging_candidate"].astype(bool))
    matched = table["reason"].eq(_MATCHED)
    columns = {"lenses": table["lens_id"].notna()}
    columns |= {f"tier_{tier}": table["tier"].eq(tier) for tier in schema.TIERS if tier}
    columns |= {"inside": table["reason"].ne(_OUTSIDE), "matched": matched}
    columns |= {split: matched & table["split"].eq(split) for split in schema.SPLITS[:3]}
    keys = [table["channel"].astype("str"), table["imaging_candidate"]]
    out = pd.DataFrame(columns).groupby(keys, sort=True).sum().astype("int64").reset_index()
    out.insert(2, "independent", out["channel"].eq("spectroscopic") & ~out["imaging_candidate"])
    return out


def gates(lenses: pd.DataFrame, crossed: pd.DataFrame, catalogues: Sequence[config.LensCatalogue]) -> list[Gate]:
    """Every lens says how it was selected; known answers of P0.2 where the run file gives them with the real file."""
    unnamed = int((~lenses["channel"].fillna("").str.strip().ne("")).sum())
    out = [
        Gate(
            "G.1.channels",
            "every lens says how it was selected",
            "lenses without a channel",
            unnamed,
            maximum=0,
            critical=True,
            evidence=words(lenses["channel"].value_counts().to_dict()),
        )
    ]
    claim = "spectra with and without an imaging candidate are as many as known"
    known = [item for item in catalogues if item.known_crossmatch is not None]
    if not known:
        out.append(
            absent(
                "P0.2", claim, "no catalogue of the run file has a known_crossmatch; it holds for the real file only"
            )
        )
    for item in known:
        values = crossed[crossed["catalogue"] == item.name].set_index("measure")["value"]
        found = [int(values.get(f"high quality, {m}", -1)) for m in ("with an imaging candidate", "without one")]
        gap = sum(abs(a - b) for a, b in zip(found, item.known_crossmatch))
        out.append(
            Gate(
                "P0.2",
                claim,
                "entries too many and too few",
                gap,
                maximum=0,
                evidence=f"{item.name}: {found}, known {list(item.known_crossmatch)}",
            )
        )
    return out
