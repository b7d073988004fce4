"""What several test modules build on; taken by those of `test_scores.py` first."""

import numpy as np
import xarray as xr
from scipy.special import expit

from lenscal import schema
from lenscal.detector import calibration


class Mean:
    """Scores a stamp by the mean of its r band: what a frozen detector offers, in five lines."""

    bands, size, hash = ("r", "g"), 8, "ab" * 32

    def __init__(self):
        self.training_ids = np.arange(5)
        self.settings = {"training": {"arc_snr_min": 3.0}}
        self.record = {"val_loss": 0.2, "val_loss_constant": 0.5, "best_epoch": 2}

    def score(self, images, batch=128):
        assert images.shape[1] == 2
        return images[:, 0].mean((1, 2), dtype=np.float64).astype("f4")

    def probability(self, logits):
        return expit(logits).astype("f4")

    def reliability(self, logits, labels):
        return calibration.reliability(expit(logits - np.log(100)), labels)


def text(values):
    return np.array(values, dtype=object)


def coordinates(n):
    columns = {}
    for name, variable in schema.GALAXY_COORDS.items():
        values = text([""] * n) if variable.dtype == "str" else np.zeros(n, variable.dtype)
        columns[name] = ("galaxy", values, {} if variable.dtype == "str" else {"units": variable.units})
    columns["galaxy_id"] = ("galaxy", np.arange(n), {"units": "1"})
    return columns


def scored(score, split, label, role=None, pool=None, ids=None, ra=None):
    n = len(score)
    columns = coordinates(n)
    label = np.broadcast_to(np.asarray(label, "i1"), n)
    columns |= {
        "split": ("galaxy", text(np.broadcast_to(split, n))),
        "label": ("galaxy", label, {"units": "1"}),
        "role": ("galaxy", text(["none"] * n if role is None else role)),
        "pool": ("galaxy", text(np.where(label == 1, "positive", "N1") if pool is None else pool)),
        "ra": ("galaxy", np.arange(n) * 0.1 if ra is None else np.asarray(ra), {"units": "degree"}),
    }
    if ids is not None:
        columns["galaxy_id"] = ("galaxy", np.asarray(ids), {"units": "1"})
    score = np.asarray(score, "f4")
    values = {
        "score": score,
        "probability": expit(score),
        "cutout_ok": np.isfinite(score),
        "arc_snr": np.full(score.size, 8, "f4"),
    }
    data = {name: ("galaxy", v) for name, v in values.items()}
    return schema.SCORES_CUTOUTS.describe(xr.Dataset(data, columns, {"detector_hash": Mean.hash}))
