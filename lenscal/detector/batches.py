"""Which rows an epoch sees, their pixels, and how these are varied. Every draw belongs to (seed, purpose, galaxy)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter

from lenscal.config import Training
from lenscal.detector.preprocessing import crop_start
from lenscal.detector.spilled import Spilled
from lenscal.errors import InputError
from lenscal.kernels import draws

SHIFT = 2  # px, largest translation each way
NOISE = 0.2  # of the band's robust sigma, largest added noise
BLUR = 0.6  # px, largest sigma of the added Gaussian blur
ROWS = 512  # read at once
WINDOW = 64  # rows of the store among which they are read together
BLURRED = 0.5  # share of images that are blurred at all


@dataclass(frozen=True)
class Selection:
    """Positions of the rows by use, each ordered by galaxy_id; `counts` says how many rows went where, and why."""

    positives: np.ndarray
    negatives: np.ndarray
    val: np.ndarray
    counts: dict[str, int]


def select(sample: pd.DataFrame, settings: Training, seed: int) -> Selection:
    """Rows for training and validation. An anchor is never trained on; those of the split val belong to the validation.

    Parameters
    ----------
    sample : DataFrame
        One row per cutout: galaxy_id, split, label, role, pool, cutout_ok, arc_snr.
    settings : config.Training
        Positives with less than `arc_snr_min`, or none measured, are left out; `val_negatives` caps the negatives of
        the validation rows.
    seed : int
        Of the run.

    Raises
    ------
    ValueError
        When a class is empty in the training or the validation split.
    """
    sample = sample.reset_index(drop=True)
    ok = sample["cutout_ok"]
    negative = ok & (sample["label"] == 0) & sample["pool"].isin(["N1", "N2"])
    lens = ok & (sample["label"] == 1)
    train, val = sample["split"] == "train", sample["split"] == "val"

    def ordered(mask: pd.Series) -> np.ndarray:
        rows = np.flatnonzero(mask.to_numpy())
        return rows[np.argsort(sample["galaxy_id"].to_numpy()[rows], kind="stable")]

    seen = (sample["arc_snr"] >= settings.arc_snr_min) | (settings.arc_snr_min == 0)
    meant = lens & train & (sample["role"] == "train")
    positives, negatives = ordered(meant & seen), ordered(negative & train)
    val_positives, val_negatives = ordered(lens & val), ordered(negative & val)
    counts = {
        "train_positives": positives.size,
        "train_negatives": negatives.size,
        "val_positives": val_positives.size,
        "val_negatives": val_negatives.size,
        "train_positives_left_out": int((lens & train & (sample["role"] != "train")).sum()),
        "train_positives_arc_not_seen": int((meant & ~seen).sum()),
        "unusable_left_out": int((~ok).sum()),
    }
    for name in ("train_positives", "train_negatives", "val_positives", "val_negatives"):
        if counts[name] == 0:
            raise InputError(
                f"detector: no usable row for {name.replace('_', ' ')} among {len(sample)} cutouts ({counts}); the "
                "sample needs lenses and negatives in the splits train and val: more objects or other split fractions"
            )
    kept = _first(sample, val_negatives, settings.val_negatives, seed, "detector.val", 0)
    counts["val_negatives_used"] = kept.size
    rows = np.concatenate([val_positives, kept])
    rows = rows[np.argsort(sample["galaxy_id"].to_numpy()[rows], kind="stable")]
    return Selection(positives, negatives, rows, counts)


def _first(
    sample: pd.DataFrame, rows: np.ndarray, count: int | None, seed: int, purpose: str, stream: int
) -> np.ndarray:
    order = np.argsort(draws.hashes(seed, purpose, sample["galaxy_id"].to_numpy()[rows], stream), kind="stable")
    return rows[order][:count]


def draw_epoch(sample: pd.DataFrame, selection: Selection, epoch: int, settings: Training, seed: int) -> pd.DataFrame:
    """What one epoch sees, in order.

    Positives repeat in equal shares up to `positives_per_epoch`; negatives are drawn afresh without repetition up to
    `negatives_per_epoch`. Where a setting is None each row comes once.

    Returns
    -------
    DataFrame
        row (position in `sample`) and copy (0, 1, ... for repetitions of the same galaxy).
    """
    wanted = settings.positives_per_epoch or selection.positives.size
    turn = _first(sample, selection.positives, None, seed, "detector.epoch", epoch)
    number = np.arange(wanted)
    positives, copies = turn[number % turn.size], number // turn.size
    negatives = _first(sample, selection.negatives, settings.negatives_per_epoch, seed, "detector.epoch", epoch)
    plan = pd.DataFrame(
        {"row": np.append(positives, negatives), "copy": np.append(copies, np.zeros(negatives.size, np.int64))}
    )
    ids = sample["galaxy_id"].to_numpy()[plan["row"]]
    own = draws.hashes(seed, "detector.order", ids, epoch).view(np.int64)
    key = draws.hashes(seed, "detector.copy", own ^ plan["copy"].to_numpy())
    return plan.iloc[np.lexsort((plan["copy"], ids, key))].reset_index(drop=True)


def parts(plan: pd.DataFrame, batch: int) -> list[pd.DataFrame]:
    """The epoch in batches of nearly equal size, none larger than `batch`."""
    edges = np.linspace(0, len(plan), -(-len(plan) // batch) + 1).round().astype(int)
    return [plan.iloc[a:b] for a, b in pairwise(edges)]


Reading = Callable[[int, int], None]
"""Told how many images are read, and of how many."""


class Pixels:
    """Stamps by row, read once, in the order of the store: into memory where they fit, else into a file beside it, from
    which batches are read in the order of the epoch. That order is the same, so the numbers are.

    Parameters
    ----------
    image : DataArray (galaxy, band, y, x)
        In nanomaggy, may be lazy; bands in the detector's order.
    rows : int array
        All rows that will be asked for.
    size : int
        Of the crop; `SHIFT` more pixels are kept on each side, NaN beyond the stamp.
    memory_gb : float
        What the pixels may take.
    folder : Path, optional
        For that file; the system's folder for temporary files by default.
    reading : callable, optional
        Told how far the reading is.

    Raises
    ------
    SpaceError
        They fit neither in memory nor on the disk.
    """

    def __init__(
        self,
        image: xr.DataArray,
        rows: np.ndarray,
        size: int,
        memory_gb: float,
        folder: Path | None = None,
        reading: Reading | None = None,
    ) -> None:
        start = crop_start(image.sizes["y"], size)
        margin = min(SHIFT, start, image.sizes["y"] - start - size)
        near = slice(start - margin, start + size + margin)
        self._image = image.transpose("galaxy", "band", "y", "x").isel(y=near, x=near)
        self._pad = SHIFT - margin
        self._rows = np.unique(rows)
        count, shape = self._rows.size, (image.sizes["band"], size + 2 * SHIFT, size + 2 * SHIFT)
        self.in_memory = bool(count * np.prod(shape) * 4 <= memory_gb * 1e9)
        self._held = np.empty((count, *shape), np.float32) if self.in_memory else Spilled(count, shape, folder)
        for first in range(0, count, ROWS):
            stamps = self._read(self._rows[first : first + ROWS])
            if isinstance(self._held, Spilled):
                self._held.append(stamps)
            else:
                self._held[first : first + ROWS] = stamps
            if reading is not None:
                reading(min(first + ROWS, count), count)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Stamps of rising rows. Whole runs are read and thinned: single rows of a store of chunks cost many times the
        memory.
        """
        near = np.split(rows, np.flatnonzero(np.diff(rows // WINDOW)) + 1)
        found = [self._image.isel(galaxy=slice(int(w[0]), int(w[-1]) + 1)).values[w - w[0]] for w in near]
        stamps = np.concatenate(found).astype(np.float32, copy=False)
        pad = (self._pad, self._pad)
        return np.pad(stamps, ((0, 0), (0, 0), pad, pad), constant_values=np.nan) if self._pad else stamps

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Stamps (n, band, size + 2 SHIFT, size + 2 SHIFT) of these rows, in their order; rows may repeat."""
        return self._held[np.searchsorted(self._rows, rows)]


def augment(stamp: np.ndarray, size: int, sigma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One stamp, varied only in ways that leave a lens a lens.

    Translation by up to 2 px, quarter turns and flips; for half of the images a Gaussian blur of up to 0.6 px; white
    noise of up to a fifth of the band's robust sigma. Unobserved pixels stay NaN.

    Parameters
    ----------
    stamp : (band, size + 4, size + 4) array
        In nanomaggy.
    sigma : (band,) array
        Robust sigma per band, in nanomaggy.

    Returns
    -------
    (band, size, size) float32 array
    """
    dy, dx = rng.integers(0, 2 * SHIFT + 1, 2)
    image = np.rot90(stamp[:, dy : dy + size, dx : dx + size], rng.integers(4), (1, 2))
    if rng.random() < 0.5:
        image = image[:, :, ::-1]
    blurred, width, strength = rng.random() < BLURRED, BLUR * rng.random(), NOISE * rng.random()
    if blurred:
        missing = ~np.isfinite(image)
        image = gaussian_filter(np.where(missing, 0, image), (0, width, width), mode="nearest", truncate=3)
        image[missing] = np.nan
    noise = rng.standard_normal(image.shape, np.float32)
    return image + noise * (strength * np.asarray(sigma, np.float32))[:, None, None]


def varied(
    stamps: np.ndarray, ids: np.ndarray, copies: np.ndarray, epoch: int, size: int, sigma: np.ndarray, seed: int
) -> np.ndarray:
    """`augment` for a batch; the variation belongs to the galaxy, the epoch and the copy, not to the batch."""
    out = np.empty((len(stamps), stamps.shape[1], size, size), np.float32)
    for i, (galaxy, copy) in enumerate(zip(ids, copies)):
        out[i] = augment(stamps[i], size, sigma, draws.generator(seed, f"detector.augment.{epoch}.{copy}", galaxy))
    return out


def centred(stamps: np.ndarray) -> np.ndarray:
    """The stamps without their margin, as they are scored."""
    return stamps[:, :, SHIFT:-SHIFT, SHIFT:-SHIFT]
