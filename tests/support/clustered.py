"""Hosts whose trials are alike in known ways: detections drawn from truths that no prior made, vectorised over cubes.

Everything has the axes (theta_e, column, cube) and, host by host, a fourth. Columns and cubes have hosts of their own;
a host's luck, a number in (0, 1), is the same at all theta_e unless the setting says otherwise.
"""

import numpy as np
from scipy.special import betaincinv, expit, ndtri

TRIALS = {
    "even": np.bincount(np.arange(200) % 35),
    "thirty": np.bincount(np.arange(200) % 30),
    "zipf": np.bincount(
        np.searchsorted(np.cumsum(1 / np.arange(1, 31)) / np.sum(1 / np.arange(1, 31)), (np.arange(200) + 0.5) / 200),
        minlength=30,
    ),
    "uneven": np.bincount(
        np.searchsorted(
            np.cumsum(np.arange(1, 41) ** -0.5) / np.sum(np.arange(1, 41) ** -0.5), (np.arange(200) + 0.5) / 200
        ),
        minlength=40,
    ),
    "two sizes": np.repeat([2, 16], [20, 10]),
    "24 on 3": np.full(3, 8),
    "48 on 6": np.full(6, 8),
    "60 on 10": np.full(10, 6),
    "100 on 15": np.bincount(np.arange(100) % 15),
    "200 hosts": np.ones(200, int),
}
"""Trials of each host of a cell."""


def uniform(rng, shape):
    """Truths that follow nothing."""
    return rng.uniform(0, 1, shape)


def steep(rng, shape, low=0.01, high=0.7):
    """Completeness that rises along theta_e, a little elsewhere in each column."""
    theta_e = np.linspace(0.5, 3, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return low + (high - low) * expit((theta_e - 1.6 - 0.25 * rng.normal(size=(1, *shape[1:]))) / 0.22)


def by_share(rng, truth, hosts, rho):
    """Shares of beta-binomial hosts with the intra-host correlation rho, a number or one for each theta_e."""
    rho = np.broadcast_to(np.reshape(rho, (-1, *[1] * (truth.ndim - 1))), truth.shape)[..., None]
    luck = np.broadcast_to(rng.random((*truth.shape[1:], hosts)), (*truth.shape, hosts))
    strength = (1 - rho) / np.maximum(rho, 1e-9)
    with np.errstate(all="ignore"):
        own = betaincinv(truth[..., None] * strength, (1 - truth[..., None]) * strength, luck)
    return np.where(rho > 0, np.where(np.isfinite(own), own, truth[..., None]), truth[..., None])


def anew(rng, truth, hosts, rho):
    """The same hosts with other luck at each theta_e."""
    strength = (1 - rho) / rho
    shapes = np.maximum(strength * np.stack([truth, 1 - truth])[..., None], 1e-300)
    return np.nan_to_num(rng.beta(*shapes, (*truth.shape, hosts)))


def by_logit(rng, truth, hosts, width, flips=False):
    """A normal effect on the logit, its mean share kept; `flips`: it changes sign half way up theta_e."""
    node, weight = np.polynomial.hermite_e.hermegauss(41)
    grid = np.linspace(-30, 30, 4001)
    mean = expit(grid[:, None] + width * node) @ (weight / weight.sum())
    centre = np.interp(truth, mean, grid)
    sign = np.where(np.arange(len(truth)) < len(truth) / 2, 1, -1 if flips else 1).reshape(-1, *[1] * (truth.ndim - 1))
    effect = width * ndtri(rng.random((1, *truth.shape[1:], hosts)))
    return expit(centre[..., None] + sign[..., None] * effect)


def logit_width(rho):
    """Width on the logit that makes the intra-host correlation rho at a share of one half."""
    node, weight = np.polynomial.hermite_e.hermegauss(81)
    widths = np.linspace(0.01, 8, 800)
    variance = (expit(widths[:, None] * node) - 0.5) ** 2 @ (weight / weight.sum())
    return float(np.interp(rho, variance / 0.25, widths))


HOSTS = {
    "bb 0": lambda rng, truth, n: np.repeat(truth[..., None], n, -1),
    "bb 0.1": lambda rng, truth, n: by_share(rng, truth, n, 0.1),
    "bb 0.3": lambda rng, truth, n: by_share(rng, truth, n, 0.3),
    "anew 0.3": lambda rng, truth, n: anew(rng, truth, n, 0.3),
    "logit 0.1": lambda rng, truth, n: by_logit(rng, truth, n, logit_width(0.1)),
    "logit 0.3": lambda rng, truth, n: by_logit(rng, truth, n, logit_width(0.3)),
    "flips": lambda rng, truth, n: by_logit(rng, truth, n, logit_width(0.3), flips=True),
    "rises": lambda rng, truth, n: by_share(rng, truth, n, np.linspace(0, 0.4, len(truth))),
    "falls": lambda rng, truth, n: by_share(rng, truth, n, np.linspace(0.4, 0, len(truth))),
    "columns differ": lambda rng, truth, n: np.concatenate(
        [HOSTS[("bb 0", "bb 0.1", "bb 0.3")[i % 3]](rng, truth[:, [i]], n) for i in range(truth.shape[1])], 1
    ),
}
"""Shares of the hosts of each cell."""


def drawn(rng, truths, hosts, trials, shape):
    """Truths (theta_e, column, cube), trials (host,) and detections (theta_e, column, cube, host)."""
    truth, n = truths(rng, shape), TRIALS[trials]
    return truth, n, rng.binomial(n, HOSTS[hosts](rng, truth, n.size))


def counted(trials, detected, shape):
    """The counts of one cube, as `completeness.count` makes them.

    `trials` (host,) of every cell, `detected` (theta_e, column, host); `shape` is that of seeing and depth, whose
    product is the columns.
    """
    import xarray as xr

    from lenscal import schema

    n_theta, columns, hosts = detected.shape
    seeing, depth = 1 + 0.1 * np.arange(shape[0]), 22 + 0.5 * np.arange(shape[1])
    place = [grid.ravel().repeat(hosts) for grid in np.meshgrid(seeing, depth, indexing="ij")]
    cell = (n_theta, *shape)
    data = {
        "n_injected": (schema.CELL, np.full(cell, trials.sum())),
        "n_failed": (schema.CELL, np.zeros(cell, int)),
        "n_hosts": (schema.CELL, np.full(cell, (trials > 0).sum())),
        "n_detected": ((*schema.CELL, "threshold"), detected.sum(-1).reshape(*cell, 1)),
        "host_injected": (("theta_e", "host"), np.broadcast_to(np.tile(trials, columns), (n_theta, columns * hosts))),
        "host_detected": (("theta_e", "threshold", "host"), detected.reshape(n_theta, 1, columns * hosts)),
    }
    coords = {
        "theta_e": 0.5 + 0.25 * np.arange(n_theta),
        "psf_fwhm": seeing,
        "depth": depth,
        "threshold": [0.0],
        "false_positive_rate": ("threshold", [0.01]),
    }
    coords |= {
        "host_id": ("host", np.arange(columns * hosts)),
        "host_psf_fwhm": ("host", place[0]),
        "host_depth": ("host", place[1]),
    }
    return schema.COMPLETENESS.describe(xr.Dataset(data, coords, {"detector_hash": "ab" * 32}))


def design(trials, detected):
    """Design effect and its relative scatter (theta_e, column, cube) and freedom of many cubes at once: what
    `completeness.posterior` does with one.
    """
    from lenscal.kernels import likeness, recovery

    sums = likeness.levelled(likeness.pair_sums(trials, detected), trials, detected)
    rho = recovery.correlation(likeness.PairSums(*(np.swapaxes(part, 0, 1) for part in sums)))
    effect = np.broadcast_to(recovery.design_effect(trials, rho[:, None]), detected.shape[:-1])
    square = likeness.scatter(
        *(part.sum(0) for part in recovery.halves(trials, detected, np.broadcast_to(rho[:, None], effect.shape)))
    )
    slope = float(recovery.design_effect(trials, 1.0)) - 1
    return (
        effect,
        np.where(effect > 1, square * (slope / effect) ** 2, 0),
        detected.shape[1] * (float(recovery.hosts_effective(trials)) - 1),
    )
