"""Look-alikes on their images: whether a galaxy shows what its class or its catalogue says it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.gates import Gate, absent
from lenscal.kernels.structure import Structure, structure

NEAREST_ARCSEC, FARTHEST_ARCSEC = 1.2, 6.0  # of another peak: outside the core, within the reach of a blend
JUDGED_MIN = 10  # judged members from which a category without a confirmed one fails the gate
MEASURES = Structure._fields

Row = Mapping[str, float]


@dataclass(frozen=True)
class Feature:
    """What an image must show: a test of the measures, and the same in words."""

    shows: Callable[[Row], bool]
    words: str


_LONG = Feature(lambda m: m["axis_ratio"] <= 0.5 and m["size"] >= 2, "axis ratio <= 0.5, twice as long as the PSF")
_ROUND = Feature(lambda m: m["axis_ratio"] >= 0.6 and m["size"] >= 2, "axis ratio >= 0.6, twice as large as the PSF")
_RING = Feature(lambda m: m["axis_ratio"] >= 0.5 and m["ring_snr"] >= 3, "profile rises again outwards at 3 sigma")
_ARMS = Feature(
    lambda m: m["axis_ratio"] >= 0.4 and m["texture"] >= 0.1 and m["texture_snr"] >= 10,
    "scatter about the profile >= 0.1 of the mean, at 10 sigma",
)
_CLUMPS = Feature(
    lambda m: m["texture"] >= 0.25 and m["texture_snr"] >= 10,
    "scatter about the profile >= 0.25 of the mean, at 10 sigma",
)
_STRUCTURE = Feature(
    lambda m: m["texture"] >= 0.1 and m["texture_snr"] >= 10,
    "scatter about the profile >= 0.1 of the mean, at 10 sigma",
)
_PAIR = Feature(lambda m: m["share"] >= 0.1, "another peak at 1.2 to 6 arcsec, >= 0.1 of the central one")
_COMPANION = Feature(lambda m: m["share"] >= 0.02, "another peak at 1.2 to 6 arcsec, >= 0.02 of the central one")
_STAR = Feature(
    lambda m: m["size"] <= 1 or m["star"] > 0, "as narrow as the PSF, or mask bits of a bright star on the stamp"
)

FEATURES = {
    "edge_on": _LONG,
    "face_on_disk": _ROUND,
    "blue_clumpy": _CLUMPS,
    "blend_merger": _PAIR,
    "bright_core_companion": _COMPANION,
    "residual_structure": _STRUCTURE,
    "psf_halo": _STAR,
    "ring": _RING,
    "spiral": _ARMS,
    "clumpy": _CLUMPS,
    "merger": _PAIR,
    "blend": _PAIR,
    "overlapping pair": _PAIR,
    "bright-star artefact": _STAR,
}
"""By class of N2 and by category of the catalogues; other categories are not judged."""

SYNONYMS = {
    "edge_on": ("edge on disk", "edge on spiral"),
    "face_on_disk": ("face on", "disk", "face on galaxy"),
    "blue_clumpy": ("blue clump", "blue star forming"),
    "ring": ("ringed", "polar ring", "collisional ring"),
    "spiral": ("spiral arm", "face on spiral", "barred spiral"),
    "clumpy": ("clump", "irregular"),
    "merger": ("merging", "interacting", "interaction", "merging pair"),
    "blend": ("blended",),
    "overlapping pair": ("pair", "close pair", "overlapping", "overlap"),
    "bright-star artefact": (
        "artefact",
        "star artefact",
        "bright star",
        "star",
        "diffraction spike",
        "spike",
        "ghost",
        "star halo",
        "halo",
    ),
}
"""Other names that catalogues have for a category."""


def _plain(name: str) -> str:
    """A name without case, hyphens, plurals, the word galaxy, and American spelling."""
    words = re.split(r"[^a-z0-9]+", name.casefold().replace("artifact", "artefact").replace("disc", "disk"))
    words = [word if word.endswith("ss") else word.removesuffix("s") for word in words if word]
    while len(words) > 1 and words[-1] in ("galaxy", "galaxie", "object", "candidate"):
        words.pop()
    return " ".join(words)


_CATEGORIES = {_plain(name): name for name in FEATURES} | {
    _plain(other): name for name, others in SYNONYMS.items() for other in others
}


def category(name: str) -> str:
    """The name in `FEATURES` that a class or category goes by, whatever its spelling; as it is, without blanks at its
    ends, where there is none.
    """
    return _CATEGORIES.get(_plain(name), name.strip())


def measured(cutouts: xr.Dataset, quality: xr.Dataset, rows: np.ndarray) -> list[list[float]]:
    """Structure in r of some cutouts.

    Parameters
    ----------
    cutouts, quality : Dataset (galaxy, band[, y, x])
        As declared in `schema`, in memory, of the same galaxies.
    rows : int array
        Places along galaxy.

    Returns
    -------
    list of lists
        galaxy_id, then the measures of `lenscal.kernels.structure` and whether a mask bit of a bright star is on the
        stamp.
    """
    r = cutouts["band"].values.tolist().index("r")
    star = (1 << schema.MASKBITS["BRIGHT"]) | (1 << schema.MASKBITS["MEDIUM"])
    near, far = NEAREST_ARCSEC / schema.PIXEL_SCALE, FARTHEST_ARCSEC / schema.PIXEL_SCALE
    out = []
    for row in np.asarray(rows).tolist():
        image, sigma = cutouts["image"].values[row, r], float(quality["sigma"].values[row, r])
        width = float(cutouts["psf_fwhm_core"].values[row, r]) / schema.PIXEL_SCALE
        known = np.isfinite(sigma) and sigma > 0 and np.isfinite(width) and width > 0
        values = structure(image, sigma, width, near, far) if known else [np.nan] * len(MEASURES)
        lit = bool((cutouts["mask"].values[row] & star).any())
        out.append([int(cutouts["galaxy_id"].values[row]), *(round(float(value), 5) for value in values), float(lit)])
    return out


def claims(manifest: pd.DataFrame) -> pd.DataFrame:
    """What galaxies are said to be: galaxy_id, claim (`category`), origin (columns: a class of N2; catalogue: a
    catalogued category). Positives are no look-alikes.
    """
    table = manifest[~manifest["pool"].eq("positive")]
    bits = table["confuser"].to_numpy()
    parts = [
        pd.DataFrame(
            {"galaxy_id": table["galaxy_id"].to_numpy()[(bits >> bit & 1) > 0], "claim": name, "origin": "columns"}
        )
        for bit, name in enumerate(schema.CONFUSERS)
    ]
    listed = table[table["contaminant"].ne("")]
    said = listed["contaminant"].astype("str").str.split("|").to_numpy()
    ids = (
        np.repeat(listed["galaxy_id"].to_numpy(), [len(names) for names in said])
        if len(listed)
        else np.empty(0, np.int64)
    )
    parts.append(
        pd.DataFrame(
            {"galaxy_id": ids, "claim": [category(name) for names in said for name in names], "origin": "catalogue"}
        )
    )
    whole = (
        pd.concat(parts, ignore_index=True)
        .astype({"galaxy_id": "int64", "claim": "str", "origin": "str"})
        .drop_duplicates()
    )
    return whole.sort_values(["galaxy_id", "origin", "claim"], ignore_index=True)


def judged(said: pd.DataFrame, structures: Iterable[list[float]], unfit: Mapping[int, str]) -> pd.DataFrame:
    """Each claim with its measures, whether the image confirms it, and why not.

    Parameters
    ----------
    said : DataFrame
        From `claims`.
    structures : iterable
        Lists of `measured`.
    unfit : mapping
        galaxy_id -> reason, of cutouts that are not fit for use: they are not judged.

    Returns
    -------
    DataFrame
        galaxy_id, claim, origin, verdict (confirmed, refuted, not judged), reason, and the measures.
    """
    names = ["galaxy_id", *MEASURES, "star"]
    table = pd.DataFrame(list(structures), columns=names).astype(
        {"galaxy_id": "int64", **dict.fromkeys(names[1:], float)}
    )
    out = said.merge(table, on="galaxy_id", how="left", validate="many_to_one")
    verdicts, reasons = [], []
    for row in out.to_dict("records"):
        feature = FEATURES.get(category(row["claim"]))
        if feature is None:
            verdict, reason = "not judged", "no measure for this category"
        elif row["galaxy_id"] in unfit:
            verdict, reason = "not judged", f"cutout not fit for use: {unfit[row['galaxy_id']]}"
        elif not np.isfinite(row["size"]):
            verdict, reason = "not judged", "not detected in r, or no noise or PSF"
        elif feature.shows(row):
            verdict, reason = "confirmed", ""
        else:
            verdict, reason = "refuted", f"the image does not show: {feature.words}"
        verdicts.append(verdict)
        reasons.append(reason)
    front = ["galaxy_id", "claim", "origin", "verdict", "reason"]
    return out.assign(verdict=verdicts, reason=reasons).astype({"verdict": "str", "reason": "str"})[
        [*front, *MEASURES, "star"]
    ]


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """By origin and claim: members before the image filter, confirmed (what is left after it), refuted, not judged,
    and the commonest reason.
    """
    rows = []
    for (origin, claim), part in table.groupby(["origin", "claim"], sort=True):
        verdict, reason = part["verdict"].value_counts(), part["reason"][part["reason"].ne("")]
        rows.append(
            {
                "origin": origin,
                "claim": claim,
                "before": len(part),
                "confirmed": int(verdict.get("confirmed", 0)),
                "refuted": int(verdict.get("refuted", 0)),
                "not_judged": int(verdict.get("not judged", 0)),
                "reason": reason.value_counts().index[0] if len(reason) else "",
            }
        )
    return pd.DataFrame(rows, columns=["origin", "claim", "before", "confirmed", "refuted", "not_judged", "reason"])


def gate(counts: pd.DataFrame) -> Gate:
    """Whether each category with enough judged members has some whose image shows the feature."""
    claim = "every category of look-alikes has members whose image shows what it says"
    enough = counts[counts["confirmed"] + counts["refuted"] >= JUDGED_MIN]
    if enough.empty:
        return absent("P0.6", claim, f"no category has {JUDGED_MIN} members that can be judged")
    empty = enough[enough["confirmed"] == 0]
    told = ", ".join(
        f"{row.claim} ({row.origin}) {row.confirmed} of {row.confirmed + row.refuted}" for row in enough.itertuples()
    )
    return Gate("P0.6", claim, "categories without a confirmed member", len(empty), maximum=0, evidence=told)
