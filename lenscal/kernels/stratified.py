"""The weighted share of trials whose number was set cell by cell, on hosts that several cells share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lenscal.kernels import recovery
from lenscal.kernels.weighting import effective_number


class Share(NamedTuple):
    """A weighted share, and what tells its error.

    Attributes
    ----------
    value : float
    effect, within : float
        Design effect: variance with hosts as units over that of independent trials; at least 1. The same for the
        hosts of each cell by itself.
    freedom : float
        Degrees of freedom of the design effect.
    hosts : float
        Kish's effective number of hosts.
    mass, squares, scatter : (cell,) arrays
        Of the cells: sum of the weights, of their squares, and of the squares of their distances from the mean of the
        cell; the weights of all trials sum to 1.
    found : (cell,) array
        Weighted share found in the cell.
    """

    value: float
    effect: float
    within: float
    freedom: float
    hosts: float
    mass: np.ndarray
    squares: np.ndarray
    scatter: np.ndarray
    found: np.ndarray


def share(found: np.ndarray, trials: np.ndarray, weights: np.ndarray, host: np.ndarray, cell: np.ndarray) -> Share:
    """Weighted share found.

    What cells differ by is no error, as their trials were set beforehand: residuals are taken about the mean of the
    cell. Those of a host that holds much of a cell are raised by what it draws that mean to itself (CR2 of Bell &
    McCaffrey 2002, Survey Methodology 28, 169). The design effect is 1 unless it is seen at one sigma, as in
    `recovery.correlation`.

    Parameters
    ----------
    found, trials : (row,) arrays
        Detections of so many trials, which have one weight, host and cell; single trials are rows of 1.
    weights : (row,) array
        Of each trial of the row; not negative, not all 0.
    host, cell : (row,) int arrays
        From 0.
    """
    used = (weights > 0) & (trials > 0)
    k, n, w = found[used].astype(float), trials[used].astype(float), weights[used].astype(float)
    w = w / (w * n).sum()
    _, h = np.unique(host[used], return_inverse=True)
    _, c = np.unique(cell[used], return_inverse=True)
    count, cells = np.bincount(c, n), np.bincount(c, w * n)
    value = float(w @ k)
    apart = w * (k - n * value)
    mean = (np.bincount(c, apart) / count)[c]
    centred = apart - n * mean
    square = w**2 * (k * (1 - value) ** 2 + (n - k) * value**2) - 2 * mean * apart + n * mean**2
    alone = float((np.bincount(c, square) * count / np.maximum(count - 1, 1)).sum())
    pairs, own = np.unique(c * (int(h.max()) + 1) + h, return_inverse=True)
    held = np.bincount(own, w * n) / cells[pairs // (int(h.max()) + 1)]
    raised = centred * np.where(held < 0.99, 1 / np.sqrt(np.maximum(1 - held, 0.01)), 1.0)[own]
    hosts = np.bincount(h, w * n)
    freedom = max(effective_number(hosts**2) - 1, 1.0)
    effect, within = (
        float(np.square(np.bincount(unit, raised)).sum() / alone) if alone > 0 else 1.0 for unit in (h, own)
    )
    if effect - 1 <= np.sqrt(2 / freedom):
        effect = within = 1.0
    squares = np.bincount(c, w**2 * n)
    scatter = np.maximum(squares - cells**2 / count, 0)
    shares = np.bincount(c, w * k) / cells
    return Share(value, effect, max(within, 1.0), freedom, effective_number(hosts), cells, squares, scatter, shares)


def counts(said: Share, level: float) -> tuple[float, float]:
    """Detections and trials of one share whose binomial error is that of the weighted share.

    The variance of a cell takes its share as ``(k + c) / (n + 1)`` of effective counts, so that cells with none or all
    detected have an error; c as in `shares.mean`. What hosts add is raised by Student's quantile
    (`recovery.widened`).

    Parameters
    ----------
    said : Share
    level : float
        Of the interval that is meant, in (0, 1); 0 for the counts as they are.
    """
    effect = float(recovery.widened(said.effect, said.freedom, level)) if level else said.effect
    trials = said.mass**2 / said.squares / said.within
    alike = 1 / float((said.squares * effect).sum())
    typical = (said.value * alike + 1) / (alike + 2)
    own = (said.found * trials + (typical + 0.5) / 2) / (trials + 1)
    off = np.square(own - said.value)
    variance = effect * float((said.squares * own * (1 - own) + said.scatter * off).sum())
    least = float((said.mass * 0.25 / (trials + 1)).sum())
    inside = min(max(said.value, least), 1 - least)
    number = inside * (1 - inside) / variance
    return said.value * number, number
