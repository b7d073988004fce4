"""Gates: what must hold of the detector and its scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, leaks, schema
from lenscal.detector import calibration
from lenscal.gates import Gate, absent
from lenscal.kernels.ranking import auc
from lenscal.scores import rows

if TYPE_CHECKING:
    from lenscal.detector.protocol import Detector

MORE_THAN_CHANCE = float(np.nextafter(0.5, 1))
ECE_MAX = 0.02
"""Largest expected calibration error with which probabilities hold."""


def gates(
    scores: xr.Dataset, history: pd.DataFrame | None, frozen: Detector, hosts: Iterable[int] | None = None
) -> list[Gate]:
    """What must hold of the detector and its scores.

    Parameters
    ----------
    scores : Dataset (galaxy)
        All of `schema.SCORES_CUTOUTS`, in memory.
    history : DataFrame or None
        Of the training; None when the detector was brought by the run file.
    frozen : Detector
        The detector that made the scores. Beyond the protocol it may say `prevalence`, `reliability`, `settings`,
        `record`, `survey`, `training_ids` and `training_positions`; what it does not say is not judged.
    hosts : iterable of int, optional
        galaxy_id of every galaxy that carries an injection; all that may carry one by default.
    """
    schema.SCORES_CUTOUTS.check(scores)
    table = rows.table(scores)
    found = [_hash_gate(scores, frozen), _complete_gate(table, float(scores.attrs.get("missing_max", 0)))]
    trained = leaks.trained(table, scores.attrs, frozen, own=history is not None)
    found += leaks.gates(table, trained, hosts, leaks.arc_snr_min(frozen))
    found += _training_gates(history, frozen)
    return found + _test_gates(table, frozen)


def _hash_gate(scores: xr.Dataset, frozen: Detector) -> Gate:
    carried = str(scores.attrs.get("detector_hash", ""))
    return Gate(
        "scores.hash",
        "the scores carry the hash of the frozen detector (4.9)",
        "hashes equal",
        float(carried == frozen.hash),
        minimum=1,
        critical=True,
        evidence=f"scores: detector_hash '{carried}', detector.json: hash '{frozen.hash}'",
    )


def _complete_gate(table: pd.DataFrame, missing_max: float) -> Gate:
    usable = table["cutout_ok"].astype(bool)
    finite = np.isfinite(table["score"])
    wrong = int((usable & ~finite).sum() + (~usable & finite).sum())
    return Gate(
        "scores.complete",
        "a cutout has a score if and only if it is fit for use",
        "rows where not",
        wrong,
        maximum=int(missing_max * usable.sum()),
        critical=True,
        evidence=f"{len(table)} cutouts, {int(usable.sum())} usable, {int(finite.sum())} scored",
    )


def _training_gates(history: pd.DataFrame | None, frozen: Detector) -> list[Gate]:
    learnt, kept = "the detector learnt something", "the weights kept are those of the best epoch"
    if history is None:
        why = "the detector was brought by the run file; its training is not part of this run"
        return [absent("detector.learnt", learnt, why), absent("detector.kept", kept, why)]
    record, best = getattr(frozen, "record", None) or {}, float(history["val_loss"].min())
    missing = [name for name in ("val_loss", "val_loss_constant", "best_epoch") if name not in record]
    cannot = f"the detector keeps no {', '.join(missing)} of its training (its `record`)" if missing else ""
    lost = {name: float(record.get(name, np.nan)) for name in ("val_loss", "val_loss_constant")}
    return [
        Gate(
            "detector.learnt",
            learnt,
            "validation loss over that of the best constant answer",
            best / lost["val_loss_constant"],
            maximum=1,
            evidence=f"history: min(val_loss) = {best:.4g} at epoch {record.get('best_epoch')} of {len(history)}",
            cannot=cannot,
        ),
        Gate(
            "detector.kept",
            kept,
            "validation loss recorded in the artifact above the lowest of the history",
            lost["val_loss"] - best,
            minimum=0,
            maximum=0,
            critical=True,
            evidence="detector.json: training.val_loss against history: min(val_loss)",
            cannot=cannot,
        ),
    ]


def _test_gates(table: pd.DataFrame, frozen: Detector) -> list[Gate]:
    test = table[(table["split"] == "test") & np.isfinite(table["score"])]
    score, positive = test["score"].to_numpy(np.float64), (test["label"] == 1).to_numpy()
    negative = test["negative"].to_numpy()
    ranks, calibrated = "lenses of the test split score above its negatives", "probabilities hold on the test split"
    if not positive.any() or not negative.any():
        why = f"{int(positive.sum())} scored lenses and {int(negative.sum())} scored negatives in the split test"
        return [absent("detector.auc", ranks, why), absent("detector.calibration", calibrated, why)]
    value, lower, upper = auc(score[positive], score[negative])
    counts = f"{int(positive.sum())} lenses, {int(negative.sum())} negatives (N1 and N2)"
    judged = positive | negative
    return [
        Gate(
            "detector.auc",
            ranks,
            "lower 95 % end of the AUC, test split",
            lower,
            minimum=MORE_THAN_CHANCE,
            lower=lower,
            upper=upper,
            evidence=(
                f"AUC {value:.4f}, must be above 0.5; single split, DeLong on the logit scale with half a lens added "
                f"at the median; {counts}; scores where split = 'test'"
            ),
        ),
        _calibration_gate(calibrated, score[judged], positive[judged], frozen, counts),
    ]


def _calibration_gate(claim: str, score: np.ndarray, positive: np.ndarray, frozen: Detector, counts: str) -> Gate:
    prevalence = getattr(frozen, "prevalence", None)
    at = config.Detector().prevalence if prevalence is None else float(prevalence)
    measure = f"expected calibration error, 10 bins of equal mass, at a prevalence of {at:.3g}"
    own = getattr(frozen, "reliability", None)
    if own is None and prevalence is None:
        why = "the detector does not say at which share of lenses its probabilities hold (its `prevalence`)"
        return Gate("detector.calibration", claim, measure, np.nan, maximum=ECE_MAX, cannot=why)
    if own is not None:
        quality = own(score, positive)
    else:
        chance = np.asarray(frozen.probability(score), np.float64)
        if not np.isfinite(chance).all():
            why = f"{int((~np.isfinite(chance)).sum())} of {chance.size} scores have no probability"
            return Gate("detector.calibration", claim, measure, np.nan, maximum=ECE_MAX, cannot=why)
        quality = calibration.reliability(chance, positive, at)
    return Gate(
        "detector.calibration",
        claim,
        measure,
        quality["ece"],
        maximum=ECE_MAX,
        evidence=f"top bin: {quality['top_predicted']:.4f} predicted, {quality['top_observed']:.4f} observed; "
        f"mean probability of lenses {quality['positive_mean']:.3f}; {counts}",
    )
