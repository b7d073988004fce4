"""Training on real cutouts: weighted loss, cosine schedule, early stopping on the spatial validation split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.special import expit

import lenscal
from lenscal import config, schema
from lenscal.detector import architectures, batches, calibration, network
from lenscal.detector.fitting import Checkpoint, Fit, Progress, deterministic, device_of
from lenscal.detector.frozen import FORMAT, Frozen, pack_ids, pack_positions, threads
from lenscal.detector.preprocessing import SOFTENING, Preprocessing, robust_sigma
from lenscal.errors import InputError
from lenscal.kernels import draws

THREADS = 2  # fixed: sums over threads round differently for every number of them
_MEASURED = ("cutout_ok", "arc_snr")  # of quality
SCALE_ROWS = 512  # training negatives that set the scales of the stretch


def train(
    cutouts: xr.Dataset,
    settings: config.Detector,
    seed: int,
    progress: Progress | None = None,
    initial: Mapping[str, torch.Tensor] | None = None,
    checkpoint: Checkpoint | None = None,
    folder: Path | None = None,
) -> tuple[Frozen, pd.DataFrame]:
    """A frozen detector and the history of its training.

    Trained on usable rows of the split train: negatives of the pools N1 and N2, and positives of role "train" whose arc
    is seen; never on an anchor. The weights kept are those of the epoch with the lowest loss on the validation split,
    which also sets the calibration. The test split is not read.

    Parameters
    ----------
    cutouts : Dataset (galaxy, band, y, x)
        `image` in nanomaggy, may be lazy (only the rows in use are read); galaxy_id, split, label, weight, target,
        role, pool, cutout_ok and arc_snr.
    settings : config.Detector
    seed : int
        Of the run. The same cutouts, settings and seed give the same bytes on one kind of processor.
    progress : callable, optional
        Called after each epoch with its number (from 1), the number of epochs and its measures; before the first, as
        epoch 0, with how many images are read, with the balance of classes and tiers, and with how much faster a step
        is in bfloat16 where that was measured.
    initial : mapping of name to tensor, optional
        Published weights to start from, see `network.start_from`.
    checkpoint : Checkpoint, optional
        Written after each epoch; a training that was stopped goes on from it, with the bytes of one that was not.
    folder : Path, optional
        Where images that are too many for memory are put while it works; the system's for temporary files by default.

    Returns
    -------
    Frozen, DataFrame
        One row per epoch: epoch, train_loss, val_loss, val_auc, learning_rate. `attrs` holds every count and cap.

    Raises
    ------
    ValueError
        When the cutouts lack a variable, a class or pixels.
    """
    table, image = _sample(cutouts, settings)
    choice = settings.training
    selection = batches.select(table, choice, seed)
    plans = [batches.draw_epoch(table, selection, epoch, choice, seed) for epoch in range(choice.epochs)]
    used = np.unique(np.concatenate([selection.val, *(plan["row"].to_numpy() for plan in plans)]))
    say = (lambda values: None) if progress is None else (lambda values: progress(0, choice.epochs, values))
    pixels = batches.Pixels(image, used, settings.size, choice.memory_gb, folder, _reading(say))
    sigma, preprocessing = _scales(pixels, used, table, selection, settings)

    device = device_of(choice.device)
    say(_balance(table, selection, plans[0]))
    with deterministic(), threads(THREADS):
        module = _fresh(settings, seed, initial).to(device, memory_format=torch.channels_last)
        fit = Fit(module, preprocessing, pixels, table, selection, sigma, settings, seed, device)
        if np.isfinite(fit.gain):
            say({"speed_in_bfloat16": fit.gain})
        best, history, stopped = fit.run(plans, progress, checkpoint)

    seen = np.unique(np.concatenate([plan["row"].to_numpy() for plan in plans[: len(history)]]))
    label = table["label"].to_numpy()
    record = {
        **_counted(table, selection, plans[0]),
        "rows_trained": int(seen.size),
        "epochs_run": len(history),
        "stopped_early": bool(stopped),
        "best_epoch": int(history.loc[history["val_loss"].idxmin(), "epoch"]),
        "val_loss": float(history["val_loss"].min()),
        "val_loss_constant": fit.constant_loss(),
        "device": device.type,
        "precision": "bfloat16" if fit.mixed else "single",
        "threads": THREADS,
        "initial": "published weights" if initial is not None else "random",
    }
    about = {
        **_about(settings, seed, cutouts),
        "preprocessing": preprocessing.record(),
        "training": record,
        "training_ids": pack_ids(table["galaxy_id"].to_numpy()[seen]),
        **_origin(cutouts, table["galaxy_id"].to_numpy(), seen),
    }
    frozen = _calibrated(Frozen(best, about), pixels, selection, label, settings.prevalence)
    history.attrs = dict(record)
    return frozen, history


def _reading(say: Callable[[dict[str, float]], None]) -> batches.Reading:
    """Says how many images are read, about every tenth of them."""

    def told(done: int, count: int) -> None:
        if done // batches.ROWS % max(1, count // batches.ROWS // 10) == 0:
            say({"images_read": float(done), "of": float(count)})

    return told


def _counted(table: pd.DataFrame, selection: batches.Selection, plan: pd.DataFrame) -> dict[str, object]:
    """Counts of the rows, and what positives weigh in an epoch."""
    weight = table["weight"].to_numpy()
    positive = table["label"].to_numpy()[plan["row"]] == 1
    return {
        **selection.counts,
        "positives_per_epoch": int(positive.sum()),
        "negatives_per_epoch": int((~positive).sum()),
        "positive_weight_share": float(weight[plan["row"]][positive].sum() / weight[plan["row"]].sum()),
    }


def _about(settings: config.Detector, seed: int, cutouts: xr.Dataset) -> dict[str, object]:
    """What an artifact says of itself before its calibration."""
    return {
        "format": FORMAT,
        "architecture": settings.architecture,
        "settings": settings.model_dump(mode="json", exclude={"artifact", "declaration"}),
        "seed": int(seed),
        "calibration": {"method": "none", "slope": 1.0, "intercept": 0.0, "prevalence": settings.prevalence},
        "code": architectures.code(settings.architecture),
        "mock": bool(cutouts.attrs.get("mock", 0)),
        "scientific": settings.scientific,
        "versions": {"lenscal": lenscal.__version__, "torch": torch.__version__, "numpy": np.__version__},
    }


def _balance(table: pd.DataFrame, selection: batches.Selection, plan: pd.DataFrame) -> dict[str, float]:
    """Rows by class, those of an epoch, and lenses by weight (which their tier sets)."""
    label, weight = table["label"].to_numpy(), table["weight"].to_numpy()
    rows = plan["row"].to_numpy()
    found: dict[str, float] = {
        "lenses": float(selection.positives.size),
        "negatives": float(selection.negatives.size),
        "lenses_in_an_epoch": float((label[rows] == 1).sum()),
        "negatives_in_an_epoch": float((label[rows] != 1).sum()),
    }
    for value, count in zip(*np.unique(weight[selection.positives].round(3), return_counts=True)):
        found[f"lenses_of_weight_{value:g}"] = float(count)
    return found


def _sample(cutouts: xr.Dataset, settings: config.Detector) -> tuple[pd.DataFrame, xr.DataArray]:
    """The columns that decide, in memory, and the image, untouched."""
    names = ("galaxy_id", "split", "label", "weight", "target", "role", "pool")
    declared = {
        **{name: schema.CUTOUTS.variables[name] for name in (*names, "image")},
        **{name: schema.QUALITY.variables[name] for name in _MEASURED},
    }
    problems = [f"'{name}' is missing" for name in (*declared, "band") if name not in cutouts.variables]
    problems += [
        p for name, v in declared.items() if name in cutouts.variables and (p := v.problem(name, cutouts[name]))
    ]
    if problems:
        raise InputError("detector: cutouts: " + "; ".join(problems))
    bands = [str(band) for band in cutouts["band"].values]
    if absent := [band for band in settings.bands if band not in bands]:
        raise InputError(f"detector.bands names {absent}; the cutouts hold {bands}")
    columns = {name: cutouts[name].values for name in (*names, *_MEASURED)}
    table = pd.DataFrame({name: v.astype(object) if v.dtype.kind in "OTU" else v for name, v in columns.items()})
    if table["galaxy_id"].duplicated().any():
        raise InputError(
            f"detector: {int(table['galaxy_id'].duplicated().sum())} galaxy_id occur more than once in the cutouts"
        )
    judged = table[table["label"] >= 0]
    if not (judged["weight"] > 0).all() or not judged["target"].between(0, 1).all():
        raise InputError(
            "detector: every labelled row needs a weight > 0 and a target in [0, 1]; check the manifest's tiers"
        )
    return table, cutouts["image"].isel(band=[bands.index(band) for band in settings.bands])


def _origin(cutouts: xr.Dataset, ids: np.ndarray, seen: np.ndarray) -> dict[str, object]:
    """The survey, and where on the sky the training rows lie: what tells them apart from others of the same ids."""
    found: dict[str, object] = {
        "survey": {"layer": str(cutouts.attrs.get("layer", "")), "mock": bool(cutouts.attrs.get("mock", 0))}
    }
    if "ra" in cutouts.variables and "dec" in cutouts.variables:
        order = seen[np.argsort(ids[seen])]
        found["training_positions"] = pack_positions(cutouts["ra"].values[order], cutouts["dec"].values[order])
    return found


def _scales(
    pixels: batches.Pixels,
    used: np.ndarray,
    table: pd.DataFrame,
    selection: batches.Selection,
    settings: config.Detector,
) -> tuple[np.ndarray, Preprocessing]:
    """Robust sigma per band of training negatives (the first by galaxy_id), and the stretch it sets."""
    rows = selection.negatives[np.isin(selection.negatives, used)][:SCALE_ROWS]
    sigma = robust_sigma(batches.centred(pixels(rows)))
    if not (np.isfinite(sigma) & (sigma > 0)).all():
        raise InputError(
            f"detector: robust sigma of {rows.size} training negatives is {sigma} nanomaggy in bands {settings.bands}; "
            "expected positive numbers, check the pixels of these cutouts"
        )
    return sigma, Preprocessing(
        tuple(settings.bands), settings.size, tuple(float(np.float32(SOFTENING * s)) for s in sigma)
    )


def _fresh(settings: config.Detector, seed: int, initial: Mapping[str, torch.Tensor] | None) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draws.key(seed, "detector.weights") >> 1)
        module = architectures.build(settings.architecture, len(settings.bands))
    if initial is not None:
        network.start_from(module, initial)
    return module


def _calibrated(
    draft: Frozen, pixels: batches.Pixels, selection: batches.Selection, label: np.ndarray, prevalence: float
) -> Frozen:
    """The frozen detector with probabilities fitted on the validation rows, at this prevalence of positives."""
    logits = np.concatenate(
        [draft.score(batches.centred(pixels(selection.val[i : i + 1024]))) for i in range(0, selection.val.size, 1024)]
    )
    labels = label[selection.val]
    seen = np.isfinite(logits)
    slope, intercept = calibration.fit(logits[seen], labels[seen], prevalence)
    probability = expit(slope * logits[seen] + intercept)
    fitted = {
        "method": "Platt scaling, classes weighted to the prevalence",
        "rows": "validation split, the rows of early stopping",
        "slope": slope,
        "intercept": intercept,
        "prevalence": prevalence,
        "quality_on_these_rows": calibration.reliability(probability, labels[seen], prevalence),
    }
    return Frozen(draft.weights, {**draft.about, "calibration": fitted})
