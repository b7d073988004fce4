"""Selection functions small enough to count by hand, and trials with densities."""

import numpy as np
import pandas as pd
from scipy.special import expit

import lenscal as lc

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
