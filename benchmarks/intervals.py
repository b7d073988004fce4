"""How often intervals hold the truth: the tables of docs/stages/completeness.md, with more cubes than
the tests have time for.

    python benchmarks/intervals.py [--cubes 40] [--only cells averages area rate]

Truths: `uniform`, from cell to cell, or `steep`, rising with the Einstein radius from 0.01 to 0.7. Hosts: beta-binomial
(`bb`, one luck of a host at all theta_e) or normal on the logit (`logit`) with the correlation given; one that `rises`
from 0 to 0.4 along theta_e or `falls` back, `flips` sign half way, is drawn `anew` at each theta_e, or where
`columns differ`. Trials of a cell: 200 on 35 hosts (`even`), on 40 with weights 1/rank^0.5 (`uneven`), on 30 with
weights 1/rank (`zipf`), 60 on 10, 24 on 3.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

LEVELS = (0.6827, 0.95)


def told(inside: np.ndarray) -> str:
    """Share inside (..., cube) and its standard error, told by the scatter between cubes, whose cells share hosts."""
    cubes = inside.reshape(-1, inside.shape[-1]).mean(0)
    return f"{cubes.mean():.3f} ({1e3 * cubes.std(ddof=1) / np.sqrt(cubes.size):.0f})"


def cells(cubes: int) -> None:
    """Intervals of cells, overall and by truth; standard errors in units of the last digit."""
    import clustered

    from lenscal.kernels import intervals, recovery

    bins = ((0, 0.03), (0.03, 0.1), (0.1, 0.3), (0.3, 1))
    print(
        "| cube | trials | hosts | truths | 68.27 % | 95 % | 95 %, truth < 0.03, to 0.1, to 0.3, above |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    sets = [
        ((11, 35), trials, hosts)
        for trials in ("even", "zipf")
        for hosts in ("bb 0", "bb 0.1", "bb 0.3", "logit 0.3", "flips", "rises", "falls", "anew 0.3", "columns differ")
    ]
    sets += [
        ((11, 35), trials, hosts)
        for trials in ("uneven", "60 on 10")
        for hosts in ("bb 0", "bb 0.3", "logit 0.3", "columns differ")
    ] + [((11, 35), "24 on 3", "bb 0.3")]
    sets += [
        (shape, trials, hosts)
        for shape in ((3, 2), (6, 1), (1, 35), (1, 1))
        for trials in ("even", "zipf", "24 on 3")
        for hosts in ("bb 0", "bb 0.1", "bb 0.3", "logit 0.3")
    ]
    for shape, trials, hosts in sets:
        for truths in (clustered.uniform, clustered.steep) if shape == (11, 35) else (clustered.uniform,):
            n = clustered.TRIALS[trials]
            many = cubes if shape == (11, 35) else min(cubes * 385 // (3 * shape[0] * shape[1]), 6000)
            rng = np.random.default_rng(1)
            said = f"| {shape[0]} x {shape[1]} | {trials} | {hosts} | {truths.__name__} |"
            if not recovery.enough(np.full(shape, float(recovery.hosts_effective(n)))).all():
                print(said, "no interval | no interval | |", flush=True)
                continue
            found: list[list[np.ndarray]] = [[], []]
            held = []
            for start in range(0, many, 50):  # so many cubes fit into memory
                truth, n, k = clustered.drawn(
                    rng, truths, hosts, trials, (*shape, min(50, many - start)) if shape == (11, 35) else (*shape, many)
                )
                effect, scatter, freedom = clustered.design(n, k)
                for inside, level in zip(found, LEVELS):
                    m = n.sum() / recovery.widened(effect, freedom, level, scatter)
                    lower, upper = intervals.interval(m * (k.sum(-1) / n.sum()), m, level)
                    inside.append((lower <= truth) & (truth <= upper))
                held.append(truth)
                if shape != (11, 35):
                    break
            both, truth = [np.concatenate(inside, -1) for inside in found], np.concatenate(held, -1)
            parts = (
                [both[1][(truth >= low) & (truth < high)].mean() for low, high in bins]
                if truths is clustered.steep
                else []
            )
            print(said, f"{told(both[0])} | {told(both[1])} |", ", ".join(f"{p:.3f}" for p in parts), "|", flush=True)


def averages(cubes: int) -> None:
    """Averages over 35 cells with log-normal weights, four draws of them for each cube; those at the
    narrowest arcs by themselves.
    """
    import clustered

    from lenscal.kernels import intervals, recovery, shares

    print(
        "\n"
        "| trials | hosts | truths | 68.27 % | 95 % | narrowest arcs: mean truth | 68.27 % | 95 % |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for trials in ("even", "zipf"):
        for hosts, truths in (
            ("bb 0", clustered.uniform),
            ("bb 0", clustered.steep),
            ("bb 0.1", clustered.steep),
            ("bb 0.3", clustered.steep),
            ("logit 0.3", clustered.steep),
            ("falls", clustered.steep),
        ):
            rng = np.random.default_rng(2)
            found: dict[float, list[np.ndarray]] = {level: [] for level in LEVELS}
            low = []
            for _ in range(max(cubes // 10, 1)):
                truth, n, k = clustered.drawn(rng, truths, hosts, trials, (6, 35, 50))
                effect, _, freedom = clustered.design(n, k)
                weights = np.exp(rng.normal(0, 1, (4, *truth.shape[1:])))
                for level in LEVELS:
                    wide = recovery.widened(effect, freedom, level)
                    parts = []
                    for weight in weights:
                        mean = (weight * truth).sum(1) / weight.sum(0)
                        last = [
                            np.moveaxis(np.broadcast_to(array, truth.shape), 1, -1)
                            for array in (weight, k.sum(-1), float(n.sum()), wide)
                        ]
                        share, m = shares.mean(*last)
                        lower, upper = intervals.interval(share * m, m, level)
                        parts.append((lower <= mean) & (mean <= upper))
                        low.append(mean[0].mean())
                    found[level].append(np.mean(parts, 0))
            inside = [np.concatenate(found[level], -1) for level in LEVELS]
            print(
                f"| {trials} | {hosts} | {truths.__name__} | {told(inside[0])} | {told(inside[1])} | "
                f"{np.mean(low):.3f} | {told(inside[0][0])} | {told(inside[1][0])} |",
                flush=True,
            )


def area(cubes: int) -> None:
    """The area under the ROC curve: lenses, negatives, area; lenses alike, twice as wide, 2 %
    lost among the negatives.
    """
    from scipy.stats import norm

    from lenscal.kernels import ranking

    print("\n| lenses | negatives | area | alike | twice as wide | 2 % lost |\n| --- | --- | --- | --- | --- | --- |")
    for m, n, value in (
        (11, 945, 0.8),
        (11, 945, 0.95),
        (11, 945, 0.985),
        (50, 945, 0.8),
        (50, 945, 0.985),
        (200, 945, 0.985),
        (21, 84, 0.7),
        (21, 84, 0.95),
    ):
        row = []
        for width, lost in ((1, 0.0), (2, 0.0), (1, 0.02)):
            rng, inside = np.random.default_rng(3), []
            shift = np.sqrt(1 + width**2) * norm.ppf((value - lost / 2) / (1 - lost))
            for _ in range(25 * cubes):
                positives = rng.normal(shift, width, m)
                positives[rng.random(m) < lost] = rng.normal()
                _, lower, upper = ranking.auc(positives, rng.normal(size=n))
                inside.append(lower <= value <= upper)
            row.append(f"{np.mean(inside):.3f}")
        print(f"| {m} | {n} | {value} | {' | '.join(row)} |", flush=True)


def rate(cubes: int) -> None:
    """The false-positive rate of a threshold set at the k-th of 945 negatives: exact, no simulation."""
    from scipy.stats import beta

    from lenscal.kernels import intervals

    print("\n| k of 945 | 68.27 % | 95 % | as if k were counted |\n| --- | --- | --- | --- |")
    for k in (1, 2, 3, 9, 18):
        law = beta(k, 946 - k)
        held = lambda ends, law=law: law.cdf(ends[1]) - law.cdf(ends[0])  # noqa: E731
        own = [held(intervals.rate_interval(k, 945, level)) for level in LEVELS]
        other = [held(intervals.interval(k, 945, level)) for level in LEVELS]
        print(f"| {k} | {own[0]:.4f} | {own[1]:.4f} | {other[0]:.3f}, {other[1]:.3f} |", flush=True)


def main() -> None:
    tables = {"cells": cells, "averages": averages, "area": area, "rate": rate}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cubes", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=tables, default=list(tables))
    arguments = parser.parse_args()
    started = time.perf_counter()
    for name in arguments.only:
        tables[name](arguments.cubes)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
