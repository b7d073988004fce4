"""An even grid of trials, and one whose trials go where the interval is widest, of the same truths."""

import clustered
import numpy as np
from scipy.special import expit

from lenscal.kernels import allocation, intervals, recovery

LEVEL = 0.6827
HOSTS = 35
CELLS = (11, 35)
SETTINGS = [("sharp", 0.0), ("sharp", 0.02), ("steep", 0.0), ("steep", 0.02), ("uniform", 0.0)]
_FIRST, _ROUNDS = 40, 12


def truths(seed, name):
    """Completeness (theta_e, column); `sharp` goes from nothing to nearly all within half an arcsecond."""
    rng = np.random.default_rng(seed)
    if name == "sharp":
        theta_e = np.linspace(0.5, 3, CELLS[0])[:, None]
        return 0.005 + 0.98 * expit((theta_e - 1.6 - 0.25 * rng.normal(size=(1, CELLS[1]))) / 0.15)
    return getattr(clustered, name)(rng, (*CELLS, 1))[..., 0]


def _chances(rng, truth, rho):
    """Share of each host of each cell, hosts of a column having one luck."""
    return clustered.by_share(rng, truth, HOSTS, rho) if rho else np.repeat(truth[..., None], HOSTS, -1)


def _widths(k, n, rho):
    """Half-widths of the intervals of cells with n trials, spread evenly over the hosts."""
    trials = n / recovery.design_effect(np.stack([n / HOSTS] * HOSTS, -1), rho)
    lower, upper = intervals.interval(trials * k / n, trials, LEVEL)
    return (upper - lower) / 2


def _drawn(rng, chance, more):
    """Detections of so many more trials of each cell, spread evenly over its hosts."""
    each = more[..., None] // HOSTS + (np.arange(HOSTS) < more[..., None] % HOSTS)
    return rng.binomial(each, chance).sum(-1)


def even(seed, name, rho, trials=200):
    """Largest half-width of a grid with so many trials in each cell, and its trials."""
    rng = np.random.default_rng([seed, 1])
    truth = truths(seed, name)
    chance = _chances(np.random.default_rng([seed, 7]), truth, rho)
    n = np.full(CELLS, trials)
    return float(_widths(_drawn(rng, chance, n), n, rho).max()), int(n.sum())


def adaptive(seed, name, rho, half_width):
    """Largest half-width, trials and rounds of a grid that is filled until that half-width."""
    rng = np.random.default_rng([seed, 2])
    truth = truths(seed, name)
    chance = _chances(np.random.default_rng([seed, 7]), truth, rho)
    n = np.full(CELLS, _FIRST)
    k = _drawn(rng, chance, n)
    for rounds in range(1, _ROUNDS):  # noqa: B007
        width = _widths(k, n, rho)
        if width.max() <= half_width:
            break
        more, _ = allocation.allocate(k, n, rho, HOSTS, 1.0, half_width, LEVEL, 10**9)
        more = np.where(width > half_width, np.maximum(more, 2), 0)  # what the rule takes for enough and is not
        k, n = k + _drawn(rng, chance, more), n + more
    return float(_widths(k, n, rho).max()), int(n.sum()), rounds
