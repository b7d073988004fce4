"""Scores of cutouts and injections by the frozen detector, and the thresholds they set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, leaks, schema
from lenscal.errors import InputError
from lenscal.gates import Gate, absent
from lenscal.kernels import intervals
from lenscal.kernels.ranking import auc

if TYPE_CHECKING:
    from lenscal.detector.protocol import Detector

MORE_THAN_CHANCE = float(np.nextafter(0.5, 1))


def score_cutouts(cutouts: xr.Dataset, quality: xr.Dataset, frozen: Detector) -> xr.Dataset:
    """Score of every cutout; NaN where `cutout_ok` is false or the detector sees no pixel.

    Parameters
    ----------
    cutouts : Dataset (galaxy, band, y, x)
        As `schema.CUTOUTS`.
    quality : Dataset (galaxy)
        galaxy_id, cutout_ok and arc_snr, row by row those of the cutouts.
    frozen : Detector

    Returns
    -------
    Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`, with the attribute `detector_hash`.

    Raises
    ------
    ValueError
        When rows, units or bands do not fit.
    """
    _check(cutouts, "image", schema.CUTOUTS)
    ids, other = cutouts["galaxy_id"].values, quality["galaxy_id"].values
    if not np.array_equal(ids, other):
        raise InputError(
            f"scores: quality has {other.size} rows that are not, row by row, the {ids.size} of the "
            "cutouts; open both from one run"
        )
    ok = quality["cutout_ok"].values.astype(bool)
    image = cutouts["image"].transpose("galaxy", "band", "y", "x")
    score = np.full(ids.size, np.nan, np.float32)
    rows = np.flatnonzero(ok)
    if rows.size:
        score[rows] = frozen.score(image.isel(galaxy=rows, band=_bands(cutouts, frozen)).values)
    own = [name for name in schema.GALAXY_COORDS if name in cutouts.variables]
    dataset = xr.Dataset(
        {
            "cutout_ok": ("galaxy", ok),
            "arc_snr": ("galaxy", quality["arc_snr"].values.astype(np.float32)),
            "score": ("galaxy", score),
            "probability": ("galaxy", frozen.probability(score)),
        },
        coords={name: cutouts[name].variable for name in own},
        attrs={"detector_hash": frozen.hash},
    )
    return schema.SCORES_CUTOUTS.describe(dataset)


def score_injections(
    injections: xr.Dataset, images: Callable[[xr.Dataset], np.ndarray], frozen: Detector, batch: int = 128
) -> xr.Dataset:
    """Score of every injection of a block; NaN where the trial has no image.

    Parameters
    ----------
    injections : Dataset (theta_e, psf_fwhm, depth, trial)
        As `schema.INJECTIONS`: galaxy_id, failure and band are read.
    images : callable
        From the block to its images (injection, band, y, x) in nanomaggy, the grid axes and trial stacked in that
        order.
    frozen : Detector
    batch : int
        Images scored at once; changes no score.

    Returns
    -------
    Dataset (theta_e, psf_fwhm, depth, trial)
        As `schema.SCORES_INJECTIONS`, with the attribute `detector_hash`.
    """
    _check(injections, "failure", schema.INJECTIONS)
    shape = tuple(injections.sizes[dim] for dim in schema.TRIAL)
    count = int(np.prod(shape))
    failure = injections["failure"].transpose(*schema.TRIAL).values.astype(object).ravel()
    good = np.flatnonzero(failure == "")
    score = np.full(count, np.nan, np.float32)
    if good.size:
        rendered = images(injections)
        if len(rendered) != count:
            raise InputError(
                f"scores: {len(rendered)} images for a block of {count} injections; expected one each, in stacked order"
            )
        bands = _bands(injections, frozen)
        for first in range(0, good.size, 1024):
            some = good[first : first + 1024]
            score[some] = frozen.score(rendered[some][:, bands], batch)
        if unseen := int(np.isnan(score[good]).sum()):
            raise InputError(
                f"scores: {unseen} injections without a failure have no pixel in some band; expected "
                "whole images, check the hosts"
            )
    dataset = xr.Dataset(
        {
            "galaxy_id": injections["galaxy_id"].transpose(*schema.TRIAL).variable,
            "score": (schema.TRIAL, score.reshape(shape)),
            "probability": (schema.TRIAL, frozen.probability(score).reshape(shape)),
        },
        coords={name: injections[name].variable for name in schema.AXES},
        attrs={"detector_hash": frozen.hash},
    )
    return schema.SCORES_INJECTIONS.describe(dataset)


def _check(dataset: xr.Dataset, name: str, declaration: schema.Declaration) -> None:
    problems = []
    for wanted in (name, "galaxy_id", "band"):
        if wanted not in dataset.variables:
            problems.append(f"'{wanted}' is missing")
        elif problem := declaration.variables[wanted].problem(wanted, dataset[wanted]):
            problems.append(problem)
    if problems:
        raise schema.SchemaError(f"{declaration.name}: " + "; ".join(problems))


def _bands(dataset: xr.Dataset, frozen: Detector) -> list[int]:
    """Positions of the detector's bands among those of the data."""
    bands = [str(band) for band in dataset["band"].values]
    if missing := [band for band in frozen.bands if band not in bands]:
        raise InputError(
            f"scores: the detector needs bands {list(frozen.bands)}; the images hold {bands}, {missing} missing"
        )
    return [bands.index(band) for band in frozen.bands]


def thresholds(scores: xr.Dataset, false_positive_rates: Sequence[float]) -> xr.Dataset:
    """The lowest score at which no more than each rate of the validation negatives would be called a lens.

    The negatives are the scored ones of the split val, pools N1 and N2 as sampled (85:15 by default), each counted
    once: the rate is one of this mixture, not of the sky. A detection is a score at or above the threshold, and the
    threshold is itself the score of a negative; equal scores stay together, so that the rate reached can be below the
    one asked for.

    Parameters
    ----------
    scores : Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`.
    false_positive_rates : sequence of float
        In (0, 1).

    Returns
    -------
    Dataset (threshold, level)
        Coordinates threshold, false_positive_rate (reached: n_false / n_negatives) and level; rate_requested, n_false,
        n_negatives, and `lower` and `upper` of the rate (exact for a threshold set at its own n_false-th negative, at
        68.27 % and 95 %).

    Raises
    ------
    ValueError
        When the negatives are too few for a rate.
    """
    schema.SCORES_CUTOUTS.check(scores)
    table = _table(scores)
    chosen = table[(table["split"] == "val") & table["negative"] & np.isfinite(table["score"])]
    values = np.sort(chosen["score"].to_numpy())[::-1]
    rows = []
    for rate in false_positive_rates:
        if not 0 < rate < 1:
            raise InputError(f"false_positive_rates holds {rate}; expected numbers between 0 and 1")
        allowed = int(np.floor(values.size * rate * (1 + 1e-12)))
        if allowed < 1:
            raise InputError(
                f"a false-positive rate of {rate:g} cannot be set with {values.size} validation negatives: it needs "
                f"at least {int(np.ceil(1 / rate))}; ask for a higher rate or enlarge the sample"
            )
        threshold, n_false = _cut(values, allowed)
        ends = [tuple(map(float, intervals.rate_interval(n_false, values.size, level))) for level in schema.LEVELS]
        rows.append((threshold, rate, n_false, ends))
    lower_upper = np.array([row[3] for row in rows])
    pools = chosen["pool"].value_counts().to_dict()
    return xr.Dataset(
        {
            "rate_requested": ("threshold", [row[1] for row in rows], {"units": "1"}),
            "n_false": ("threshold", np.array([row[2] for row in rows], np.int64), {"units": "1"}),
            "n_negatives": ("threshold", np.full(len(rows), values.size, np.int64), {"units": "1"}),
            "lower": (("threshold", "level"), lower_upper[:, :, 0], {"units": "1"}),
            "upper": (("threshold", "level"), lower_upper[:, :, 1], {"units": "1"}),
        },
        coords={
            "threshold": ("threshold", np.array([row[0] for row in rows]), {"units": "1", "long_name": "score"}),
            "false_positive_rate": ("threshold", np.array([row[2] / values.size for row in rows]), {"units": "1"}),
            "level": ("level", np.array(schema.LEVELS), {"units": "1"}),
        },
        attrs={
            "negatives": "scored negatives of the split val, pools as sampled",
            "n_N1": int(pools.get("N1", 0)),
            "n_N2": int(pools.get("N2", 0)),
            "detector_hash": str(scores.attrs.get("detector_hash", "")),
        },
    )


def _cut(values: np.ndarray, allowed: int) -> tuple[float, int]:
    """Lowest threshold with at most `allowed` of the descending values at or above it, and their number."""
    kept = allowed
    if allowed < values.size and values[allowed] == values[allowed - 1]:
        kept = int(np.count_nonzero(values > values[allowed]))
    if kept == 0:
        return float(np.nextafter(values[0], np.inf, dtype=values.dtype)), 0
    return float(values[kept - 1]), kept


def _table(scores: xr.Dataset) -> pd.DataFrame:
    names = ("galaxy_id", "ra", "dec", "split", "pool", "role", "label", "host", "cutout_ok", "arc_snr", "score")
    columns = {name: scores[name].values for name in names}
    table = pd.DataFrame({name: v.astype(object) if v.dtype.kind in "OTU" else v for name, v in columns.items()})
    table["negative"] = (table["label"] == 0) & table["pool"].isin(["N1", "N2"])
    return table


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
        The detector that made the scores.
    hosts : iterable of int, optional
        galaxy_id of every galaxy that carries an injection; all that may carry one by default.
    """
    schema.SCORES_CUTOUTS.check(scores)
    table = _table(scores)
    found = [_hash_gate(scores, frozen), _complete_gate(table)]
    trained = leaks.trained(table, scores.attrs, frozen, own=history is not None)
    found += leaks.gates(table, trained, hosts, frozen.settings["training"].get("arc_snr_min", 0))
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


def _complete_gate(table: pd.DataFrame) -> Gate:
    usable = table["cutout_ok"].astype(bool)
    finite = np.isfinite(table["score"])
    wrong = int((usable & ~finite).sum() + (~usable & finite).sum())
    return Gate(
        "scores.complete",
        "a cutout has a score if and only if it is fit for use",
        "rows where not",
        wrong,
        maximum=0,
        critical=True,
        evidence=f"{len(table)} cutouts, {int(usable.sum())} usable, {int(finite.sum())} scored",
    )


def _training_gates(history: pd.DataFrame | None, frozen: Detector) -> list[Gate]:
    learnt, kept = "the detector learnt something", "the weights kept are those of the best epoch"
    if history is None:
        why = "the detector was brought by the run file; its training is not part of this run"
        return [absent("detector.learnt", learnt, why), absent("detector.kept", kept, why)]
    record, best = frozen.record, float(history["val_loss"].min())
    return [
        Gate(
            "detector.learnt",
            learnt,
            "validation loss over that of the best constant answer",
            best / record["val_loss_constant"],
            maximum=1,
            evidence=f"history: min(val_loss) = {best:.4g} at epoch {record['best_epoch']} of {len(history)}",
        ),
        Gate(
            "detector.kept",
            kept,
            "validation loss recorded in the artifact above the lowest of the history",
            record["val_loss"] - best,
            minimum=0,
            maximum=0,
            critical=True,
            evidence="detector.json: training.val_loss against history: min(val_loss)",
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
    quality = frozen.reliability(score[judged], positive[judged])
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
        Gate(
            "detector.calibration",
            calibrated,
            "expected calibration error, 10 bins of equal mass, at a prevalence of "
            f"{getattr(frozen, 'prevalence', config.Detector().prevalence):.3g}",
            quality["ece"],
            maximum=0.02,
            evidence=f"top bin: {quality['top_predicted']:.4f} predicted, {quality['top_observed']:.4f} observed; "
            f"mean probability of lenses {quality['positive_mean']:.3f}; {counts}",
        ),
    ]
