"""What a part of the sky has to offer to the sample: every filter applied and counted, neighbours
across its border known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.errors import LenscalError
from lenscal.kernels import keysets
from lenscal.manifest import confusers, exclusion, pools

COLUMNS = tuple(
    dict.fromkeys(
        (
            "galaxy_id",
            "ra",
            "dec",
            "type",
            "mag_z",
            "nobs_g",
            "nobs_r",
            "nobs_z",
            "_healpix_29",
            *confusers.COLUMNS,
        )
    )
)
"""All that a scan reads of the galaxies."""


class ManifestError(LenscalError, ValueError):
    """A sample that cannot be what it is meant to be; the message holds the waterfall."""


@dataclass(frozen=True)
class Scan:
    """Rows seen, rows after each step, rows dropped by reason, and the offers; scans of disjoint parts add."""

    rows_in: int = 0
    steps: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    offers: pools.Offers | None = None

    def __add__(self, other: Scan) -> Scan:
        offers = (
            self.offers if other.offers is None else other.offers if self.offers is None else self.offers + other.offers
        )
        return Scan(
            self.rows_in + other.rows_in, _sum(self.steps, other.steps), _sum(self.dropped, other.dropped), offers
        )

    def waterfall(self) -> pd.DataFrame:
        """step, rows."""
        return pd.DataFrame({"step": list(self.steps), "rows": np.array(list(self.steps.values()), np.int64)})

    def error(self, what: str) -> ManifestError:
        return ManifestError(f"manifest: {what}\n{self.waterfall().to_string(index=False)}")


def _sum(one: Mapping[str, int], two: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + two.get(key, 0) for key in dict.fromkeys([*one, *two])}


def margin_needed(settings: config.Manifest) -> float:
    """How much of the sky around a part a scan must see, in arcsec: neighbours, and who of them is a second fit."""
    return confusers.reach_arcsec(settings.confuser_cuts) + settings.duplicate_radius_arcsec


def scan(
    table: pd.DataFrame,
    found: pd.DataFrame,
    lenses: pd.DataFrame,
    settings: config.Manifest,
    seed: int,
    *,
    core: np.ndarray | None = None,
    repeated: np.ndarray | None = None,
    part: int = 0,
    bands: Sequence[str] = schema.BANDS,
) -> Scan:
    """Filters, classes and strata of one part of the sky.

    Parameters
    ----------
    table : DataFrame
        `COLUMNS` of `schema.GALAXIES`: the rows of the part, then those around it within `margin_needed`.
    found : DataFrame
        The positives, from `labels.positives`.
    lenses : DataFrame
        As `schema.LENSES`.
    settings, seed
        Of the run.
    core : (n,) bool array, optional
        Rows of the part itself, before all others; all by default.
    repeated : (n,) bool array, optional
        Rows whose key another row has that goes before them.
    part : int
        Number of the part, to find rows again.
    bands : sequence of str
        Of the cutouts: exposures are asked for in each (`nobs_*`).
    """
    own = len(table) if core is None else int(np.count_nonzero(core))
    rows_in, steps, dropped = own, {"galaxies": own}, {}

    def count(step: str, rows: np.ndarray) -> None:
        steps[step] = int(np.count_nonzero(rows))

    wanted = keysets.contains(table["galaxy_id"].to_numpy(), found["galaxy_id"].to_numpy())
    there = np.ones(len(table), bool) if repeated is None else ~repeated
    dropped["key seen before"] = own - int(np.count_nonzero(there[:own]))
    count("each key once", there[:own])
    steps["galaxies matched to a positive"] = 0  # known beforehand, not counted here
    twice = exclusion.same_place(table, settings.duplicate_radius_arcsec, wanted, there)
    there &= ~twice
    dropped["second fit of the same sky"] = int(np.count_nonzero(twice[:own]))
    count("each place once", there[:own])
    bits = confusers.classify(table, settings.confuser_cuts, there)
    table, bits, alive = table[:own], bits[:own], there[:own]  # what lies around has been asked about

    def leave_out(bad: np.ndarray, reason: str, step: str) -> None:
        nonlocal alive
        dropped[reason] = int((alive & bad).sum())
        alive = alive & ~bad
        count(step, alive)

    border = exclusion.near_border(table, settings.guard_arcsec, seed, settings.split_fractions)
    leave_out(border, "guard band", f"further than {settings.guard_arcsec:g} arcsec from other splits")
    low, high = settings.dec_range_degree
    dec = table["dec"].to_numpy()
    leave_out(~((dec > low) & (dec < high)), "declination", f"{low:g} < Dec < {high:g}")
    few = np.zeros(len(table), bool)
    for band in bands:
        few |= table[f"nobs_{band}"].to_numpy() < settings.nobs_min
    leave_out(few, "too few exposures", f"NOBS >= {settings.nobs_min} in {schema.bands_words(bands)}")

    positive = alive & wanted[:own]
    count("of these positives", positive)
    excluded = exclusion.near_lens(table, lenses, settings.exclusion_radius_arcsec) & alive & ~positive
    candidates = alive & ~positive & ~excluded
    count(f"of these further than {settings.exclusion_radius_arcsec:g} arcsec from every lens", candidates)
    for step, inside in pools.ordinary(table, settings).items():
        count(step, candidates & inside)
    rule = candidates & inside
    for bit, name in enumerate(schema.CONFUSERS):
        count(f"N2 class: {name}", candidates & ((bits >> bit & 1) > 0))
    count("N2 candidates: any class", candidates & (bits > 0))
    dropped["within the exclusion radius of a lens"] = int(excluded.sum())
    dropped["neither N1 nor N2"] = int((candidates & ~rule & (bits == 0)).sum())
    return Scan(rows_in, steps, dropped, pools.offer(table, candidates, bits, positive, settings, part))


def merged(scans: Iterable[Scan], limits: np.ndarray, seed: int) -> Scan:
    """One scan of many, never more rows at a time than the reservoirs hold and one scan brings."""
    total, kept = Scan(), 0
    for one in scans:
        total = total + one
        if len(total.offers.rows) > max(1 << 20, 2 * kept):
            total = _trimmed(total, limits, seed)
            kept = len(total.offers.rows)
    if total.offers is None:
        raise ManifestError("manifest: the survey at hand holds no galaxy; check survey.root and the ledger of objects")
    return _trimmed(total, limits, seed)


def _trimmed(total: Scan, limits: np.ndarray, seed: int) -> Scan:
    return Scan(total.rows_in, total.steps, total.dropped, total.offers.trimmed(limits, seed))
