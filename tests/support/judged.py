"""Scored cutouts whose true probabilities are known, stamps with an arc, and scores before and after a change."""

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scored import scored, text

from lenscal import config, scores
from lenscal.scores import counterfactuals

PREVALENCE = 0.05
SETTINGS = config.Scores(resamples=200)
EDGES = {"seeing": [1.0, 1.3, 1.6], "depth": [23.0, 24.0]}
TERMS = scores.Terms(SETTINGS, PREVALENCE, EDGES, 1)
APART = 2.0
FACTS = pd.DataFrame({"channel": pd.Series(dtype=str)}, index=pd.Index([], name="galaxy_id", dtype="int64"))


def truth(score, offset=0.0):
    """The true probability of a normal score, or one that is off."""
    return expit(APART * np.asarray(score, float) - APART**2 / 2 + logit(PREVALENCE) + offset)


def run(lenses=60, others=400, seed=1, offset=0.0, splits=("val", "test")):
    """Scored cutouts of two splits whose probabilities are true, but for an offset of the logit."""
    rng = np.random.default_rng(seed)
    label = np.tile(np.repeat([1, 0], [lenses, others]), len(splits))
    split = np.repeat(splits, lenses + others)
    value = rng.normal(APART * label, 1)
    pool = np.where(label == 1, "positive", np.where(rng.random(label.size) < 0.85, "N1", "N2"))
    role = np.where(label == 1, "anchor", "none")
    found = scored(value, split, label, role=role, pool=pool)
    n = label.size
    return found.assign(
        probability=("galaxy", truth(found["score"], offset).astype("f4"), {"units": "1"})
    ).assign_coords(
        psfsize_r=("galaxy", rng.uniform(1, 1.6, n).astype("f4"), {"units": "arcsec"}),
        psfdepth_r=("galaxy", rng.uniform(23, 24, n).astype("f4"), {"units": "mag(AB)"}),
        mag_r=("galaxy", rng.uniform(17, 20, n).astype("f4"), {"units": "mag(AB)"}),
        type=("galaxy", text(rng.choice(["DEV", "SER"], n))),
        tier=("galaxy", text(np.where(label == 1, rng.choice(["literature", "A", "B"], n), ""))),
        nobs_z_bin=("galaxy", text(rng.choice(["3-5", "6-10"], n))),
    )


def stamps(n, where, seed=7):
    """Images (n, 3, 61, 61) with noise and a galaxy; half have a blob at this radius, arcsec."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:61, :61] - 30
    positive = np.arange(n) % 3 == 0
    angle = rng.uniform(0, 2 * np.pi, n)
    images = rng.normal(size=(n, 3, 61, 61)) + 30 * np.exp(-0.5 * (np.hypot(y, x) / 2) ** 2) * rng.uniform(
        0.5, 2, (n, 1, 1, 1)
    )
    for row in np.flatnonzero(positive):
        far = np.hypot(y - where / 0.262 * np.sin(angle[row]), x - where / 0.262 * np.cos(angle[row]))
        images[row] += 12 * np.exp(-0.5 * far**2)
    return images, positive


def pairs(shift, n=60, seed=9, name=counterfactuals.ARC):
    rng = np.random.default_rng(seed)
    before = rng.normal(1, 1, n)
    return counterfactuals.Counterfactual(name, "", before, before + shift + rng.normal(0, 0.3, n))
