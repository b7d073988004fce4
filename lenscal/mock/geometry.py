"""Where the bricks of the embedded sky lie: one to a HEALPix pixel, some in overlapping pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.errors import InputError
from lenscal.kernels import draws

NSIDE = 128
OVERLAP_PX = 130  # of two neighbouring bricks, as in the survey
EDGE_PX = 52  # objects keep this far from an outer edge: half a stamp of 101 px
FIRST_BRICKID = (
    700_001  # above every brick of the real survey (662,174), so that no mock object can pass for a real one
)
_RA_START, _WIDTH, _HEIGHT, _RIM = 150.0, 10.0, 10.0, 0.4  # degrees
_PIXELS_PER_WIDTH = 300
_ACROSS = 0.2  # degrees from a border to the middle of a pixel whose brick is put across it
_SCALE = schema.PIXEL_SCALE / 3600


def to_sky(ra0: float, dec0: float, n: int, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sky positions [degree] of zero-based pixels of the n x n gnomonic (TAN) image centred on (ra0, dec0)."""
    west, north = (np.radians((np.asarray(c, float) - (n - 1) / 2) * _SCALE) for c in (x, y))
    sin0, cos0 = np.sin(np.radians(dec0)), np.cos(np.radians(dec0))
    ra = ra0 + np.degrees(np.arctan2(-west, cos0 - north * sin0))
    dec = np.degrees(np.arctan2(sin0 + north * cos0, np.hypot(west, cos0 - north * sin0)))
    return ra % 360, dec


def to_pixel(ra0: float, dec0: float, n: int, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Zero-based pixels of sky positions [degree]; the inverse of `to_sky`."""
    d_ra, dec = np.radians(np.asarray(ra) - ra0), np.radians(dec)
    sin0, cos0 = np.sin(np.radians(dec0)), np.cos(np.radians(dec0))
    cosine = sin0 * np.sin(dec) + cos0 * np.cos(dec) * np.cos(d_ra)
    west = -np.cos(dec) * np.sin(d_ra) / cosine
    north = (cos0 * np.sin(dec) - sin0 * np.cos(dec) * np.cos(d_ra)) / cosine
    return np.degrees(west) / _SCALE + (n - 1) / 2, np.degrees(north) / _SCALE + (n - 1) / 2


def brick_name(ra: float, dec: float) -> str:
    """RA x 10 in four digits, p or m, |Dec| x 10 in three."""
    return f"{int(ra * 10 + 1e-6):04d}{'p' if dec >= 0 else 'm'}{int(abs(dec) * 10 + 1e-6):03d}"


def dec_of(pixels: np.ndarray) -> np.ndarray:
    """Declination [degree] of the middles of pixels of the sky."""
    import healpy

    return healpy.pix2ang(NSIDE, np.asarray(pixels, np.int64), nest=True, lonlat=True)[1]


def _sky_pixels(
    count: int, seed: int, fractions: tuple[float, ...], per_split: int, dec_from: float, border: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the sky in the order of their split hash, and the split of each (0 train, 1 val, 2 test); of each split
    one at the border, where there is one.
    """
    import healpy

    start = max(np.ceil(dec_from), 0.0) if border is None else np.floor(border - _HEIGHT / 2)
    width = np.ceil(_WIDTH / np.cos(np.radians(start))) * -(-count // _PIXELS_PER_WIDTH)
    ra, dec = healpy.pix2ang(NSIDE, np.arange(healpy.nside2npix(NSIDE)), nest=True, lonlat=True)
    inside = (ra > _RA_START + _RIM) & (ra < _RA_START + width - _RIM) & (dec > start + _RIM)
    inside &= dec < start + _HEIGHT - _RIM
    candidates = np.flatnonzero(inside)
    hashed = draws.uniform(seed, "split", candidates)
    bounds = np.cumsum(fractions)[:2]
    split = np.searchsorted(bounds, hashed, side="right")
    wanted = [0, *(max(per_split, round(count * share)) for share in fractions[1:])]
    wanted[0] = count - wanted[1] - wanted[2]
    if wanted[0] < 0.25 * count:
        raise InputError(
            f"the embedded sky cannot hold the grid: validation and test must each have {per_split} pixels, one for "
            f"each populated cell, and {count} pixels leave {max(wanted[0], 0)} for training; ask for more bricks "
            "(sky.bricks) or fewer cells (injections.grid)"
        )
    order = np.argsort(draws.uniform(seed, "mock-place", candidates), kind="stable")
    chosen = []
    for code, number in enumerate(wanted):
        of_split = order[split[order] == code]
        if of_split.size < number:
            raise InputError(
                f"the embedded sky has {of_split.size} pixels of split '{schema.SPLITS[code]}' and needs {number}; "
                "change the seed, manifest.split_fractions or sky.bricks"
            )
        if border is not None:
            off = np.abs(dec[candidates[of_split]] - border)
            of_split = np.concatenate([of_split[[np.argmin(off)]], np.delete(of_split, np.argmin(off))])
        chosen.append(of_split[:number])
    chosen = np.concatenate(chosen)
    chosen = chosen[np.argsort(hashed[chosen], kind="stable")]
    return candidates[chosen], split[chosen]


def bricks(
    count: int,
    pairs: int,
    n: int,
    seed: int,
    fractions: tuple[float, ...],
    per_split: int,
    dec_from: float = -90.0,
    border: float | None = None,
) -> pd.DataFrame:
    """Bricks in the order of the split hash of their pixel.

    Parameters
    ----------
    count, pairs : int
        Bricks in all, and overlapping pairs among them.
    n : int
        Side of a brick in pixels.
    seed : int
        Of the run; the split hash is the manifest's own.
    fractions : (3,) floats
        Train, validation and test.
    per_split : int
        Pixels that validation and test must each have at least.
    dec_from : float
        Where the region begins [degree]; the sky lies on the equator, or at the first whole degree beyond.
    border : float, optional
        Declination [degree] that the sky lies on both sides of, with bricks across it.

    Returns
    -------
    DataFrame
        One row a brick: name, id, centre, bounds of the area in which its objects are primary [degree], `slot` (rank of
        its pixel), `split`, `side` (which edge it shares with its partner: '', E, W, N or S) and `partner` (brick id,
        or -1).
    """
    import healpy

    if 2 * pairs > count:
        raise InputError(f"sky.overlapping_pairs is {pairs}, but there are only {count} bricks")
    pixels, split = _sky_pixels(count - pairs, seed, fractions, per_split, dec_from, border)
    paired = set(((np.arange(pairs) + 0.5) * pixels.size / max(pairs, 1)).astype(int))
    rows = []
    half = n / 2 * _SCALE
    step = (n - OVERLAP_PX) * _SCALE / 2
    for slot, pixel in enumerate(pixels):
        ra, dec = healpy.pix2ang(NSIDE, int(pixel), nest=True, lonlat=True)
        jitter = 0.06 * (2 * np.array([draws.uniform(seed, "mock-jitter", pixel, stream=k) for k in (0, 1)]) - 1)
        across = border is not None and abs(dec - border) < _ACROSS
        ra, dec = float(ra + jitter[0]), border if across else float(dec + jitter[1])
        if slot not in paired:
            centres = [("", ra, dec)]
        elif slot % 2:  # a pair meets on a multiple of 0.1 degree, so that its names differ
            ra = round(ra, 1)
            centres = [("E", ra - step / np.cos(np.radians(dec)), dec), ("W", ra + step / np.cos(np.radians(dec)), dec)]
        else:
            dec = round(dec, 1)
            centres = [("N", ra, dec - step), ("S", ra, dec + step)]
        first = FIRST_BRICKID + len(rows)
        for k, (side, ra_k, dec_k) in enumerate(centres):
            wide = half / np.cos(np.radians(dec_k))
            rows.append(
                {
                    "brickname": brick_name(ra_k, dec_k),
                    "brickid": first + k,
                    "ra": ra_k,
                    "dec": dec_k,
                    "ra1": ra if side == "W" else ra_k - wide,
                    "ra2": ra if side == "E" else ra_k + wide,
                    "dec1": dec if side == "S" else dec_k - half,
                    "dec2": dec if side == "N" else dec_k + half,
                    "slot": slot,
                    "healpix_128": int(pixel),
                    "split": schema.SPLITS[split[slot]],
                    "side": side,
                    "partner": first + 1 - k if side else -1,
                    "pixels": n,
                }
            )
    table = pd.DataFrame(rows)
    if table.brickname.duplicated().any():
        raise InputError(
            f"two bricks are called {table.brickname[table.brickname.duplicated()].iloc[0]}; change the seed"
        )
    return table


def shared(side: str, n: int) -> np.ndarray:
    """(n, n) bool: pixels beyond the border to the partner, where the partner's objects are primary."""
    beyond = np.zeros((n, n), bool)
    rim = OVERLAP_PX // 2
    cut = {"E": np.s_[:, :rim], "W": np.s_[:, n - rim :], "N": np.s_[n - rim :, :], "S": np.s_[:rim, :]}
    if side:
        beyond[cut[side]] = True
    return beyond


def room(side: str, n: int) -> tuple[float, float, float, float]:
    """Pixel range (x low, x high, y low, y high) in which a brick's own objects are placed."""
    near = OVERLAP_PX / 2 + 1
    x_low, x_high, y_low, y_high = EDGE_PX, n - 1 - EDGE_PX, EDGE_PX, n - 1 - EDGE_PX
    if side == "E":
        x_low = near
    elif side == "W":
        x_high = n - 1 - near
    elif side == "N":
        y_high = n - 1 - near
    elif side == "S":
        y_low = near
    return x_low, x_high, y_low, y_high
