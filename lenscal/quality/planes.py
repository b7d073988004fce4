"""Planes against the catalogue and against each other: whether each band of a brick shows the light, the seeing and the
place that the survey's tables give it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.gates import Gate, absent

APERTURE_ARCSEC = 3.0
CENTROID_PX = 6.0
SNR_MIN = 10.0  # of the catalogued flux in the aperture
ROWS_MIN = 3  # galaxies of a brick below which nothing is said of it
ROWS_ENOUGH = 5  # below, every one must say it
FLUX_MAX = 0.5  # dex: an aperture of 3 arcsec holds a third of the light and more
COLOUR_MAX = 0.15  # dex, against r: 0.4 mag
PSFSIZE_MAX = 0.02  # dex: 5 %; that of g and z differs by more
SHIFT_MAX = 0.35  # pixels
_FLOOR = -2.0  # dex, of an aperture without light
_BRICK = re.compile(r"legacysurvey-(\w+)-image")


def compared(cutouts: xr.Dataset, rows: pd.DataFrame) -> list[dict]:
    """Each brick of some cutouts, band by band, against the catalogue.

    Parameters
    ----------
    cutouts : Dataset (galaxy, band, y, x)
        As declared in `schema.CUTOUTS`, in memory.
    rows : DataFrame
        Rows of the manifest, the same galaxies in the same order: flux_* [nanomaggy], psfsize_* [arcsec], brickname.

    Returns
    -------
    list of dict
        brick, band, rows, and lists of what is known of its galaxies: flux (log10 of aperture over catalogued flux),
        colour (the same less that of r; of r the smaller of the others), psfsize (log10 of plane over catalogue), x, y
        (shift against r in pixels).
    """
    flux, colour, shift = _light(cutouts, rows)
    bands = _bands_of(cutouts)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.log10(cutouts["psfsize"].values / _of_bands(rows, "psfsize", bands))
    size[~np.isfinite(size)] = np.nan
    found = [_BRICK.search(str(url)) for url in cutouts["cutout_url"].values]
    bricks = np.array([match[1] if match else str(name) for match, name in zip(found, rows["brickname"])], object)
    out = []
    for brick in sorted(set(bricks)):
        mine = bricks == brick
        for b, band in enumerate(bands):
            measures = {
                "flux": flux[mine, b],
                "colour": colour[mine, b],
                "psfsize": size[mine, b],
                "x": shift[mine, b, 0],
                "y": shift[mine, b, 1],
            }
            out.append(
                {
                    "brick": brick,
                    "band": band,
                    "rows": int(mine.sum()),
                    **{name: values[np.isfinite(values)].round(4).tolist() for name, values in measures.items()},
                }
            )
    return out


def of_bricks(pieces: Iterable[Mapping]) -> pd.DataFrame:
    """One row a brick and band, whatever blocks its galaxies were in.

    Parameters
    ----------
    pieces : iterable of mapping
        From `compared`, of all blocks.

    Returns
    -------
    DataFrame
        brick, band, rows; flux, colour, psfsize, x, y: medians, NaN where fewer than `ROWS_MIN` galaxies tell. Where
        fewer than `ROWS_ENOUGH` do, the value nearest to 0 stands in for the median.
    """
    measures = ("flux", "colour", "psfsize", "x", "y")
    whole: dict[tuple[str, str], dict] = {}
    for piece in pieces:
        row = whole.setdefault((piece["brick"], piece["band"]), {"rows": 0, **{name: [] for name in measures}})
        row["rows"] += piece["rows"]
        for name in measures:
            row[name] += piece[name]
    rows = [
        {"brick": brick, "band": band, "rows": row["rows"], **{name: _middle(np.array(row[name])) for name in measures}}
        for (brick, band), row in sorted(whole.items())
    ]
    return pd.DataFrame(rows, columns=["brick", "band", "rows", *measures])


def _middle(values: np.ndarray) -> float:
    if len(values) < ROWS_MIN:
        return np.nan
    if len(values) < ROWS_ENOUGH:
        return float(values[np.argmin(np.abs(values))]) if np.ptp(np.sign(values)) == 0 else 0.0
    return round(float(np.median(values)), 4)


def _bands_of(cutouts: xr.Dataset) -> list[str]:
    return [str(band) for band in cutouts["band"].values]


def _of_bands(rows: pd.DataFrame, name: str, bands: Sequence[str]) -> np.ndarray:
    return rows[[f"{name}_{band}" for band in bands]].to_numpy(np.float64, na_value=np.nan)


def _light(cutouts: xr.Dataset, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aperture over catalogued flux (galaxy, band) in dex, the same against the other bands, and shifts
    against r (galaxy, band, x y).
    """
    bands = _bands_of(cutouts)
    image = cutouts["image"].values.astype(np.float64)
    n_y, n_x = image.shape[-2:]
    y, x = np.mgrid[:n_y, :n_x]
    distance = np.hypot(y - n_y // 2, x - n_x // 2)
    radius = min(APERTURE_ARCSEC / schema.PIXEL_SCALE, min(n_y, n_x) / 2 - 2)
    inside, rim = distance <= radius, distance > min(n_y, n_x) / 2 - 6
    flux = _of_bands(rows, "flux", bands)
    shape = image.shape[:2]
    if not inside.any() or not rim.any():
        return np.full(shape, np.nan), np.full(shape, np.nan), np.full((*shape, 2), np.nan)
    edge = np.where(np.isfinite(image[..., rim]).any(axis=-1, keepdims=True), image[..., rim], 0.0)
    level = np.nanmedian(edge, axis=-1)
    noise = (
        1.4826 * np.nanmedian(np.abs(edge - level[..., None]), axis=-1) * np.sqrt(2 * inside.sum())
    )  # neighbours are correlated
    noise = np.where(known := _of_bands(rows, "psfdepth", bands) > 0, np.nan, noise)
    # The catalogue's own depth where it has one, so that a plane in another unit does not hide itself: of a PSF, and
    # four times as much in the aperture.
    noise[known] = 4 * 10 ** (0.4 * (schema.ZEROPOINT - _of_bands(rows, "psfdepth", bands)[known])) / 5
    light = image - level[..., None, None]
    total = light[..., inside].sum(axis=-1)
    bright = np.isfinite(total) & (flux >= SNR_MIN * noise) & (noise > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(bright, np.maximum(np.log10(np.maximum(total, 0) / flux), _FLOOR), np.nan)
    red = bands.index("r")
    colour = ratio - ratio[:, [red]]
    others = [b for b in range(shape[1]) if b != red]
    colour[:, red] = np.where(np.isfinite(colour[:, others]).all(axis=1), np.abs(colour[:, others]).min(axis=1), np.nan)
    centre = _centroids(np.where(np.isfinite(light), light, 0.0), bright & (ratio > -FLUX_MAX))
    return ratio, colour, centre - centre[:, [red]]


def _centroids(light: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(galaxy, band, x y) centres of light, in pixels from the middle, of a disc that follows
    them; NaN where not known.
    """
    n_y, n_x = light.shape[-2:]
    y, x = (axis - n // 2 for axis, n in zip(np.mgrid[:n_y, :n_x], (n_y, n_x)))
    near = np.hypot(x, y) <= 2 * CENTROID_PX
    x, y, light = x[near], y[near], light[..., near]
    centre = np.zeros((*known.shape, 2))
    for _ in range(4):
        disc = np.hypot(x - centre[..., :1], y - centre[..., 1:]) <= CENTROID_PX
        weight = light * disc
        with np.errstate(divide="ignore", invalid="ignore"):
            new = np.stack([(weight * x).sum(-1), (weight * y).sum(-1)], axis=-1) / weight.sum(-1)[..., None]
        centre = np.clip(np.where(np.isfinite(new), new, 0.0), -CENTROID_PX, CENTROID_PX)
    return np.where(known[..., None], centre, np.nan)


def plane_gates(pieces: Iterable[Mapping]) -> list[Gate]:
    """What must hold of the planes of each brick; `pieces` from `compared`, of all blocks."""
    table = of_bricks(pieces)
    found, more = [], set(table["band"])
    for band in [band for band in schema.OPTICAL if band in schema.BANDS or band in more]:
        mine = table[table["band"].eq(band)]
        flux, colour, size = (mine[name].astype(float) for name in ("flux", "colour", "psfsize"))
        found.append(
            _gate(
                f"quality.flux.{band}",
                f"{band}: apertures of each brick hold the light that the catalogue has",
                mine,
                {
                    f"flux beyond {FLUX_MAX} dex": flux.abs() > FLUX_MAX,
                    f"colour beyond {COLOUR_MAX} dex": colour.abs() > COLOUR_MAX,
                },
                flux.notna(),
                {"flux": flux, "colour": colour},
            )
        )
        found.append(
            _gate(
                f"quality.psfsize.{band}",
                f"{band}: psfsize of each brick is that of the catalogue",
                mine,
                {f"beyond {PSFSIZE_MAX} dex": size.abs() > PSFSIZE_MAX},
                size.notna(),
                {"psfsize": size},
            )
        )
        if band != "r":
            away = np.hypot(mine["x"].astype(float), mine["y"].astype(float))
            found.append(
                _gate(
                    f"quality.shift.{band}",
                    f"{band}: objects of each brick lie where they do in r",
                    mine,
                    {f"beyond {SHIFT_MAX} px": away > SHIFT_MAX},
                    away.notna(),
                    {"shift": away},
                )
            )
    return found


def _gate(
    id_: str,
    claim: str,
    table: pd.DataFrame,
    wrong: Mapping[str, pd.Series],
    known: pd.Series,
    values: Mapping[str, pd.Series],
) -> Gate:
    if not known.any():
        return absent(id_, claim, f"no brick has {ROWS_MIN} galaxies bright enough")
    bad = np.logical_or.reduce([rows.to_numpy() for rows in wrong.values()])
    told = [
        f"{what}: {table['brick'][rows].nunique()} (the first: {table['brick'][rows].iloc[0]}, "
        f"{values[name][rows].iloc[0]:+.2f})"
        for (what, rows), name in zip(wrong.items(), values)
        if rows.any()
    ]
    middle = ", ".join(f"{name} {series.median():+.3f}" for name, series in values.items())
    return Gate(
        id_,
        claim,
        "bricks that are otherwise",
        int(table["brick"][bad].nunique()),
        maximum=0,
        critical=True,
        evidence=f"{table['brick'][known].nunique()} bricks with {ROWS_MIN} galaxies or more; median {middle}"
        + (f"; {'; '.join(told)}: are planes of another band or kind, or mirrored?" if told else ""),
    )
