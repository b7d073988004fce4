"""The pools of negatives: what a sky offers to each, stratum by stratum.

N2 is drawn first and N1 from the rest, so that no galaxy is in both. A galaxy of N1 keeps its confuser bits: N1 is the
sky as the detector meets it, confusers in their natural share less those that N2 took.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.kernels import draws
from lenscal.manifest.class_sky import of_types

PURPOSE = "negatives"


def nobs_bins(nobs: np.ndarray) -> np.ndarray:
    """Name of the bin of a number of exposures; "0" below the first bin, empty where it is unknown (negative)."""
    nobs = np.asarray(nobs)
    bins = [(nobs >= low) & (nobs <= high) for low, high, _ in schema.NOBS_BINS]
    return np.select([*bins, nobs == 0], [*(name for *_, name in schema.NOBS_BINS), "0"], "").astype(object)


def strata(table: pd.DataFrame) -> np.ndarray:
    """Stratum of each row: index in `STRATA`, -1 where the type is none of the survey's."""
    types = table["type"].astype("category")
    bins, bin_names = pd.factorize(nobs_bins(table["nobs_z"].to_numpy()))
    place = {name: i for i, name in enumerate(STRATA)}
    lookup = np.array([[place.get((b, t), -1) for t in types.cat.categories] for b in bin_names], np.int64)
    lookup = lookup.reshape(len(bin_names), len(types.cat.categories))
    return lookup[bins, types.cat.codes.to_numpy()]


def ordinary(table: pd.DataFrame, settings: config.Manifest) -> dict[str, np.ndarray]:
    """The rule of N1, as steps: each the rows that pass it and all before."""
    types = table["type"].astype("category")
    of_type = of_types(types, types.cat.codes.to_numpy(), settings.types)
    return {
        f"N1 rule: type {', '.join(settings.types)}": of_type,
        f"N1 rule: z < {settings.mag_z_max:g}": of_type & (table["mag_z"].to_numpy() < settings.mag_z_max),
    }


def class_counts(bits: np.ndarray) -> np.ndarray:
    """Rows of each class."""
    return np.array([np.count_nonzero(bits & (1 << c)) for c in range(len(schema.CONFUSERS))], np.int64)


STRATA = tuple((b, t) for b in ("", "0", *(name for *_, name in schema.NOBS_BINS)) for t in ("", *schema.TYPES))
"""(nobs_z_bin, type_bin) of each stratum."""


@dataclass(frozen=True)
class Offers:
    """What parts of the sky offer to be drawn; offers of disjoint parts add, in any order and grouping.

    `rows` holds the positives and the candidates that can still be drawn: galaxy_id, stratum, bits (confuser classes),
    rule (of N1), candidate, positive, part and row (where the galaxy is found again). The counts are of all rows, by
    stratum (and by class): positives, ordinary (rule of N1), confusing (any class), and candidates (either, in all).
    """

    rows: pd.DataFrame
    positives: np.ndarray
    ordinary: np.ndarray
    confusing: np.ndarray
    classes: np.ndarray
    candidates: int

    def __add__(self, other: Offers) -> Offers:
        return Offers(
            pd.concat([self.rows, other.rows], ignore_index=True),
            self.positives + other.positives,
            self.ordinary + other.ordinary,
            self.confusing + other.confusing,
            self.classes + other.classes,
            self.candidates + other.candidates,
        )

    def trimmed(self, limits: np.ndarray, seed: int) -> Offers:
        """Without the candidates that others come before, whatever else is added.

        Hash-ordered reservoirs: at most `limits[stratum]` rows of the rule of N1 in each stratum, and as many of each
        combination of classes, because which class a galaxy stands for is known only when all have been counted.
        """
        table = self.rows
        stratum, rule = table["stratum"].to_numpy(), table["rule"].to_numpy()
        bits = table["bits"].to_numpy()
        confusing = table["candidate"].to_numpy() & (bits > 0)
        hashes = draws.hashes(seed, PURPOSE, table["galaxy_id"].to_numpy(np.int64))
        keep = table["positive"].to_numpy().copy()
        for inside, group in ((rule, stratum), (confusing, stratum.astype(np.int64) << 32 | bits)):
            some = np.flatnonzero(inside)
            if some.size:
                rank = _ranks(hashes[some], group[some])
                keep[some[rank < limits[stratum[some]]]] = True
        return replace(self, rows=table[keep].reset_index(drop=True))


def _ranks(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Run of each value among those of its group, from 0."""
    order = np.lexsort((values, group))
    start = np.flatnonzero(np.diff(group[order], prepend=group[order][0] - 1))
    rank = np.empty(values.size, np.int64)
    rank[order] = np.arange(values.size) - np.repeat(start, np.diff(np.append(start, values.size)))
    return rank


def offer(
    table: pd.DataFrame,
    candidates: np.ndarray,
    bits: np.ndarray,
    positive: np.ndarray,
    settings: config.Manifest,
    part: int = 0,
    row: np.ndarray | None = None,
) -> Offers:
    """What a table offers.

    Parameters
    ----------
    table : DataFrame
        galaxy_id, type, nobs_z, mag_z; without duplicates.
    candidates : (n,) bool array
        Rows inside the footprint and away from lenses.
    bits : (n,) int array
        Confuser classes.
    positive : (n,) bool array
    settings : config.Manifest
    part, row : int and (n,) int array
        Where the rows are found again; row numbers of the table by default.
    """
    rule = candidates & list(ordinary(table, settings).values())[-1]
    confusing = candidates & (bits > 0)
    some = np.flatnonzero(rule | confusing | positive)
    part_of = table.iloc[some]
    stratum = strata(part_of)
    count = len(STRATA)
    rows = pd.DataFrame(
        {
            "galaxy_id": part_of["galaxy_id"].to_numpy(np.int64),
            "stratum": stratum.astype(np.int16),
            "bits": bits[some].astype(np.int32),
            "rule": rule[some],
            "candidate": candidates[some],
            "positive": positive[some],
            "part": np.full(some.size, part, np.int64),
            "row": (some if row is None else row[some]).astype(np.int64),
        }
    )
    return Offers(
        rows,
        np.bincount(stratum[positive[some]], minlength=count),
        np.bincount(stratum[rule[some]], minlength=count),
        np.bincount(stratum[confusing[some]], minlength=count),
        class_counts(bits[confusing]),
        int((rule | confusing).sum()),
    )


def limits(positives: np.ndarray, settings: config.Manifest) -> np.ndarray:
    """How many candidates of a kind can ever be wanted in each stratum with (at most) so many positives."""
    return positives * (settings.negatives_per_positive + settings.controls_per_positive)
