"""Tables of what went into the audit: galaxies, lenses, the sample and its pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.report.inputs import Inputs

from .summary import summary


@summary("manifest", "Galaxies by pool and split")
def galaxies(inputs: Inputs) -> pd.DataFrame:
    table = inputs.manifest
    splits = [s for s in schema.SPLITS if (table["split"] == s).any() or s != "none"]
    rows = []
    for pool in schema.POOLS:
        part = table[table["pool"] == pool]
        if pool != "control" or len(part):
            rows.append({"pool": pool, **{s: int((part["split"] == s).sum()) for s in splits}, "all": len(part)})
    total = pd.DataFrame(rows)
    return pd.concat(
        [total, pd.DataFrame([{"pool": "all", **total.drop(columns="pool").sum().to_dict()}])], ignore_index=True
    )


@summary("manifest", "Negatives of pool N2 by the class they were drawn for")
def confusers(inputs: Inputs) -> pd.DataFrame:
    table = inputs.manifest[inputs.manifest["pool"] == "N2"]
    kinds = [*schema.CONFUSERS, *(["(none named)"] if (table["confuser_class"] == "").any() else [])]
    named = table["confuser_class"].astype(object).replace("", "(none named)")
    return pd.DataFrame(
        [
            {
                "class": k,
                **{s: int(((named == k) & (table["split"] == s)).sum()) for s in schema.SPLITS[:3]},
                "all": int((named == k).sum()),
            }
            for k in kinds
        ]
    )


@summary("objects/lenses, objects/matches", "Lenses of the catalogues by tier")
def lenses(inputs: Inputs) -> pd.DataFrame | None:
    if inputs.lenses is None:
        return None
    table = inputs.lenses
    found = set()
    if inputs.matches is not None:
        found = set(inputs.matches.loc[inputs.matches["galaxy_id"] >= 0, "lens_id"])
    sample = inputs.manifest.loc[inputs.manifest["pool"] == "positive"]
    rows = []
    for tier in [t for t in schema.TIERS if t]:
        part = table[table["tier"] == tier]
        here = sample["tier"] == tier
        rows.append(
            {
                "tier": tier,
                "systems": len(part),
                "imaging_candidate": int(part["imaging_candidate"].sum()),
                "matched": int(part["lens_id"].isin(found).sum()),
                "in_sample": int(here.sum()),
                "anchors": int((here & (sample["role"] == "anchor")).sum()),
                "trained": int((here & (sample["role"] == "train")).sum()),
            }
        )
    return pd.DataFrame(rows)


@summary("objects/matches", "Lenses and survey objects")
def matching(inputs: Inputs) -> pd.DataFrame | None:
    if inputs.matches is None:
        return None
    counts = inputs.matches["reason"].astype(object).value_counts()
    return pd.DataFrame({"reason": sorted(counts.index), "systems": [int(counts[r]) for r in sorted(counts.index)]})


@summary("objects/contaminants", "Catalogued look-alikes by category")
def contaminants(inputs: Inputs) -> pd.DataFrame | None:
    if inputs.contaminants is None or inputs.contaminants.empty:
        return None
    table = inputs.contaminants
    rows = [
        {"category": c, "objects": len(p), "matched": int((p["galaxy_id"] >= 0).sum())}
        for c, p in table.groupby("category")
    ]
    return pd.DataFrame(rows)


@summary("manifest-notes/waterfall", "Rows after each filter")
def waterfall(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.waterfall


@summary("manifest-notes/strata", "Strata: bin of exposures in z, and Tractor type")
def strata(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.strata


@summary("manifest-notes/balance", "What each split is made of")
def balance(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.balance


@summary("quality", "Cutouts fit for use, and not, by the first reason that holds")
def reasons(inputs: Inputs) -> pd.DataFrame:
    ok = inputs.quality["cutout_ok"].values.astype(bool)
    found = pd.Series(inputs.quality["reason"].values.astype(object))[~ok].value_counts()
    rows = [{"reason": r, "rows": int(found[r]), "share": found[r] / ok.size} for r in sorted(found.index)]
    return pd.DataFrame([{"reason": "fit for use", "rows": int(ok.sum()), "share": float(ok.mean())}, *rows])


@summary("quality", "Noise of the cutouts fit for use")
def noise(inputs: Inputs) -> pd.DataFrame:
    good = inputs.quality.isel(galaxy=np.flatnonzero(inputs.quality["cutout_ok"].values))
    rows = []
    for band in good["band"].values:
        part = good.sel(band=band)
        ratio = part["sigma"].values.astype(float) ** 2 * part["sky_invvar"].values
        rows.append(
            {
                "band": str(band),
                "sigma": _median(part["sigma"].values),
                "sigma2_invvar": _median(ratio),
                "noise_correlation": _median(part["noise_correlation"].values),
            }
        )
    return pd.DataFrame(rows)


def _median(values: np.ndarray) -> float:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else float("nan")
