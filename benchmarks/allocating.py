"""Trials where the interval is widest, beside an even grid: how many each needs for one largest half-width.

    python benchmarks/allocating.py [--cubes 20]

Truths rise with theta_e (steep), trials on one host are alike by rho. The even grid has 200 trials in each of 385
cells; the other one begins with 40 and goes on by `kernels.allocation`, round by round, until the largest half-width of
any interval (68.27 %) is that of the even grid.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from allocated import SETTINGS, adaptive, even, truths

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cubes", type=int, default=20)
    cubes = parser.parse_args().cubes
    columns = ("truths", "rho", "even: half-width", "trials", "adaptive: half-width", "trials", "of the even grid")
    print("| " + " | ".join((*columns, "rounds", "mean 4 p (1 - p)")) + " |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, rho in SETTINGS:
        rows = []
        for seed in range(cubes):
            width, trials = even(seed, name, rho)
            reached, used, rounds = adaptive(seed, name, rho, width)
            p = truths(seed, name)
            bound = (4 * p * (1 - p)).mean()  # what Neyman's rule would reach if it knew the truth
            rows.append((width, trials, reached, used, used / trials, rounds, bound))
        mean = np.mean(rows, 0)
        worst = max(row[4] for row in rows)
        print(
            f"| {name} | {rho:g} | {mean[0]:.4f} | {mean[1]:,.0f} | {mean[2]:.4f} | {mean[3]:,.0f} | "
            f"{mean[4]:.2f} (at most {worst:.2f}) | {mean[5]:.1f} | {mean[6]:.2f} |"
        )
