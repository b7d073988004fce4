"""The galaxies of a brick: kinds in fixed shares, each with the light that is drawn and the row
the catalogue will hold.
"""

from __future__ import annotations

import numpy as np

from lenscal.kernels import draws

KINDS = {
    # kind: (share, Tractor types and their shares)
    "early": (0.51, {"SER": 0.62, "DEV": 0.38}),
    "compact": (0.15, {"REX": 1.0}),
    "disc": (0.09, {"SER": 0.55, "EXP": 0.45}),
    "faint": (0.03, {"SER": 0.4, "DEV": 0.3, "REX": 0.3}),  # fainter than z = 20: for the manifest to drop
    "spiral": (0.045, {"SER": 0.8, "EXP": 0.2}),
    "ring": (0.02, {"SER": 1.0}),
    "edge_on": (0.035, {"SER": 0.7, "EXP": 0.15, "DEV": 0.15}),
    "merger": (0.025, {"SER": 0.6, "DEV": 0.4}),
    "blend": (0.045, {"REX": 0.5, "DEV": 0.3, "SER": 0.2}),
    "clumpy": (0.02, {"SER": 0.8, "EXP": 0.2}),
    "core_companion": (0.03, {"DEV": 0.6, "SER": 0.4}),
}
"""Kinds of the main galaxies of a brick; `merger`, `blend` and `core_companion` bring a second object each."""

PAIRED = ("merger", "blend", "core_companion")
CATEGORIES = {
    "spiral": "spiral",
    "ring": "ring",
    "edge_on": "edge_on",
    "merger": "merger",
    "blend": "blend",
    "clumpy": "clumpy",
}
"""Kinds that the catalogue of contaminants lists, and its names for them."""
_SERSIC = {"DEV": 4.0, "EXP": 1.0, "REX": 1.0, "PSF": 0.0}


def _shares(names: list, shares: list[float], count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` names in these shares, as evenly as whole numbers allow, in random order."""
    ranks = (np.arange(count) + rng.uniform()) / max(count, 1)
    return rng.permutation(np.array(names, object)[np.searchsorted(np.cumsum(shares)[:-1], ranks, side="right")])


def kinds(brickid: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Kind and Tractor type of each main galaxy of one brick."""
    rng = draws.generator(seed, "mock-kinds", brickid)
    kind = _shares(list(KINDS), [share for share, _ in KINDS.values()], count, rng)
    types = np.empty(count, object)
    for name, (_, mixture) in KINDS.items():
        here = np.flatnonzero(kind == name)
        types[here] = rng.choice(list(mixture), here.size, p=list(mixture.values()))
    return kind, types


def _magnitude(rng: np.random.Generator, bright: np.ndarray, faint: np.ndarray, slope: float = 0.3) -> np.ndarray:
    """Magnitudes with counts that grow as 10^(slope m)."""
    low, high = 10 ** (slope * bright), 10 ** (slope * faint)
    return np.log10(low + rng.uniform(size=np.shape(bright)) * (high - low)) / slope


_BRIGHT = {
    "compact": 18.3,
    "faint": 20.02,
    "spiral": 16.8,
    "ring": 17.0,
    "edge_on": 16.9,
    "merger": 17.2,
    "blend": 17.8,
    "clumpy": 17.6,
    "core_companion": 17.0,
    "field": 20.05,
}
_FAINT = {
    "faint": 20.6,
    "spiral": 18.5,
    "ring": 18.4,
    "edge_on": 19.2,
    "merger": 18.9,
    "blend": 19.3,
    "clumpy": 19.3,
    "core_companion": 18.3,
    "field": 22.6,
}
"""Limits of z of kinds whose limits are not those of `light`."""


class _Draws:
    """Random numbers for galaxies of given kinds, one for each galaxy whether its kind uses it or not."""

    def __init__(self, kind: np.ndarray, rng: np.random.Generator) -> None:
        self.kind, self.rng, self.count = kind, rng, len(kind)

    def by_kind(self, default: object, **special: object) -> np.ndarray:
        out = np.full(self.count, default, float) if np.isscalar(default) else np.array(default, float)
        for name, value in special.items():
            out = np.where(self.kind == name, value, out)
        return out

    def normal(self, mean: float, sigma: float) -> np.ndarray:
        return mean + sigma * self.rng.standard_normal(self.count)

    def uniform(self, low: float, high: float) -> np.ndarray:
        return self.rng.uniform(low, high, self.count)


def light(kind: np.ndarray, kind_type: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Intrinsic magnitudes, sizes, shapes and patterns of galaxies of given kinds and Tractor types.

    Returns
    -------
    dict of arrays
        kind, type, mag_g, mag_r, mag_z, mag_w1 (dereddened), r_e (semi-major half-light radius, arcsec), q, pa (degrees
        East of North), n (Sersic index drawn), and the parameters of the pattern of the kind (NaN where it has none).
    """
    draw = _Draws(kind, rng)
    mag_z = _magnitude(rng, draw.by_kind(17.5, **_BRIGHT), draw.by_kind(19.93, **_FAINT))
    colour_gr = _colour(draw)
    colour_rz = np.clip(0.08 + 0.5 * colour_gr + draw.normal(0, 0.07), -0.1, 1.3)
    radius = 10 ** (0.25 - 0.13 * (mag_z - 18) + draw.normal(0, 0.13))
    r_e, q, n = _shape(draw, kind_type, radius)
    return {
        "kind": kind,
        "type": kind_type,
        "mag_g": mag_z + colour_rz + colour_gr,
        "mag_r": mag_z + colour_rz,
        "mag_z": mag_z,
        "mag_w1": mag_z - np.clip(0.35 + 0.55 * colour_rz + draw.normal(0, 0.12), -0.4, 1.5),
        "r_e": r_e,
        "q": q,
        "pa": draw.uniform(0, 180),
        "n": np.round(n, 1),
        **_pattern(draw, r_e),
        "pattern_seed": rng.integers(0, 2**31, draw.count),
    }


def _colour(draw: _Draws) -> np.ndarray:
    """Colours g - r."""
    red_or_blue = np.where(draw.rng.uniform(size=draw.count) < 0.5, draw.normal(1.3, 0.12), draw.normal(0.75, 0.15))
    colour_gr = draw.by_kind(
        draw.normal(1.38, 0.12),
        compact=red_or_blue,
        disc=draw.normal(0.75, 0.15),
        spiral=draw.normal(0.62, 0.1),
        ring=draw.normal(0.72, 0.07),
        edge_on=draw.normal(0.85, 0.18),
        clumpy=draw.normal(0.30, 0.08),
        field=draw.normal(0.75, 0.4),
    )
    return np.clip(colour_gr, -0.1, 1.9)


def _shape(draw: _Draws, kind_type: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half-light radius, axis ratio and Sersic index."""
    kind = draw.kind
    r_e = draw.by_kind(
        np.clip(radius, 0.45, 4.0),
        compact=draw.uniform(0.35, 0.9),
        disc=np.clip(1.2 * radius, 0.6, 3.5),
        spiral=draw.uniform(1.9, 3.4),
        ring=draw.uniform(1.7, 3.0),
        edge_on=draw.uniform(1.6, 3.8),
        merger=draw.uniform(1.0, 1.9),
        blend=np.clip(0.9 * radius, 0.5, 1.8),
        clumpy=draw.uniform(1.2, 2.4),
        core_companion=draw.uniform(1.1, 2.2),
        field=draw.uniform(0.25, 0.75),
    )
    r_e = np.where(kind_type == "REX", np.clip(r_e, 0.3, 0.95), np.where(kind_type == "PSF", 0.0, r_e))
    q = draw.by_kind(
        np.clip(draw.normal(0.75, 0.14), 0.38, 0.99),
        disc=draw.uniform(0.42, 0.95),
        spiral=draw.uniform(0.72, 0.98),
        ring=draw.uniform(0.75, 0.98),
        edge_on=draw.uniform(0.13, 0.3),
        field=draw.uniform(0.4, 1.0),
        clumpy=draw.uniform(0.5, 0.9),
    )
    q = np.where(kind_type == "REX", 1.0, q)
    n = draw.by_kind(
        draw.uniform(2.2, 5.8),
        disc=draw.uniform(0.7, 1.9),
        spiral=draw.uniform(0.7, 1.4),
        ring=draw.uniform(0.6, 1.2),
        edge_on=draw.uniform(0.7, 1.3),
        merger=draw.uniform(2.0, 4.0),
        clumpy=draw.uniform(0.6, 1.2),
        field=draw.uniform(0.8, 2.0),
    )
    n = np.where((kind == "core_companion") & (kind_type == "SER"), draw.uniform(4.0, 6.0), n)
    fixed = np.array([_SERSIC.get(name, np.nan) for name in kind_type])
    n = np.where((kind == "edge_on") & (kind_type == "DEV"), 1.0, np.where(np.isfinite(fixed), fixed, n))
    return r_e, q, n


def _pattern(draw: _Draws, r_e: np.ndarray) -> dict[str, np.ndarray]:
    """Bulge, arms, ring, clumps and tails of the kinds that have them; NaN elsewhere."""
    return {
        "bulge": draw.by_kind(
            np.nan, spiral=draw.uniform(0.12, 0.3), ring=draw.uniform(0.35, 0.55), edge_on=draw.uniform(0.1, 0.25)
        ),
        "arms": draw.by_kind(np.nan, spiral=draw.rng.choice([2, 2, 2, 3, 4], draw.count)),
        "pitch": draw.by_kind(np.nan, spiral=draw.uniform(12, 28) * draw.rng.choice([-1, 1], draw.count)),
        "arm_strength": draw.by_kind(np.nan, spiral=draw.uniform(0.7, 0.95)),
        "phase": draw.by_kind(np.nan, spiral=draw.uniform(0, 360), ring=draw.uniform(0, 360)),
        "ring_radius": draw.by_kind(np.nan, ring=1.35 * r_e),
        "ring_width": draw.by_kind(np.nan, ring=draw.uniform(0.35, 0.6)),
        "clumps": draw.by_kind(np.nan, clumpy=draw.rng.integers(5, 11, draw.count)),
        "tail_fraction": draw.by_kind(np.nan, merger=draw.uniform(0.08, 0.2)),
        "tail_angle": draw.by_kind(np.nan, merger=draw.uniform(0, 360)),
    }


def companions(main: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The second object of each merger, blend and core with companion: near enough and bright enough to confuse.

    Returns
    -------
    dict of arrays
        As `light`, and `of` (index of the main galaxy), `separation` [arcsec] and `angle` [degree, counter-clockwise
        from +x].
    """
    of = np.flatnonzero(np.isin(main["kind"], PAIRED))
    count, kind = of.size, main["kind"][of]
    core, merger = kind == "core_companion", kind == "merger"
    types = np.where(
        core,
        rng.choice(["REX", "PSF", "EXP"], count, p=[0.5, 0.2, 0.3]),
        rng.choice(["REX", "SER", "DEV", "EXP"], count, p=[0.4, 0.25, 0.2, 0.15]),
    ).astype(object)
    table = light(np.full(count, "companion", object), types, rng)
    ratio = np.where(core, rng.uniform(0.04, 0.18, count), rng.uniform(0.25, 0.9, count))
    shift = main["mag_r"][of] - 2.5 * np.log10(ratio) - table["mag_r"]
    for band in ("g", "r", "z", "w1"):
        table[f"mag_{band}"] = table[f"mag_{band}"] + shift
    table["r_e"] = np.where(types == "PSF", 0.0, np.clip(table["r_e"] * 0.7, 0.3, 1.4))
    apart = [rng.uniform(low, high, count) for low, high in ((2.2, 4.5), (1.8, 3.6), (1.2, 5.0))]
    table["separation"] = np.select([core, merger], apart[:2], apart[2])
    table["angle"] = np.where(merger, main["tail_angle"][of], rng.uniform(0, 360, count))
    table["of"] = of
    return table
