"""A logistic regression on features and their products, and what it would be without some of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

FIRST = 6000  # rows of the first look
STEPS = 25
NEAR = 1e-4  # change of the coefficients, in units of the logit, at which they are taken


@dataclass(frozen=True)
class Products:
    """Scaled features, their squares and products, scaled again, with a column of ones: float32 (n, column).

    Attributes
    ----------
    centre, scale : (feature,) arrays
    centre_2, scale_2 : (column - 1,) arrays
    """

    centre: np.ndarray
    scale: np.ndarray
    centre_2: np.ndarray
    scale_2: np.ndarray

    @classmethod
    def of(cls, sample: np.ndarray) -> tuple[Products, np.ndarray]:
        """The scales of a sample, and its columns."""
        centre, scale = sample.mean(0), _scale(sample)
        raw = _raw((sample - centre) / scale)
        centre_2 = raw[:, 1:].mean(0, dtype=float)
        scale_2 = raw[:, 1:].std(0, dtype=float)
        self = cls(centre, scale, centre_2, np.where(scale_2 > 1e-6, scale_2, 1.0))
        return self, self._scaled(raw)

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """Columns of other rows."""
        return self._scaled(_raw((rows - self.centre) / self.scale))

    def _scaled(self, raw: np.ndarray) -> np.ndarray:
        raw[:, 1:] -= self.centre_2.astype(np.float32)
        raw[:, 1:] /= self.scale_2.astype(np.float32)
        return raw


def _scale(sample: np.ndarray) -> np.ndarray:
    scale = sample.std(0)
    return np.where(scale > 0, scale, 1.0)


def _raw(z: np.ndarray) -> np.ndarray:
    z = z.astype(np.float32)
    n, m = z.shape
    out = np.empty((n, 1 + m + m * (m + 1) // 2), np.float32, order="F")
    out[:, 0], out[:, 1 : m + 1] = 1, z
    at = m + 1
    for i in range(m):
        np.multiply(z[:, i:], z[:, [i]], out=out[:, at : at + m - i])
        at += m - i
    return out


class Logistic:
    """Coefficients of a logistic regression with a ridge (not on the constant), and those without parts of the rows.

    Minimises strength times the sum of the losses plus half the square of the coefficients.

    Parameters
    ----------
    columns : (n, column) array
        The first one of ones.
    found : (n,) array
        0 or 1.
    strength : float
    """

    def __init__(self, columns: np.ndarray, found: np.ndarray, strength: float) -> None:
        self.columns, self.found = columns, found
        self.ridge = np.full(columns.shape[1], 1 / strength)
        self.ridge[0] = 1e-9
        every = max(1, len(columns) // FIRST)
        rows = np.ascontiguousarray(columns[::every])
        part = len(rows) / len(columns)
        start = np.zeros(columns.shape[1])
        start[0] = np.log(max(found.mean(), 1e-6) / max(1 - found.mean(), 1e-6))
        self.at = _newton(rows, found[::every], self.ridge * part, start)
        chance = expit(rows @ self.at.astype(np.float32)).astype(float)
        curve = _curve(rows, chance) / part
        self.at = self._polished(self.at, curve + np.diag(self.ridge))

    def _polished(self, at: np.ndarray, curve: np.ndarray) -> np.ndarray:
        """Steps with the slope of all rows and a curvature that is near theirs."""
        for _ in range(STEPS):
            step = np.linalg.solve(curve, self._slope(at))
            at = at - step
            if np.abs(step).max() < NEAR:
                break
        return at

    def _slope(self, at: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
        apart = expit(self.columns @ at.astype(np.float32)) - self.found.astype(np.float32)
        apart = apart if kept is None else apart * kept.astype(np.float32)
        return (self.columns.T @ apart).astype(float) + self.ridge * at

    def without(self, groups: np.ndarray, left: Sequence[Sequence[int]], more: int = 0) -> np.ndarray:
        """Coefficients without the rows of some groups: a step of Newton's method from those of all rows.

        Parameters
        ----------
        groups : (n,) int array
            From 0.
        left : sequence of sequences of int
            Groups that are left out together.
        more : int
            Further steps, with the slope where they begin: worth it where many rows are left out.

        Returns
        -------
        (len(left), column) array
        """
        chance = expit(self.columns @ self.at.astype(np.float32)).astype(float)
        slopes, curves = {}, {}
        for g in np.unique(groups):
            rows = np.ascontiguousarray(self.columns[groups == g])
            own = chance[groups == g]
            slopes[g] = rows.T @ (own - self.found[groups == g]).astype(np.float32)
            curves[g] = _curve(rows, own)
        slope, curve = sum(slopes.values()) + self.ridge * self.at, sum(curves.values()) + np.diag(self.ridge)
        out = []
        for some in left:
            own = [g for g in some if g in slopes]
            rest = slope - sum(slopes[g] for g in own)
            left_curve = curve - sum(curves[g] for g in own)
            at = self.at - np.linalg.solve(left_curve, rest)
            kept = ~np.isin(groups, own)
            for _ in range(more):
                at = at - np.linalg.solve(left_curve, self._slope(at, kept))
            out.append(at)
        return np.array(out)


def _curve(rows: np.ndarray, chance: np.ndarray) -> np.ndarray:
    weight = np.sqrt(chance * (1 - chance)).astype(np.float32)
    scaled = rows * weight[:, None]
    return (scaled.T @ scaled).astype(float)


def _newton(rows: np.ndarray, found: np.ndarray, ridge: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Newton's method with steps that are halved until the loss falls."""
    loss = lambda at: float(_losses(rows @ at.astype(np.float32), found) + (ridge * at) @ at / 2)  # noqa: E731
    value = loss(at)
    for _ in range(STEPS):
        chance = expit(rows @ at.astype(np.float32)).astype(float)
        slope = (rows.T @ (chance - found).astype(np.float32)).astype(float) + ridge * at
        step = np.linalg.solve(_curve(rows, chance) + np.diag(ridge), slope)
        length = 1.0
        while (new := loss(at - length * step)) > value and length > 1e-3:
            length /= 2
        at, value = at - length * step, new
        if np.abs(length * step).max() < 1e-3:
            break
    return at


def _losses(logits: np.ndarray, found: np.ndarray) -> float:
    logits = logits.astype(float)
    return float(np.logaddexp(0, logits).sum() - found @ logits)
