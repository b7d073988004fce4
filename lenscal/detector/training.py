"""Training on real cutouts: weighted loss, cosine schedule, early stopping on the spatial validation split."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.special import expit
from sklearn.metrics import roc_auc_score

import lenscal
from lenscal import config, schema
from lenscal.detector import architectures, batches, calibration, network
from lenscal.detector.frozen import FORMAT, TILE, Frozen, pack_ids, pack_positions, threads
from lenscal.detector.preprocessing import SOFTENING, Preprocessing, robust_sigma
from lenscal.errors import InputError
from lenscal.kernels import draws

THREADS = 2  # fixed: sums over threads round differently for every number of them
_MEASURED = ("cutout_ok", "arc_snr")  # of quality
SCALE_ROWS = 512  # training negatives that set the scales of the stretch

Progress = Callable[[int, int, dict[str, float]], None]


def weighted_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted binary cross-entropy, sum(w l) / sum(w); targets may be smoothed, in [0, 1]."""
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (weights * losses).sum() / weights.sum()


def train(
    cutouts: xr.Dataset,
    settings: config.Detector,
    seed: int,
    progress: Progress | None = None,
    initial: Mapping[str, torch.Tensor] | None = None,
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
        Called after each epoch with its number (from 1), the number of epochs and its measures.
    initial : mapping of name to tensor, optional
        Published weights to start from, see `network.start_from`.

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
    pixels = batches.Pixels(image, used, settings.size, choice.memory_gb)
    sigma, preprocessing = _scales(pixels, used, table, selection, settings)

    device = _device(choice.device)
    with _deterministic(), threads(THREADS):
        module = _fresh(settings, seed, initial).to(device, memory_format=torch.channels_last)
        fit = _Fit(module, preprocessing, pixels, table, selection, sigma, settings, seed, device)
        best, history, stopped = fit.run(plans, progress)

    seen = np.unique(np.concatenate([plan["row"].to_numpy() for plan in plans[: len(history)]]))
    plan = plans[0]
    weight, label = table["weight"].to_numpy(), table["label"].to_numpy()
    positive = label[plan["row"]] == 1
    record = {
        **selection.counts,
        "positives_per_epoch": int(positive.sum()),
        "negatives_per_epoch": int((~positive).sum()),
        "positive_weight_share": float(weight[plan["row"]][positive].sum() / weight[plan["row"]].sum()),
        "rows_trained": int(seen.size),
        "epochs_run": len(history),
        "stopped_early": bool(stopped),
        "best_epoch": int(history.loc[history["val_loss"].idxmin(), "epoch"]),
        "val_loss": float(history["val_loss"].min()),
        "val_loss_constant": fit.constant_loss(),
        "device": device.type,
        "threads": THREADS,
        "initial": "published weights" if initial is not None else "random",
    }
    about = {
        "format": FORMAT,
        "architecture": settings.architecture,
        "settings": settings.model_dump(mode="json", exclude={"frozen"}),
        "seed": int(seed),
        "preprocessing": preprocessing.record(),
        "calibration": {"method": "none", "slope": 1.0, "intercept": 0.0, "prevalence": settings.prevalence},
        "training": record,
        "training_ids": pack_ids(table["galaxy_id"].to_numpy()[seen]),
        **_origin(cutouts, table["galaxy_id"].to_numpy(), seen),
        "code": architectures.code(settings.architecture),
        "mock": bool(cutouts.attrs.get("mock", 0)),
        "scientific": settings.scientific,
        "versions": {"lenscal": lenscal.__version__, "torch": torch.__version__, "numpy": np.__version__},
    }
    frozen = _calibrated(Frozen(best, about), pixels, selection, label, settings.prevalence)
    history.attrs = dict(record)
    return frozen, history


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


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("detector.training.device is 'cuda', but PyTorch finds no such device; use 'cpu' or 'auto'")
    return torch.device(name)


@contextmanager
def _deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it CUDA refuses to be deterministic
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = fill


class _Fit:
    """One training: the network, its rows and its optimiser."""

    def __init__(
        self,
        module: torch.nn.Module,
        preprocessing: Preprocessing,
        pixels: batches.Pixels,
        table: pd.DataFrame,
        selection: batches.Selection,
        sigma: np.ndarray,
        settings: config.Detector,
        seed: int,
        device: torch.device,
    ) -> None:
        self.module, self.preprocessing, self.pixels = module, preprocessing, pixels
        self.selection, self.sigma, self.settings, self.seed, self.device = selection, sigma, settings, seed, device
        self.ids, self.label = table["galaxy_id"].to_numpy(), table["label"].to_numpy()
        self.weight = table["weight"].to_numpy(np.float32)
        self.target = np.where(self.label == 1, table["target"].to_numpy(np.float32), np.float32(0))
        choice = settings.training
        self.mixed = choice.mixed_precision == "on" or (choice.mixed_precision == "auto" and device.type == "cuda")
        self.optimiser = torch.optim.AdamW(module.parameters(), choice.learning_rate, weight_decay=choice.weight_decay)
        self.val_weight = self.weight[selection.val]

    def run(
        self, plans: list[pd.DataFrame], progress: Progress | None
    ) -> tuple[dict[str, torch.Tensor], pd.DataFrame, bool]:
        """Best weights, history, and whether patience ended it."""
        choice = self.settings.training
        self._balance_validation(plans[0])
        steps = sum(len(batches.parts(plan, choice.batch)) for plan in plans)
        step, best, lowest, since, rows = 0, {}, math.inf, 0, []
        for epoch, plan in enumerate(plans):
            rate = self._rate(step, steps)
            step, train_loss = self._epoch(epoch, plan, step, steps)
            val_loss, val_auc = self._validate()
            if not (math.isfinite(train_loss) and math.isfinite(val_loss)):
                raise InputError(
                    f"detector: loss is not finite in epoch {epoch + 1} (train {train_loss}, validation {val_loss}); "
                    "lower detector.training.learning_rate"
                )
            rows.append((epoch + 1, train_loss, val_loss, val_auc, rate))
            if progress is not None:
                progress(epoch + 1, len(plans), {"train_loss": train_loss, "val_loss": val_loss, "val_auc": val_auc})
            since += 1
            if val_loss < lowest:
                lowest, since = val_loss, 0
                best = {name: tensor.detach().cpu().clone() for name, tensor in self.module.state_dict().items()}
            if since >= choice.patience:
                break
        columns = ["epoch", "train_loss", "val_loss", "val_auc", "learning_rate"]
        return best, pd.DataFrame(rows, columns=columns), len(rows) < len(plans)

    def _rate(self, step: int, steps: int) -> float:
        return self.settings.training.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))

    def _balance_validation(self, plan: pd.DataFrame) -> None:
        """Give the positives of the validation rows the share of weight they have in an epoch of training."""
        rows = plan["row"].to_numpy()
        positive, val_positive = self.label[rows] == 1, self.label[self.selection.val] == 1
        wanted = self.weight[rows][positive].sum() / self.weight[rows][~positive].sum()
        found = self.val_weight[val_positive].sum() / self.val_weight[~val_positive].sum()
        self.val_weight = np.where(val_positive, self.val_weight * (wanted / found), self.val_weight).astype(np.float32)

    def _tensor(self, images: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)

    def _logits(self, images: np.ndarray) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            return self.module(self._tensor(images)).float()

    def _epoch(self, epoch: int, plan: pd.DataFrame, step: int, steps: int) -> tuple[int, float]:
        self.module.train()
        total = weight = 0.0
        for part in batches.parts(plan, self.settings.training.batch):
            rows = part["row"].to_numpy()
            stamps = batches.varied(
                self.pixels(rows),
                self.ids[rows],
                part["copy"].to_numpy(),
                epoch,
                self.settings.size,
                self.sigma,
                self.seed,
            )
            for group in self.optimiser.param_groups:
                group["lr"] = self._rate(step, steps)
            self.optimiser.zero_grad()
            target, weights = (torch.from_numpy(a[rows]).to(self.device) for a in (self.target, self.weight))
            loss = weighted_loss(self._logits(self.preprocessing(stamps)), target, weights)
            loss.backward()
            self.optimiser.step()
            share = float(self.weight[rows].sum(dtype=np.float64))
            total, weight, step = total + float(loss.detach()) * share, weight + share, step + 1
        return step, total / weight

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        self.module.eval()
        rows = self.selection.val
        logits = torch.cat(
            [
                self._logits(self.preprocessing(batches.centred(self.pixels(rows[i : i + TILE])))).cpu()
                for i in range(0, rows.size, TILE)
            ]
        )
        loss = weighted_loss(logits, torch.from_numpy(self.target[rows]), torch.from_numpy(self.val_weight))
        return float(loss), float(roc_auc_score(self.label[rows], logits.numpy()))

    def constant_loss(self) -> float:
        """Validation loss of the best constant answer; a detector that does not get below it has learnt nothing."""
        target = self.target[self.selection.val].astype(np.float64)
        mean = np.average(target, weights=self.val_weight)
        return float(-(mean * np.log(mean) + (1 - mean) * np.log1p(-mean)))


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
