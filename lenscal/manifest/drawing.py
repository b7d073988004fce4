"""Negatives drawn from what a sky offers: how many of each stratum and class, and which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.kernels import draws

from .pools import PURPOSE, STRATA, Offers, class_counts


def drawn_for(
    bits: np.ndarray, hashes: np.ndarray, stratum: np.ndarray, counts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The class each candidate of N2 stands for, and the order in which the candidates of a stratum are taken.

    A galaxy of several classes stands for the rarest of them. In a stratum the classes take turns, each giving its
    candidates in the order of their hashes: a common class cannot crowd out a rare one.

    Parameters
    ----------
    bits : (n,) int array
        Classes of each candidate, at least one.
    hashes : (n,) uint64 array
        Distinct for distinct galaxies.
    stratum : (n,) int array
    counts : (classes,) int array, optional
        How many candidates each class has in all; counted here by default.

    Returns
    -------
    code : (n,) int array
        Index in `schema.CONFUSERS`.
    order : (n,) int array
        Indices, by stratum, then as they are taken.
    """
    counts = class_counts(bits) if counts is None else counts
    code = np.full(bits.size, -1)
    for c in sorted(range(len(counts)), key=lambda c: (-counts[c], -c)):
        code[(bits & (1 << c)) > 0] = c
    turn = np.empty(bits.size, np.int64)
    by_class = np.lexsort((hashes, code, stratum))
    group = stratum[by_class] * len(schema.CONFUSERS) + code[by_class]
    start = np.flatnonzero(np.diff(group, prepend=-1))
    lengths = np.diff(np.append(start, group.size))
    turn[by_class] = np.arange(group.size) - np.repeat(start, lengths)
    return code, np.lexsort((hashes, code, turn, stratum))


@dataclass
class Stock:
    """What one stratum has: `taken[k]` is how many rows of the N1 rule are among its first k candidates of N2."""

    wanted: int
    ordinary: int
    taken: np.ndarray

    @property
    def confusers(self) -> int:
        return min(self.wanted, len(self.taken) - 1)

    def n1(self, n2: int) -> int:
        """How many N1 rows it gives beside n2 rows of N2."""
        return max(0, min(self.wanted - n2, self.ordinary - int(self.taken[n2])))


def allot(stocks: list[Stock], n1_fraction: float) -> np.ndarray:
    """Rows of N2 in each stratum.

    A stratum without one row of the N1 rule (EXP, PSF and DUP, as a rule) takes all it wants from N2. The other strata
    share as many more as keep N1 at `n1_fraction` of all negatives *drawn*, in proportion to what they want, as far as
    their candidates reach. What a stratum lacks is a shortfall of that stratum: no quota moves to another.
    """
    n2 = np.array([s.confusers if s.ordinary == 0 else 0 for s in stocks], np.int64)
    shared = [i for i, s in enumerate(stocks) if s.ordinary > 0]
    room = np.array([stocks[i].confusers for i in shared], np.int64)
    want = np.array([stocks[i].wanted for i in shared], float)

    def fits(quota: int) -> bool:
        each = spread(quota, want, room)
        n1 = sum(stocks[i].n1(int(k)) for i, k in zip(shared, each))
        confusers = int(n2.sum()) + quota
        return confusers <= round((1 - n1_fraction) * (n1 + confusers))

    low, high = 0, int(room.sum())
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    n2[shared] = spread(low, want, room)
    return n2


def spread(quota: int, want: np.ndarray, room: np.ndarray) -> np.ndarray:
    """A quota shared in proportion to `want`, nowhere above `room`; what one cannot take the others share.

    Whole numbers by largest remainder, the earlier stratum first; they add to the smaller of the quota and all room.
    """
    share = np.zeros(len(want))
    left, open_ = float(min(quota, room.sum())), (room > 0) & (want > 0)
    while left > 1e-9 and open_.any():
        step = np.where(open_, want, 0) / want[open_].sum() * left
        over = open_ & (share + step >= room)
        if not over.any():
            share += step
            break
        left -= float((room - share)[over].sum())
        share[over] = room[over]
        open_ &= ~over
    whole = np.floor(share + 1e-9).astype(np.int64)
    rest = int(min(quota, room.sum())) - int(whole.sum())
    order = np.lexsort((np.arange(len(want)), -(share - whole)))
    for i in [i for i in order if whole[i] < room[i]][:rest]:
        whole[i] += 1
    return whole


@dataclass(frozen=True)
class Drawn:
    """`rows`: the offered rows that were drawn, with pool and confuser_class; `strata`: quotas and shortfalls."""

    rows: pd.DataFrame
    strata: pd.DataFrame


def draw(offers: Offers, settings: config.Manifest, seed: int) -> Drawn:
    """Positives and negatives, by the hash of (seed, galaxy_id): the same whatever the order or partition of the sky.

    Parameters
    ----------
    offers : Offers
        Of the whole sky.
    settings : config.Manifest
    seed : int
        Of the run.

    Returns
    -------
    Drawn
        Pool is positive, N1, N2 or control (galaxies of the rule of N1 that no pool took, kept as a diagnostic).
        `strata` has, for each stratum with a positive or a candidate: positives, wanted (100 per positive), the
        candidates of either pool, n1, n2, shortfall.
    """
    table = offers.rows.sort_values("galaxy_id", ignore_index=True)
    stratum, bits, rule, positive = (table[name].to_numpy() for name in ("stratum", "bits", "rule", "positive"))
    hashes = draws.hashes(seed, PURPOSE, table["galaxy_id"].to_numpy(np.int64))
    count = len(STRATA)
    wanted = offers.positives * settings.negatives_per_positive

    rows = np.flatnonzero(table["candidate"].to_numpy() & (bits > 0))
    code, order = drawn_for(bits[rows], hashes[rows], stratum[rows], offers.classes)
    by_stratum = np.split(rows[order], np.searchsorted(stratum[rows][order], np.arange(1, count)))
    stocks = []
    for s in range(count):
        head = by_stratum[s][: wanted[s]]
        taken = np.concatenate([[0], np.cumsum(rule[head])])
        stocks.append(Stock(int(wanted[s]), int(offers.ordinary[s]) if wanted[s] else 0, taken))
    n2 = allot(stocks, settings.n1_fraction)

    pool = np.where(positive, "positive", "").astype(object)
    classes = np.full(len(table), "", dtype=object)
    for s in np.flatnonzero(n2):
        pool[by_stratum[s][: n2[s]]] = "N2"
    class_names = np.array(schema.CONFUSERS, dtype=object)
    drawn = pool[rows] == "N2"
    classes[rows[drawn]] = class_names[code[drawn]]

    rest = np.flatnonzero(rule & (pool == ""))
    rest = rest[np.lexsort((hashes[rest], stratum[rest]))]
    parts = np.split(rest, np.searchsorted(stratum[rest], np.arange(1, count)))
    n1 = np.zeros(count, np.int64)
    for s in np.flatnonzero(wanted):
        quota = wanted[s] - n2[s]
        pool[parts[s][:quota]] = "N1"
        pool[parts[s][quota : quota + offers.positives[s] * settings.controls_per_positive]] = "control"
        n1[s] = min(quota, parts[s].size)
    report = pd.DataFrame(
        {
            "nobs_z_bin": [b for b, _ in STRATA],
            "type_bin": [t for _, t in STRATA],
            "positives": offers.positives,
            "wanted": wanted,
            "candidates_n1": offers.ordinary,
            "candidates_n2": offers.confusing,
            "n1": n1,
            "n2": n2,
            "shortfall": wanted - n1 - n2,
        }
    )
    seen = report[["positives", "candidates_n1", "candidates_n2"]].sum(axis=1) > 0
    table = table.assign(pool=pool, confuser_class=classes)
    return Drawn(table[pool != ""].reset_index(drop=True), report[seen].reset_index(drop=True))
