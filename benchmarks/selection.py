"""How long a selection function takes to answer, and how often its intervals hold the truth: the tables of
docs/how-to/selection.md and docs/stages/completeness.md, with more cubes than the tests have time for.

    python benchmarks/selection.py [--sims 300] [--only times density table average pairs pooled]

Truths and hosts are those of benchmarks/intervals.py, on 6 x 30 cells of 200 trials unless said otherwise: steep
surfaces, equal hosts or Zipf's, hosts that are alike by 0, 0.1 and 0.3 and effects that follow theta_e.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

LEVELS = (0.6827, 0.95)
SETTINGS = [
    (hosts, trials) for hosts in ("bb 0", "bb 0.1", "bb 0.3", "falls", "logit 0.3") for trials in ("even", "zipf")
]


def told(inside) -> str:
    """Shares inside at both levels, with the standard error in units of the last digit."""
    rows = np.asarray(inside, float).reshape(2, -1)
    return " / ".join(f"{row.mean():.3f} ({1e3 * row.std() / np.sqrt(row.size):.0f})" for row in rows)


def seconds(call) -> float:
    """The least of three."""
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def big(n: int, hosts: int, seed: int) -> pd.DataFrame:
    """Trials or systems with all features of a run, and a score."""
    from lenscal.selection import FEATURES

    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(0, 1, n) for name in FEATURES})
    table["theta_e"], table["lensed_mag_r"] = rng.uniform(0.5, 2.5, n), rng.normal(21, 0.8 if hosts else 0.4, n)
    table["host"] = rng.integers(0, hosts or n, n)
    logit = 5 * np.log(table["theta_e"]) - 1.2 * (table["lensed_mag_r"] - 21) + table["host_colour_gr"]
    table["found"] = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    table["log_density"] = -np.log(2.0)
    return table


def times() -> None:
    """Seconds of what a scientist asks for, one process."""
    import lenscal as lc

    trials, systems = big(77_000, 2000, 1), big(100_000, 0, 2)
    trials["seeing"], trials["depth"] = (trials["host"] % 7 + 0.5), (trials["host"] % 5 + 0.5)
    edges = {"theta_e": np.linspace(0.5, 2.5, 12), "seeing": np.arange(8.0), "depth": np.arange(6.0)}
    made = lc.SelectionFunction.from_table(trials, edges, density="log_density")
    rng = np.random.default_rng(3)
    points = {name: rng.uniform(ends[0], ends[-1], 10**6) for name, ends in edges.items()}
    labelled = {name: xr.DataArray(values, dims="lens") for name, values in points.items()}
    tracemalloc.start()
    made.query(**points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    features = list(lc.selection.FEATURES)
    rows = {
        "query, 10^6 points, arrays": lambda: made.query(**points),
        "query, 10^6 points, a table": lambda: made.query(pd.DataFrame(points)),
        "query, 10^6 points, labelled": lambda: made.query(**labelled),
        "reweight 77,000 trials, a density": lambda: made.reweight(lambda t: -2 * np.log(t["theta_e"])),
        "reweight 77,000 trials to 10^5 systems": lambda: made.reweight(systems, features=features),
        "from_table, 77,000 trials, 385 cells": lambda: lc.SelectionFunction.from_table(trials, edges),
        "marginalise over all, with covariance": lambda: made.marginalise(
            tuple(edges), xr.DataArray(np.ones((11, 7, 5)), dims=tuple(edges))
        ),
        "pooled, 385 cells": made.pooled,
    }
    print("| what | seconds |\n| --- | --- |")
    for name, call in rows.items():
        print(f"| {name} | {seconds(call):.2f} |", flush=True)
    print(f"| most memory of a query of 10^6 points | {peak / 1e6:.0f} MB |")


def trials_of(truth: np.ndarray, n: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, ...]:
    """theta_e, column, host and outcome of every trial of a cube (theta_e, column, host)."""
    hosts = k.shape[-1]
    each = np.broadcast_to(n, k.shape).ravel()
    t, c, h = (np.repeat(grid.ravel(), each) for grid in np.meshgrid(*map(np.arange, k.shape), indexing="ij"))
    first = np.repeat(np.cumsum(each) - each, each)
    return t, c, c * hosts + h, (np.arange(each.sum()) - first < np.repeat(k.ravel(), each)).astype(float)


def density(sims: int) -> None:
    """Another density, of trials that were set cell by cell, as a run's are."""
    import clustered

    from lenscal.selection.weighing import by_density

    print("| hosts | trials | steepness | 68.27 / 95 % |\n| --- | --- | --- | --- |")
    for hosts, trials in SETTINGS:
        for tilt in (0.0, -4.0):
            rng, inside = np.random.default_rng(1), np.zeros((2, sims))
            for i in range(sims):
                truth, n, k = clustered.drawn(rng, clustered.steep, hosts, trials, (6, 30, 1))
                t, c, host, found = trials_of(truth, n, k[:, :, 0])
                log = tilt * np.arange(6)[:, None] / 6 + rng.normal(0, 1, 30)
                wanted = (np.exp(log) * truth[..., 0]).sum() / np.exp(log).sum()
                drawn, cell = np.zeros(t.size), t * 30 + c
                trials_ = pd.DataFrame({"theta_e": t, "log": log[t, c]})
                said = by_density(trials_, lambda table: table["log"].to_numpy(), found, host, 1, drawn, cell)
                inside[:, i] = [low <= wanted <= high for low, high in map(said.interval, LEVELS)]
            print(f"| {hosts} | {trials} | {tilt:g} | {told(inside)} |", flush=True)


def table(sims: int) -> None:
    """A table of systems, told by features alone."""
    from selections import chance, selection

    print("| luck of hosts (logit) | hosts | 68.27 / 95 % |\n| --- | --- | --- |")
    node, weight = np.polynomial.hermite_e.hermegauss(31)
    rng = np.random.default_rng(8)
    systems = pd.DataFrame(
        {"theta_e": np.clip(rng.normal(1.0, 0.2, 300), 0.55, 1.9), "seeing": rng.uniform(1.05, 1.35, 300)}
    )
    for luck, hosts in ((0.0, 300), (1.0, 300), (1.5, 100)):
        wanted = float((chance(systems["theta_e"].to_numpy()[:, None], luck * node) @ weight).mean() / weight.sum())
        inside = np.zeros((2, sims))
        for i in range(sims):
            said = selection(n=3000, hosts=hosts, seed=[21, i], luck=luck).reweight(systems, seed=i)
            inside[:, i] = [low <= wanted <= high for low, high in map(said.interval, LEVELS)]
        print(f"| {luck:g} | {hosts} | {told(inside)} |", flush=True)


def average(sims: int) -> None:
    """Averages over all cells, with the covariance of those that share hosts."""
    import clustered

    from lenscal.kernels import intervals, stratified

    print("| hosts | trials | 68.27 / 95 % |\n| --- | --- | --- |")
    for hosts, trials in SETTINGS:
        rng, inside = np.random.default_rng(2), np.zeros((2, sims))
        for i in range(sims):
            truth, n, k = clustered.drawn(rng, clustered.steep, hosts, trials, (6, 30, 1))
            weights = np.linspace(2, 0.2, 6)[:, None] * rng.lognormal(0, 1, 30)
            t, c, h = (grid.ravel() for grid in np.meshgrid(*map(np.arange, k[:, :, 0].shape), indexing="ij"))
            each = np.broadcast_to(n, k[:, :, 0].shape).ravel()
            said = stratified.share(k.ravel(), each, weights[t, c], c * n.size + h, t * 30 + c)
            wanted = (weights * truth[..., 0]).sum() / weights.sum()
            for j, level in enumerate(LEVELS):
                low, high = intervals.interval(*stratified.counts(said, level), level)
                inside[j, i] = low <= wanted <= high
        print(f"| {hosts} | {trials} | {told(inside)} |", flush=True)


def mix(shared, own):
    """Normal numbers with a correlation of 0.7."""
    return np.sqrt(0.7) * shared + np.sqrt(0.3) * own


def pairs(sims: int) -> None:
    """Two detectors on the same trials, whose outcomes hang together by trial and host (probit, correlation 0.7)."""
    import clustered
    from scipy.special import ndtri
    from scipy.stats import multivariate_normal

    import lenscal as lc

    names = ("difference", "union", "both", "bounds of the union")
    print(f"| hosts | trials | {' | '.join(names)} |\n| --- | --- |{' --- |' * len(names)}")
    for rho in (0.0, 0.1, 0.3):
        for trials in ("even", "zipf"):
            rng, inside = np.random.default_rng(3), {name: [] for name in names}
            for _ in range(max(sims // 15, 4)):
                n = clustered.TRIALS[trials]
                truth = clustered.steep(rng, (5, 20, 1))[..., 0]
                second = np.clip(truth * 0.7, 1e-4, 1)
                both = [
                    multivariate_normal.cdf(x, cov=[[1, 0.7], [0.7, 1]])
                    for x in zip(ndtri(truth).ravel(), ndtri(second).ravel())
                ]
                both = np.reshape(both, truth.shape)
                h = np.repeat(np.arange(n.size), n)
                base, trial = rng.normal(size=(20, n.size)), rng.normal(size=(5, 20, h.size))
                found = []
                for share in (truth, second):
                    luck = mix(base, rng.normal(size=base.shape))[:, h]
                    score = np.sqrt(rho) * luck + np.sqrt(1 - rho) * mix(trial, rng.normal(size=trial.shape))
                    found.append(score < ndtri(share)[..., None])
                t, c, i = (grid.ravel() for grid in np.meshgrid(*map(np.arange, trial.shape), indexing="ij"))
                rows = pd.DataFrame({"x": t + 0.5, "y": c + 0.5, "host": c * n.size + h[i], "id": np.arange(t.size)})
                edges = {"x": np.arange(6.0), "y": np.arange(21.0)}
                made = [
                    lc.SelectionFunction.from_table(rows.assign(found=outcome.ravel()), edges, id=name)
                    for name in ("id", None)
                    for outcome in found
                ]
                one, two, first, other = made
                cubes = (one - two, (one | two).cube, (one & two).cube, (first | other).cube)
                wanted = (truth - second, truth + second - both, both, truth + second - both)
                for name, cube, value in zip(names, cubes, wanted):
                    held = (cube["lower"] <= value[..., None]) & (value[..., None] <= cube["upper"])
                    inside[name].append(held.transpose("level", ...).values.reshape(2, -1).mean(1))
            said = (told(np.transpose(values)) for values in inside.values())
            print(f"| bb {rho:g} | {trials} | {' | '.join(said)} |", flush=True)


def pooled(sims: int) -> None:
    """The second estimate: cells of 6 x 5 x 4, and its widths over those of the first."""
    import clustered

    import lenscal as lc
    from lenscal import completeness, config, schema

    print("| hosts | trials | 68.27 / 95 % | held-out cells | width |\n| --- | --- | --- | --- | --- |")
    for hosts, trials in [*SETTINGS, ("bb 0.3", "60 on 10")]:
        rng, inside, width, held = np.random.default_rng(4), [], [], []
        for _ in range(max(sims // 10, 4)):
            truth, n, k = clustered.drawn(rng, clustered.steep, hosts, trials, (6, 20, 1))
            cube = completeness.posterior(clustered.counted(n, k[:, :, 0], (5, 4)), config.Completeness())
            out = lc.SelectionFunction.from_run(cube).pooled().cube.transpose(*schema.CELL, ...)
            value = truth.reshape(6, 5, 4, 1)
            inside.append(((out["pooled_lower"] <= value) & (value <= out["pooled_upper"])).mean(schema.CELL).values)
            ends = (out["pooled_upper"] - out["pooled_lower"]).mean() / (out["upper"] - out["lower"]).mean()
            width.append(float(ends))
            held.append([out.attrs["pooled_held_out_68"], out.attrs["pooled_held_out_95"]])
        said = " | ".join(told(np.transpose(values)) for values in (inside, held))
        print(f"| {hosts} | {trials} | {said} | {np.mean(width):.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sims", type=int, default=300)
    every = {"density": density, "table": table, "average": average, "pairs": pairs, "pooled": pooled}
    parser.add_argument("--only", nargs="*", choices=["times", *every], default=["times", *every])
    given = parser.parse_args()
    for name in given.only:
        print(f"\n{name}\n")
        times() if name == "times" else every[name](given.sims)


if __name__ == "__main__":
    main()
