"""One training: epochs of a weighted loss, early stopping, and a checkpoint after each."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from lenscal import config
from lenscal.detector import batches, precision
from lenscal.detector.frozen import TILE
from lenscal.detector.preprocessing import Preprocessing
from lenscal.errors import InputError

Progress = Callable[[int, int, dict[str, float]], None]
STATE = ("epoch", "step", "best", "lowest", "since", "rows")
State = tuple[int, int, dict[str, torch.Tensor], float, int, list]


class Checkpoint(Protocol):
    """Where a training keeps how far it is, so that a stopped one goes on with the same bytes."""

    def read(self) -> bytes | None:
        """What was written last; None when there is nothing."""

    def write(self, content: bytes) -> None:
        """Keep it, whole or not at all."""


def weighted_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted binary cross-entropy, sum(w l) / sum(w); targets may be smoothed, in [0, 1]."""
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (weights * losses).sum() / weights.sum()


def device_of(name: str) -> torch.device:
    """The device of a name; ``auto`` is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("detector.training.device is 'cuda', but PyTorch finds no such device; use 'cpu' or 'auto'")
    return torch.device(name)


@contextmanager
def deterministic() -> Iterator[None]:
    """PyTorch with deterministic kernels alone; what was before is restored."""
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


class Fit:
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
        self.mixed, self.gain = precision.chosen(
            choice.mixed_precision, module, len(settings.bands), settings.size, device
        )
        self.optimiser = torch.optim.AdamW(module.parameters(), choice.learning_rate, weight_decay=choice.weight_decay)
        self.val_weight = self.weight[selection.val]

    def run(
        self, plans: list[pd.DataFrame], progress: Progress | None, checkpoint: Checkpoint | None = None
    ) -> tuple[dict[str, torch.Tensor], pd.DataFrame, bool]:
        """Best weights, history, and whether patience ended it; goes on from a checkpoint of the same training."""
        choice = self.settings.training
        self._balance_validation(plans[0])
        steps = sum(len(batches.parts(plan, choice.batch)) for plan in plans)
        begun, step, best, lowest, since, rows = self._begun(checkpoint)
        for epoch, plan in enumerate(plans[begun:], begun):
            if since >= choice.patience:
                break
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
            if checkpoint is not None:
                self._keep(checkpoint, (epoch + 1, step, best, lowest, since, rows))
        columns = ["epoch", "train_loss", "val_loss", "val_auc", "learning_rate"]
        return best, pd.DataFrame(rows, columns=columns), len(rows) < len(plans)

    def _begun(self, checkpoint: Checkpoint | None) -> State:
        """Where a checkpoint left this training, its network and optimiser as they were; else the beginning."""
        content = checkpoint.read() if checkpoint is not None else None
        try:
            kept = torch.load(io.BytesIO(content or b""), map_location=self.device, weights_only=True)
        except Exception:  # none, or one that was cut short: the training begins again
            kept = {}
        if not isinstance(kept, dict) or kept.get("key") != self.key:
            return 0, 0, {}, math.inf, 0, []
        self.module.load_state_dict(kept["module"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.mixed = bool(kept["mixed"])  # measured once: two halves of a training compute alike
        epoch, step, best, lowest, since, rows = (kept[name] for name in STATE)
        return epoch, step, {name: tensor.cpu() for name, tensor in best.items()}, lowest, since, rows

    def _keep(self, checkpoint: Checkpoint, state: State) -> None:
        content = io.BytesIO()
        networks = {"module": self.module.state_dict(), "optimiser": self.optimiser.state_dict()}
        torch.save({"key": self.key, "mixed": self.mixed, **networks, **dict(zip(STATE, state))}, content)
        checkpoint.write(content.getvalue())

    @property
    def key(self) -> str:
        """Digest (64 hex digits) of all that decides this training: a checkpoint of another one is not gone on with."""
        digest = hashlib.blake2b(digest_size=32)
        settings = self.settings.model_dump(mode="json", exclude={"artifact", "declaration"})
        digest.update(json.dumps([settings, self.seed, list(self.preprocessing.scale), torch.__version__]).encode())
        for values in (self.ids, self.label, self.weight, self.target, self.selection.val, self.selection.positives):
            digest.update(np.ascontiguousarray(values).tobytes())
        digest.update(self.selection.negatives.tobytes())
        return digest.hexdigest()

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
