"""Outside tables become lenses, galaxies and contaminants; lenses and contaminants meet the survey on the sphere."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.gates import Gate, Ledger, absent, words
from lenscal.kernels import magnitudes, matching, splitting

MATCHED, NO_OBJECT, OUTSIDE = "matched", "no object within radius", "outside the footprint"
DEPTH_MAGNITUDE_MAX = 40.0  # no 5-sigma magnitude of any survey is fainter
DEPTHS = tuple(f"{kind}DEPTH_{band}" for kind in ("PSF", "GAL") for band in "GRZ")
TWICE = "key twice in the file"
_DEPTH_RATIO = (0.1, 1.05)  # of GALDEPTH over PSFDEPTH as inverse variances; a galaxy is harder to see than a star
_IMAGING = re.compile("Huang|Storfer|Inchausti")
_GRADES = {
    "literature": ("confirmed", "high-quality", "spectroscopic", "literature"),
    "A": ("confident", "a"),
    "B": ("probable", "possible", "b", "c"),
}
_TIER_OF = {grade: tier for tier, grades in _GRADES.items() for grade in grades}
_UNKNOWN = ("", "-", "nan", "none", "not measured", "<na>")


class ObjectsError(ValueError):
    """A table of objects that would make a result wrong."""


def galaxies(
    raw: pd.DataFrame, sweep_file: str, row_start: int = 0, inverse_depths: bool | None = None
) -> tuple[pd.DataFrame, Ledger]:
    """Survey objects, one row each, from the columns of a sweep or Tractor file.

    Parameters
    ----------
    raw : DataFrame
        Upper-case columns in native byte order, as in the file.
    sweep_file : str
        Name of the file, for provenance and messages.
    row_start : int
        Row of the file that `raw` begins with.
    inverse_depths : bool, optional
        Whether the depths of the whole file are inverse variances, not magnitudes; told from these rows by default.

    Returns
    -------
    DataFrame
        As `schema.GALAXIES`, by galaxy_id. Negative and zero fluxes stay; their magnitudes are NaN.
    Ledger
        Rows without a usable position or key, of no known type, twice in the file, or not primary in their brick.

    Raises
    ------
    ObjectsError
        When columns are missing, or the two kinds of depth are in different units.
    """
    derived = {"galaxy_id", "healpix_64", "healpix_128", "_healpix_29", "sweep_file", "row_index"}
    plain = [n for n in schema.GALAXIES.variables if n not in derived and not n.startswith(("mag_", "colour_"))]
    missing = [n.upper() for n in [*plain, "mw_transmission_w1"] if n.upper() not in raw.columns]
    if missing:
        raise ObjectsError(f"'{sweep_file}' lacks column(s) {', '.join(missing)}")
    keep, ledger = _usable(raw)
    row = np.flatnonzero(keep)
    raw = raw.iloc[row]
    depths = _depths(raw, sweep_file, depths_are_inverse(raw) if inverse_depths is None else inverse_depths)
    out = {name: depths.get(name.upper(), raw[name.upper()]) for name in plain}
    out["galaxy_id"] = _key(raw)
    dereddened = {}
    for band in (*schema.BANDS, "w1"):
        flux = raw[f"FLUX_{band.upper()}"].to_numpy("f4")
        transmission = raw[f"MW_TRANSMISSION_{band.upper()}"].to_numpy("f4")
        if band != "w1":
            out[f"mag_{band}"] = magnitude(flux)
        dereddened[band] = magnitude(
            np.divide(flux, transmission, out=np.full_like(flux, np.nan), where=transmission > 0)
        )
    for blue, red in ("gr", "rz"), ("z", "w1"):
        if (blue, red) == ("gr", "rz"):
            out["colour_gr"] = dereddened["g"] - dereddened["r"]
            out["colour_rz"] = dereddened["r"] - dereddened["z"]
        else:
            out["colour_zw1"] = dereddened["z"] - dereddened["w1"]
    out["_healpix_29"] = _pixels(raw["RA"], raw["DEC"], 1 << 29)
    out["healpix_64"], out["healpix_128"] = out["_healpix_29"] >> 2 * (29 - 6), out["_healpix_29"] >> 2 * (29 - 7)  # nested
    out["sweep_file"] = pd.Categorical.from_codes(np.zeros(len(raw), int), categories=[sweep_file])
    out["row_index"] = row_start + row
    table = pd.DataFrame(
        {name: np.asarray(out[name]) if not _is_text(out[name]) else pd.Categorical(out[name]) for name in out}
    )
    return schema.GALAXIES.cast_table(table).sort_values("galaxy_id", ignore_index=True), ledger


def _is_text(values: object) -> bool:
    dtype = getattr(values, "dtype", None)
    return isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(dtype)


def _key(raw: pd.DataFrame) -> np.ndarray:
    objid, brickid, release = (raw[name].to_numpy(np.int64) for name in ("OBJID", "BRICKID", "RELEASE"))
    return objid | brickid << 22 | release << 42


def _usable(raw: pd.DataFrame) -> tuple[np.ndarray, Ledger]:
    """Rows to keep, and the ledger of the others: each under the first reason that holds."""
    ra, dec = raw["RA"].to_numpy(float), raw["DEC"].to_numpy(float)
    objid, brickid, release = (raw[name].to_numpy(np.int64) for name in ("OBJID", "BRICKID", "RELEASE"))
    types = raw["TYPE"].astype("category")
    known = types.cat.codes.isin([i for i, t in enumerate(types.cat.categories) if t in schema.TYPES]).to_numpy()
    tests = {
        "position not finite": ~(np.isfinite(ra) & np.isfinite(dec)),
        "RA outside [0, 360]": ~((ra >= 0) & (ra <= 360)),
        "Dec outside [-90, 90]": ~(np.abs(dec) <= 90),
        "key out of range": ((objid | brickid | release) < 0)
        | (objid >> 22 > 0)
        | (brickid >> 20 > 0)
        | (release >> 16 > 0),
        "type unknown": ~known,
    }
    if "BRICK_PRIMARY" in raw.columns:
        tests["not primary in its brick"] = ~raw["BRICK_PRIMARY"].to_numpy(bool)
    keep, dropped = np.ones(len(raw), bool), {}
    for reason, bad in tests.items():
        dropped[reason] = int((keep & bad).sum())
        keep &= ~bad
    twice = np.zeros(len(raw), bool)
    twice[keep] = pd.Series(_key(raw)[keep]).duplicated().to_numpy()  # as integers: a float has too few digits for a key
    dropped[TWICE] = int(twice.sum())
    keep &= ~twice
    return keep, Ledger(len(raw), int(keep.sum()), {reason: rows for reason, rows in dropped.items() if rows})


def magnitude(flux: np.ndarray) -> np.ndarray:
    """AB magnitude of a flux in nanomaggies; NaN where the flux is zero, negative or unknown."""
    return magnitudes.magnitude(flux, schema.ZEROPOINT)


def depth_magnitude(ivar: np.ndarray) -> np.ndarray:
    """5-sigma AB magnitude of a depth in nanomaggy^-2; NaN where it is zero or negative."""
    return magnitudes.depth(ivar, schema.ZEROPOINT)


def depths_are_inverse(raw: pd.DataFrame) -> bool:
    """Whether one depth of these rows is above 40: all six columns of a file share a unit, and no magnitude is so large."""
    return any(bool(np.any(raw[name].to_numpy() > DEPTH_MAGNITUDE_MAX)) for name in DEPTHS)


def _depths(raw: pd.DataFrame, sweep_file: str, inverse: bool) -> dict[str, np.ndarray]:
    """Depths in magnitudes; NaN where they are zero or negative."""
    values = {name: raw[name].to_numpy("f8") for name in DEPTHS}
    values = {name: np.where(v > 0, v, np.nan) for name, v in values.items()}
    if not inverse:
        return values
    for band in "GRZ":
        ratio = values[f"GALDEPTH_{band}"] / values[f"PSFDEPTH_{band}"]
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size and not _DEPTH_RATIO[0] <= np.median(ratio) <= _DEPTH_RATIO[1]:
            raise ObjectsError(
                f"'{sweep_file}': GALDEPTH_{band} over PSFDEPTH_{band} is {np.median(ratio):.3g} in the median; as inverse "
                f"variances it lies in {_DEPTH_RATIO}: one of them is in magnitudes or in another unit"
            )
    return {name: depth_magnitude(v) for name, v in values.items()}


def _pixels(ra: pd.Series, dec: pd.Series, nside: int) -> np.ndarray:
    import healpy

    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    if not ra.size:
        return np.empty(0, np.int64)
    return healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True).astype(np.int64)


def redshifts(cells: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Redshifts of text cells: the first entry (entries are separated by ``|``) that is a number as a whole.

    Returns
    -------
    values : (n,) float64 array
        NaN where no entry is a non-negative number, as in "0.272?".
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
            if np.isfinite(number) and number >= 0:
                values[i] = number
                break
    return values, unreadable & np.isnan(values)


def _positions(raw: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, Ledger]:
    """RA, Dec, the rows with a usable position, and the ledger of the others."""
    ra, dec = (pd.to_numeric(raw[name], errors="coerce").to_numpy("f8") for name in ("ra", "dec"))
    finite = np.isfinite(ra) & np.isfinite(dec)
    outside = finite & ~((ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90))
    keep = finite & ~outside
    dropped = {"position not finite": int((~finite).sum()), "position off the sphere": int(outside.sum())}
    return ra, dec, keep, Ledger(len(raw), int(keep.sum()), {reason: rows for reason, rows in dropped.items() if rows})


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
        When a grade is unknown.
    """
    ra, dec, keep, ledger = _positions(raw)
    raw, ra, dec = raw[keep].reset_index(drop=True), ra[keep], dec[keep]
    text = {}
    for name in ("name", "grade", "reference"):
        column = raw[name] if name in raw else pd.Series("", index=raw.index)
        text[name] = column.astype("str").str.strip().where(column.notna(), "")
    if catalogue.format == "desi-sl-vac":
        text["name"] = "TARGETID " + text["name"]
    grade = text["grade"].str.lower()
    default = "literature" if catalogue.channel in ("spectroscopic", "follow-up", "literature") else "B"
    tier = grade.map({**_TIER_OF, "": default, "nan": default})
    if tier.isna().any():
        found = sorted(set(text["grade"][tier.isna()]))
        raise ObjectsError(f"lens catalogue '{catalogue.name}': unknown grade(s) {found}; known: {sorted(_TIER_OF)}")
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
            "lens_id": lens_id(ra, dec), "name": text["name"], "ra": ra, "dec": dec, "zlens": z_lens,
            "zsource": z_source, "grade": text["grade"], "tier": tier, "catalogue": catalogue.name,
            "reference": text["reference"], "channel": channel, "imaging_candidate": imaging,
        }
    )  # fmt: skip
    table = schema.LENSES.cast_table(table)
    table.attrs["unreadable_redshifts"] = int(unreadable.sum())
    return table, ledger


def _joined(cells: pd.Series) -> str:
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
    Ledger
        Entries merged into another.
    """
    tables = [t for t in tables if len(t)]
    names = [n for n in schema.LENSES.variables if n not in ("healpix_128", "split")]
    if not tables:
        empty = pd.DataFrame(
            {n: pd.Series(dtype="str" if v.dtype == "str" else v.dtype) for n, v in schema.LENSES.variables.items()}
        )
        return schema.LENSES.cast_table(empty), Ledger(0, 0)
    all_ = pd.concat([t[names] for t in tables], ignore_index=True)
    rank = all_["tier"].map({tier: i for i, tier in enumerate(schema.TIERS)})
    keys = ["rank", "catalogue", "ra", "dec", "name", "grade", "reference", "zlens", "zsource", "channel"]
    all_ = all_.assign(rank=rank).sort_values(keys, ignore_index=True)
    system = matching.groups(all_["ra"], all_["dec"], radius_arcsec)
    groups = all_.groupby(system, sort=True)
    first = groups.first()  # the first value that is not missing, column by column
    lead = all_.loc[first.index, ["lens_id", "name", "ra", "dec", "grade", "tier"]]
    out = first.assign(**{n: lead[n] for n in lead.columns}, imaging_candidate=groups["imaging_candidate"].any())
    several = groups.size()
    several = several.index[several > 1]
    members = all_[np.isin(system, several)].groupby(system[np.isin(system, several)])
    for name in ("catalogue", "reference", "channel"):
        out[name] = out[name].map(lambda cell: _joined([cell]))
        if len(several):
            out.loc[several, name] = members[name].agg(_joined).astype(str).to_numpy()
    spectra = all_["zlens"].where(all_["channel"].str.contains("spectroscopic|follow-up"))
    low, high = spectra.groupby(system).min(), spectra.groupby(system).max()
    two = (high - low) > 0.01 * (1 + low)
    out["zlens"] = out["zlens"].mask(two, low)
    out["zsource"] = out["zsource"].mask(two & out["zsource"].isna(), high)
    out["healpix_128"] = _pixels(out["ra"], out["dec"], 128)
    out["split"] = np.array(schema.SPLITS)[splitting.split_codes(out["healpix_128"].to_numpy(), seed, fractions)]
    if out["lens_id"].duplicated().any():
        raise ObjectsError(
            f"{int(out['lens_id'].duplicated().sum())} lenses share a name of 0.1 arcsec; objects.merge_radius_arcsec "
            f"is {radius_arcsec}, expected 0.2 or more"
        )
    table = schema.LENSES.cast_table(out).sort_values("lens_id", ignore_index=True)
    merged = len(all_) - len(table)
    return table, Ledger(len(all_), len(table), {"merged into another entry": merged} if merged else {})


Footprint = Callable[[np.ndarray, np.ndarray], np.ndarray]


def meet(targets: pd.DataFrame, galaxies: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """Every survey object near every target.

    Parameters
    ----------
    targets : DataFrame
        ra, dec.
    galaxies : DataFrame
        galaxy_id, ra, dec; whatever else it has comes along. Parts of the survey may be met one after the other.
    radius_arcsec : float

    Returns
    -------
    DataFrame
        at (row of the target), separation [arcsec], and the columns of the galaxies.
    """
    first, second, distance = matching.pairs(
        targets["ra"], targets["dec"], galaxies["ra"], galaxies["dec"], radius_arcsec
    )
    near = galaxies.iloc[second].drop(columns=["ra", "dec"]).reset_index(drop=True)
    return near.assign(at=first, separation=distance)


def _ordered(hits: pd.DataFrame) -> pd.DataFrame:
    """Each object once for each target, by target, separation and galaxy_id."""
    return hits.sort_values(["at", "separation", "galaxy_id"]).drop_duplicates(["at", "galaxy_id"]).reset_index(drop=True)


def _nearest(hits: pd.DataFrame, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """galaxy_id (-1) and separation (NaN) of the nearest object of each target, and the number of objects."""
    hits = _ordered(hits)
    lead = hits.drop_duplicates("at")
    ids, separation = np.full(size, -1, np.int64), np.full(size, np.nan)
    ids[lead["at"]], separation[lead["at"]] = lead["galaxy_id"], lead["separation"]
    return ids, separation, np.bincount(hits["at"], minlength=size)


def match_lenses(
    lenses: pd.DataFrame, galaxies: pd.DataFrame, radius_arcsec: float, footprint: np.ndarray | Footprint | None = None
) -> pd.DataFrame:
    """The nearest survey object of each lens, or the reason why there is none.

    Parameters
    ----------
    lenses : DataFrame
        As `schema.LENSES`.
    galaxies : DataFrame
        galaxy_id, ra, dec at least.
    radius_arcsec : float
    footprint : integer array or callable, optional
        Nside-128 nested pixels that the survey covers, or a function of (ra, dec) that says so; the pixels with an
        object when not given.

    Returns
    -------
    DataFrame
        As `schema.MATCHES`, by lens_id.
    """
    hits = meet(lenses, galaxies[["galaxy_id", "ra", "dec"]], radius_arcsec)
    return matches_of(lenses, hits, covered(galaxies) if footprint is None else footprint)


def matches_of(lenses: pd.DataFrame, hits: pd.DataFrame, footprint: np.ndarray | Footprint) -> pd.DataFrame:
    """`match_lenses` from the hits of `meet`, of the whole survey or of its parts one after the other."""
    ids, distance, count = _nearest(hits, len(lenses))
    ra, dec = lenses["ra"].to_numpy(float), lenses["dec"].to_numpy(float)
    inside = np.asarray(footprint(ra, dec), bool) if callable(footprint) else np.isin(_pixels(ra, dec, 128), footprint)
    table = pd.DataFrame(
        {
            "lens_id": lenses["lens_id"].to_numpy(), "galaxy_id": ids, "separation": distance, "n_within": count,
            "reason": np.select([ids >= 0, ~inside], [MATCHED, OUTSIDE], NO_OBJECT),
        }
    )  # fmt: skip
    return schema.MATCHES.cast_table(table).sort_values("lens_id", ignore_index=True)


def neighbours_of(lenses: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """All survey objects within the radius of each lens, as `schema.NEIGHBOURS`, by lens_id, then the nearest first."""
    hits = _ordered(hits)
    rank = hits.groupby("at").cumcount() + 1
    table = hits.assign(lens_id=lenses["lens_id"].to_numpy()[hits["at"]], rank=rank)
    return schema.NEIGHBOURS.cast_table(table).sort_values(["lens_id", "rank"], ignore_index=True)


def covered(galaxies: pd.DataFrame) -> np.ndarray:
    """Nside-128 nested pixels that hold an object."""
    if "healpix_128" in galaxies:
        return galaxies["healpix_128"].unique()
    return np.unique(_pixels(galaxies["ra"], galaxies["dec"], 128))


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
    """
    ra, dec, keep, ledger = _positions(raw)
    category = raw["category"].astype("str").str.strip().where(raw["category"].notna(), "")
    blank = keep & category.eq("").to_numpy()
    keep &= ~blank
    dropped = {**ledger.dropped, **({"no category": int(blank.sum())} if blank.any() else {})}
    table = pd.DataFrame(
        {
            "name": raw["name"].astype("str"), "category": category, "catalogue": catalogue.name, "ra": ra, "dec": dec,
            "galaxy_id": np.int64(-1), "separation": np.nan,
        }
    )  # fmt: skip
    return schema.CONTAMINANTS.cast_table(table[keep]).reset_index(drop=True), Ledger(
        len(raw), int(keep.sum()), dropped
    )


def match_contaminants(contaminants: pd.DataFrame, galaxies: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """Contaminants with the nearest survey object of each, as `schema.CONTAMINANTS`, in a fixed order."""
    return contaminants_of(contaminants, meet(contaminants, galaxies[["galaxy_id", "ra", "dec"]], radius_arcsec))


def contaminants_of(contaminants: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """`match_contaminants` from the hits of `meet`."""
    ids, distance, _ = _nearest(hits, len(contaminants))
    table = contaminants.assign(galaxy_id=ids, separation=distance)
    order = ["catalogue", "category", "ra", "dec", "name"]
    return schema.CONTAMINANTS.cast_table(table).sort_values(order, ignore_index=True)


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
        inside = f"{numbers['matched']:.0f} of {numbers['inside the footprint']:.0f} within {settings.match_radius_arcsec} arcsec"
        rate = Gate(
            "P0.match_rate", claim, "share matched", float(numbers["match rate inside the footprint"]),
            minimum=settings.match_rate_min, evidence=f"{inside}; {over_all}",
        )  # fmt: skip
    lost = set(lenses["lens_id"]) ^ set(matches["lens_id"])
    return [
        rate,
        Gate(
            "P0.every_lens", "every lens is matched or has its reason", "lenses without account", len(lost), maximum=0,
            critical=True, evidence=words(matches["reason"].value_counts().to_dict()),
        ),
        Gate(
            "X.3", "labels tell confirmed from probable", "lenses without a tier",
            int((~lenses["tier"].isin([t for t in schema.TIERS if t])).sum()), maximum=0, critical=True,
            evidence=words(lenses["tier"].value_counts().to_dict()),
        ),
    ]  # fmt: skip
