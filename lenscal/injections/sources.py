"""What is lensed: one Sersic profile, a Sersic with knots, or the image of a real galaxy, as
components for the kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lenscal.errors import InputError
from lenscal.kernels import draws, imaging, light, sampling

KNOTS = 6
KNOT_SHARE = 0.3  # of the light
KNOT_RADIUS = 0.03, 0.06  # arcsec
KNOT_SPREAD = 0.7  # deviation of the knots' distance along each axis, in R_e


@dataclass(frozen=True)
class Components:
    """Components of many sources, as `imaging.convolved` takes them."""

    first: np.ndarray
    sersic: np.ndarray
    light: np.ndarray
    stamp: np.ndarray
    place: np.ndarray
    share: np.ndarray
    stamps: np.ndarray

    def rows(self, chosen: np.ndarray) -> Components:
        """Those of some of the sources."""
        counts = np.diff(self.first)[chosen]
        first = np.concatenate([[0], np.cumsum(counts)])
        index = np.repeat(self.first[chosen] - first[:-1], counts) + np.arange(first[-1])
        arrays = (getattr(self, name)[index] for name in ("sersic", "light", "stamp", "place", "share"))
        return Components(first, *arrays, self.stamps)

    def part(self, rows: slice) -> Components:
        """Those of neighbouring sources, without a copy."""
        first = self.first[rows.start : rows.stop + 1]
        return Components(first, self.sersic, self.light, self.stamp, self.place, self.share, self.stamps)


_NO_STAMP = np.zeros((1, 1, 1), np.float32)


def smooth(parameters: Mapping[str, np.ndarray], pixel_scale: float) -> Components:
    """One Sersic profile for each source; parameters as `sampling.SOURCE_FIELDS`."""
    rows = np.column_stack([parameters[name] for name in sampling.SOURCE_FIELDS]).astype(float)
    return _sersics(rows, np.ones(len(rows)), 1, pixel_scale)


def clumpy(parameters: Mapping[str, np.ndarray], ids: np.ndarray, seed: int, pixel_scale: float) -> Components:
    """A Sersic profile with KNOTS round exponential knots that hold KNOT_SHARE of its light, each rendered for itself.

    Knots lie around the centre, normally distributed along both axes of the source; their places, radii and fluxes
    depend on the seed and the injection's id only.
    """
    base = np.column_stack([parameters[name] for name in sampling.SOURCE_FIELDS]).astype(float)
    n, r_e, q, phi, x, y = base.T
    rows = np.repeat(base[:, None], 1 + KNOTS, axis=1)
    share = np.full((len(base), 1 + KNOTS), 1 - KNOT_SHARE)
    c, s = np.cos(phi), np.sin(phi)
    weight = np.stack([draws.uniform(seed, "knot flux", ids, k) for k in range(KNOTS)], axis=1)
    share[:, 1:] = KNOT_SHARE * weight / weight.sum(1, keepdims=True)
    for k in range(KNOTS):
        radius = np.sqrt(-2 * np.log(draws.uniform(seed, "knot radius", ids, k))) * KNOT_SPREAD * r_e
        angle = 2 * np.pi * draws.uniform(seed, "knot angle", ids, k)
        u, v = radius * np.cos(angle) / np.sqrt(q), radius * np.sin(angle) * np.sqrt(q)
        size = draws.uniform(seed, "knot size", ids, k) * (KNOT_RADIUS[1] - KNOT_RADIUS[0]) + KNOT_RADIUS[0]
        rows[:, 1 + k] = np.column_stack(
            [np.ones_like(n), size, np.ones_like(n), 0 * n, x + c * u - s * v, y + s * u + c * v]
        )
    return _sersics(rows.reshape(-1, base.shape[1]), share.ravel(), 1 + KNOTS, pixel_scale)


@dataclass(frozen=True)
class Stamps:
    """Images of real galaxies, each in the lower-left corner of its plane, with what is
    needed to put them on the sky.
    """

    images: np.ndarray
    sides: np.ndarray
    centres: np.ndarray
    radii: np.ndarray


def prepare(kind: str, sources: Sequence[Mapping] | None) -> Stamps | None:
    """The stamps of a run whose source is "stamps", trimmed of dark margins and measured; None for other kinds.

    Raises
    ------
    ValueError
        No stamps, or one that is not a finite image of sum 1 (flux per pixel).
    """
    if kind != "stamps":
        return None
    if not sources:
        raise InputError(
            "injections: source is 'stamps', but no source stamps were given; set injections.source_stamps"
        )
    images, centres, radii = [], [], []
    for number, source in enumerate(sources):
        image = np.asarray(source["image"], np.float32)
        name = source.get("name", number)
        if image.ndim != 2 or not np.isfinite(image).all() or abs(image.sum(dtype=float) - 1) > 1e-3:
            raise InputError(f"injections: source stamp '{name}' must be a 2-D image of sum 1 without NaN")
        lit_y, lit_x = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        image = image[lit_y[0] : lit_y[-1] + 1, lit_x[0] : lit_x[-1] + 1]
        radius, centre = light.half_light_radius(image, 1.0)
        if not radius > 0:
            raise InputError(f"injections: source stamp '{name}' has no extent")
        images.append(image)
        centres.append(centre)
        radii.append(radius)
    sides = np.array([image.shape for image in images])
    padded = np.zeros((len(images), *sides.max(0)), np.float32)
    for plane, image in zip(padded, images):
        plane[: image.shape[0], : image.shape[1]] = image
    return Stamps(padded, sides, np.array(centres), np.array(radii))


def real(parameters: Mapping[str, np.ndarray], ids: np.ndarray, seed: int, stamps: Stamps) -> Components:
    """The image of one of the real galaxies for each source, chosen by the injection's id.

    It is scaled so that the circle about its centroid that holds half its light has the radius r_e, turned by
    source_phi, and put with its centroid at the source position; its own shape stands for n and source_q.
    """
    which = (draws.hashes(seed, "source stamp", ids) % np.uint64(len(stamps.radii))).astype(np.int64)
    place = np.column_stack(
        [
            parameters["source_x"],
            parameters["source_y"],
            parameters["source_phi"],
            parameters["r_e"] / stamps.radii[which],
            stamps.centres[which],
            stamps.sides[which][:, ::-1],
        ]
    )
    rows = np.column_stack([parameters[name] for name in sampling.SOURCE_FIELDS]).astype(float)
    count = len(which)
    return Components(
        np.arange(count + 1), rows, np.zeros((count, 4)), which, place.astype(float), np.ones(count), stamps.images
    )


def of_kind(
    kind: str,
    parameters: Mapping[str, np.ndarray],
    ids: np.ndarray,
    seed: int,
    stamps: Stamps | None,
    pixel_scale: float,
) -> Components:
    """Components of the sources of a run: `kind` is "sersic", "clumpy" or "stamps" (with `stamps` from `prepare`)."""
    if kind == "sersic":
        return smooth(parameters, pixel_scale)
    if kind == "clumpy":
        return clumpy(parameters, ids, seed, pixel_scale)
    return real(parameters, ids, seed, stamps)


def _sersics(rows: np.ndarray, share: np.ndarray, each: int, pixel_scale: float) -> Components:
    n, r_e, q = rows[:, 0], rows[:, 1], rows[:, 2]
    smallest = imaging.smallest_cell(pixel_scale)
    core = np.minimum(1.0, sampling.SOFT_CORE * smallest / (r_e * np.sqrt(q)))
    values = np.column_stack([light.sersic_b(n), light.sersic_central(n, r_e), core, light.soft_core(n, core)])
    count = len(rows)
    first = np.arange(0, count + 1, each)
    return Components(
        first,
        np.ascontiguousarray(rows),
        values,
        np.full(count, -1),
        np.zeros((count, 8)),
        np.asarray(share, float),
        _NO_STAMP,
    )
