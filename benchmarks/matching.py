"""Cross-matches of two random skies on one core, beside a k-d tree: pairs found in a second of the processor.

    python benchmarks/matching.py [--rows 5000000] [--radii 1 5 20]

Both skies are uniform over the same 500 square degrees about RA = 0, so that a larger radius finds more pairs for each
row; both ways find the same ones, in order. The tree is SciPy's on the unit sphere, as in many scripts of the field.
Limit: 2.7 million pairs a second where each row has about one.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.spatial import cKDTree

from lenscal.kernels import matching


def sky(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination, degrees."""
    south, north = np.sin(np.radians([-10.0, 15.0]))
    return rng.uniform(-10, 10.1, rows) % 360, np.degrees(np.arcsin(rng.uniform(south, north, rows)))


def by_tree(one: tuple, two: tuple, radius: float) -> tuple[np.ndarray, ...]:
    """All pairs, ordered by the first, then by separation, then by the second."""
    trees = [cKDTree(matching.unit_vectors(*positions)) for positions in (one, two)]
    chord = 2 * np.sin(np.radians(radius * (1 + 1e-9) / 3600) / 2)
    found = trees[0].sparse_distance_matrix(trees[1], chord, output_type="ndarray")
    first, second = found["i"], found["j"]
    distance = matching.separation(one[0][first], one[1][first], two[0][second], two[1][second])
    order = np.lexsort((second, distance, first))
    order = order[distance[order] <= radius]
    return first[order], second[order], distance[order]


def timed(match, one: tuple, two: tuple, radius: float) -> tuple[float, tuple]:
    start = time.process_time()
    found = match(one, two, radius)
    return time.process_time() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--radii", type=float, nargs="+", default=[1, 5, 20], help="arcsec")
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    one, two = sky(rng, asked.rows), sky(rng, asked.rows)
    own = lambda a, b, radius: matching.pairs(*a, *b, radius)  # noqa: E731
    timed(own, *([c[:1000] for c in positions] for positions in (one, two)), 60.0)
    print("| radius [arcsec] | pairs | seconds | rows/s | pairs/s | k-d tree, seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for radius in asked.radii:
        spent, found = timed(own, one, two, radius)
        slow, other = timed(by_tree, one, two, radius)
        assert all(np.array_equal(a, b) for a, b in zip(found, other)), "the two do not find the same pairs"
        pairs = found[0].size
        print(
            f"| {radius:g} | {pairs:,} | {spent:.2f} | {asked.rows / spent:,.0f} | {pairs / spent:,.0f} | {slow:.1f} |"
        )


if __name__ == "__main__":
    main()
