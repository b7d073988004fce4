"""Selection functions small enough to count by hand, and trials with densities."""

import clustered
import numpy as np
import pandas as pd
from scipy.special import expit

import lenscal as lc
from lenscal import completeness, config

EDGES = {"theta_e": [0.5, 1.0, 1.5, 2.0], "seeing": [1.0, 1.2, 1.4]}
SETTINGS = lc.config.Completeness(trials_min=20, hosts_min=5)


def chance(theta_e, luck=0.0):
    """What is found: steep in theta_e."""
    return expit(4 * (np.asarray(theta_e) - 1.3) + luck)


def table(n=6000, hosts=300, seed=1, luck=0.0, detector=0.0):
    """Trials drawn evenly in theta_e on hosts with a seeing and a luck of their own; `detector` moves what is found, of
    the same trials.
    """
    rng = np.random.default_rng(seed)
    host = rng.integers(0, hosts, n)
    out = pd.DataFrame({"theta_e": rng.uniform(0.5, 2.0, n), "host": host, "id": np.arange(n) + 10**6})
    out["seeing"] = rng.uniform(1.0, 1.4, hosts)[host]
    own = luck * rng.standard_normal(hosts)[host]
    out["found"] = (rng.random(n) < chance(out["theta_e"] + detector, own)).astype(float)
    out["log_density"] = -np.log(1.5)
    return out


def selection(**changes):
    """The selection function of such trials."""
    return of_table(table(**changes))


def of_table(trials, **options):
    known = {"density": "log_density", "id": "id", "settings": SETTINGS} | options
    return lc.SelectionFunction.from_table(trials, EDGES, **known)


def assert_covers(inside, level, points=0.02):
    """The share inside is the level within so many points and three standard errors of this simulation."""
    error = np.sqrt(level * (1 - level) / np.size(inside))
    assert abs(np.mean(inside) - level) < points + 3 * error, f"{np.mean(inside):.3f} of {level}"


def run_cube(hosts="bb 0.3", trials="even", shape=(5, 3, 2), seed=1):
    """The cube of a run with areas, and its truths."""
    rng = np.random.default_rng(seed)
    truth, n, k = clustered.drawn(rng, clustered.steep, hosts, trials, (shape[0], shape[1] * shape[2], 1))
    cube = completeness.posterior(clustered.counted(n, k[:, :, 0], shape[1:]), config.Completeness())
    area = rng.lognormal(0, 1, shape[1:])
    names = ("psf_fwhm", "depth")
    cube = cube.assign(area=(names, area), host_pool=(names, (10 * area).astype(int) + 1))
    return cube.assign_attrs(area_total=1.2 * area.sum(), area_inside=area.sum()), truth[..., 0].reshape(shape), area
