"""The truth as the survey's catalogue has it: its columns, measurement errors, masks and duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.errors import InputError
from lenscal.kernels import draws
from lenscal.mock import columns, conditions, geometry, photometry, telescopes

Draw = Callable[[], np.ndarray]
"""Standard normal numbers, one for each object."""
UNMODELLED = {
    "early": 0.004,
    "compact": 0.004,
    "disc": 0.02,
    "spiral": 0.3,
    "ring": 0.45,
    "edge_on": 0.06,
    "clumpy": 0.35,
    "core_companion": 0.01,
    "blend": 0.02,
}
"""Share of the light of each kind that a single Tractor profile leaves in the residual."""
_FITBITS = {"FORCED_POINTSOURCE": 0, "HIT_SERSIC_LIMIT": 3, "BRIGHT": 5, "MEDIUM": 6, "GAIA": 7, "GAIA_POINTSOURCE": 12}
_ARCSEC = 1 / 3600


def rows(
    brick: dict,
    truth: pd.DataFrame,
    samples: dict,
    seed: int,
    release: schema.Release = telescopes.DR10,
) -> np.ndarray:
    """Sweep rows of the objects of one brick, in the order of their OBJID; objects that no band covers are left out.

    Parameters
    ----------
    brick : dict
        With conditions.
    truth : DataFrame
        Objects of the brick.
    samples : dict of arrays
        The brick's planes at their positions, from `pixels.draw`.
    """
    out = columns.empty(columns.of(release, columns.SWEEP), len(truth))
    rng = draws.generator(seed, "mock-measure", brick["brickid"])
    normal = lambda: rng.standard_normal(len(truth))  # noqa: E731
    maskbits = samples["maskbits"].astype(np.int32)
    is_bright = maskbits & 1 << schema.MASKBITS["BRIGHT"] > 0
    true_type = truth.type.to_numpy(str)
    forced = is_bright & ~np.isin(true_type, ("PSF", "DUP"))  # nothing but points is fitted next to a bright star
    kind_type = np.where(forced, "PSF", true_type)
    extended = ~np.isin(kind_type, ("PSF", "DUP"))
    r_e, q, n = (truth[name].to_numpy(float) for name in ("r_e", "q", "n"))
    circular = r_e * np.sqrt(q)

    out["RELEASE"], out["BRICKID"], out["BRICKNAME"] = brick["release"], brick["brickid"], brick["brickname"]
    out["OBJID"], out["TYPE"], out["EBV"] = truth.objid, kind_type, brick["ebv"]
    out["MASKBITS"], out["WISEMASK_W1"], out["WISEMASK_W2"] = maskbits, samples["wisemask_w1"], samples["wisemask_w2"]
    best_snr, sky = np.zeros(len(truth)), telescopes.of(release).sky
    for band in schema.BANDS:
        best_snr = np.maximum(best_snr, _band(out, band, truth, samples, kind_type, circular, normal, sky[band]))
    for band in _forced(brick):  # measured at the places and shapes that g, r, z give
        _band(out, band, truth, samples, kind_type, circular, _own_draws(band, brick, len(truth), seed), sky[band])
    _infrared(out, truth, normal)
    for band in ("G", "R", "I", "Z", "W1", "W2", "W3", "W4"):
        if not release.observed(name := f"MW_TRANSMISSION_{band}"):
            continue
        out[name] = 10 ** (-0.4 * conditions.EXTINCTION[band.lower()] * brick["ebv"])

    snr = np.maximum(best_snr, 0.5)
    scatter = np.clip(brick["psfsize_r"] / 2.3548 / snr, 0.001, 0.3)  # arcsec
    out["RA"] = truth.ra + scatter * _ARCSEC * normal() / np.cos(np.radians(truth.dec))
    out["DEC"] = truth.dec + scatter * _ARCSEC * normal()
    out["RA_IVAR"] = out["DEC_IVAR"] = (scatter * _ARCSEC) ** -2.0
    radius_error = np.where(extended, 0.01 + r_e * 1.2 / snr, 1.0)
    ellipse_error = np.where(extended, 0.004 + 1.2 / snr, 1.0)
    out["SHAPE_R"] = np.where(extended, np.maximum(r_e + radius_error * normal(), 0.05), 0)
    out["SHAPE_R_IVAR"] = np.where(extended, radius_error**-2.0, 0)
    e, pa = (1 - q) / (1 + q), np.radians(truth.pa.to_numpy(float))
    free = extended & (kind_type != "REX")
    for name, true in (("SHAPE_E1", e * np.cos(2 * pa)), ("SHAPE_E2", e * np.sin(2 * pa))):
        out[name] = np.where(free, true + np.minimum(ellipse_error, 0.1) * normal(), 0)
        out[f"{name}_IVAR"] = np.where(free, ellipse_error**-2.0, 0)
    sersic = kind_type == "SER"
    fitted = np.clip(n + np.clip(3 / snr, 0.02, 0.5) * normal(), 0.5, 6.0)
    fixed = np.select([kind_type == "DEV", np.isin(kind_type, ("EXP", "REX"))], [4.0, 1.0], 0.0)
    out["SERSIC"] = np.where(sersic, fitted, fixed)
    out["SERSIC_IVAR"] = np.where(sersic, np.clip(3 / snr, 0.02, 0.5) ** -2.0, 0)

    gaia = np.isfinite(truth.gaia_g.to_numpy(float))
    at_limit = sersic & (fitted >= 6.0)
    out["FITBITS"] = _fitbits(truth, forced, at_limit, gaia, kind_type)
    _gaia(out, truth, gaia, rng, release.reference["stars"])
    _likelihoods(out, snr, kind_type)
    seen = sum(samples[f"nobs_{band}"].astype(int) for band in schema.BANDS) > 0
    return out[seen]


def _forced(brick: Iterable[str]) -> list[str]:
    """Bands beside g, r, z that a brick was observed in."""
    return [band for band in conditions.bands_of(brick) if band in schema.MORE_BANDS]


def _own_draws(band: str, brick: dict, size: int, seed: int) -> Draw:
    """Normal numbers for a band beside g, r, z, of which those of the others know nothing."""
    return partial(draws.generator(seed, f"mock-measure-{band}", brick["brickid"]).standard_normal, size)


def _fitbits(
    truth: pd.DataFrame, forced: np.ndarray, at_limit: np.ndarray, gaia: np.ndarray, kind_type: np.ndarray
) -> np.ndarray:
    bits = np.zeros(len(truth), np.int16)
    for name, where in (
        ("FORCED_POINTSOURCE", forced),
        ("HIT_SERSIC_LIMIT", at_limit),
        ("BRIGHT", gaia & (truth.gaia_g < 13)),
        ("MEDIUM", gaia & (truth.gaia_g < 16)),
        ("GAIA", gaia),
        ("GAIA_POINTSOURCE", gaia & (kind_type == "PSF")),
    ):
        bits |= np.where(where, 1 << _FITBITS[name], 0).astype(np.int16)
    return bits


def _band(
    out: np.ndarray,
    band: str,
    truth: pd.DataFrame,
    samples: dict,
    kind_type: np.ndarray,
    circular: np.ndarray,
    normal: Draw,
    sky: float,
) -> np.ndarray:
    """Fill the columns of one optical band; returns its signal to noise."""
    up = band.upper()
    nobs, psfsize, weight = (samples[f"{name}_{band}"] for name in ("nobs", "psfsize", "invvar"))
    covered = nobs > 0
    size = np.where(covered, psfsize, 1.0).astype(float)
    variance = np.where(covered, 1 / np.where(covered, weight, 1), 0).astype(float)  # of a pixel
    area = schema.PIXEL_SCALE**2
    depth = np.where(covered, area / (4 * np.pi * (size / 2.3548) ** 2) * weight, 0)
    true = np.where(kind_type == "DUP", 0, truth[f"flux_{band}"].to_numpy(float))
    flux_variance = photometry.noise_area(size, circular) / area * variance + true * variance / sky
    error = np.sqrt(flux_variance)
    has_flux = covered & (kind_type != "DUP")
    out[f"FLUX_{up}"] = np.where(has_flux, true + error * normal(), 0)
    out[f"FLUX_IVAR_{up}"] = np.where(has_flux, 1 / np.where(has_flux, flux_variance, 1), 0)
    out[f"NOBS_{up}"], out[f"PSFSIZE_{up}"] = nobs, psfsize
    out[f"PSFDEPTH_{up}"] = depth
    out[f"GALDEPTH_{up}"] = photometry.galaxy_depth(depth, size)
    out[f"ALLMASK_{up}"] = samples[f"allmask_{band}"]
    out[f"ANYMASK_{up}"] = samples[f"allmask_{band}"]
    x, y = (truth[name].to_numpy(float) * schema.PIXEL_SCALE for name in ("x", "y"))
    fracflux, neighbours = photometry.blending(x, y, true, circular, float(np.median(size)))
    fibre = true * photometry.fibre_fraction(truth.n.to_numpy(float), circular)
    out[f"FRACFLUX_{up}"] = np.where(has_flux, fracflux, 0)
    out[f"FIBERFLUX_{up}"] = np.where(has_flux, fibre, 0)
    out[f"FIBERTOTFLUX_{up}"] = np.where(has_flux, fibre + neighbours, 0)
    out[f"RCHISQ_{up}"] = np.where(has_flux, _rchisq(truth, band, true, variance, size, circular, normal, sky), 0)
    deep = np.where((truth.kind == "merger") & (truth.pattern_seed.fillna(0) % 2 == 0), 0.7, 0.992)
    out[f"FRACIN_{up}"] = np.where(has_flux, np.clip(deep + 0.006 * normal(), 0, 1), 0)
    out[f"FRACMASKED_{up}"] = np.where(has_flux, np.abs(0.01 * normal()), 0)
    return np.where(has_flux, true / np.where(has_flux, error, 1), 0)


def _rchisq(
    truth: pd.DataFrame,
    band: str,
    flux: np.ndarray,
    variance: np.ndarray,
    psfsize: np.ndarray,
    circular: np.ndarray,
    normal: Draw,
    sky: float,
) -> np.ndarray:
    """Reduced chi^2 of a smooth model: one, and the square of what the model cannot have, over the noise."""
    kind = truth.kind.to_numpy(str)
    share = np.array([UNMODELLED.get(name, 0.0) for name in kind])
    share = np.where(kind == "merger", 0.05 + truth.tail_fraction.fillna(0), share)
    left = share * flux
    width = np.hypot(psfsize / 2.3548, 1.3 * circular)
    lensed, theta_e = (truth[name].fillna(0).to_numpy(float) for name in (f"lensed_flux_{band}", "lens_theta_e"))
    left = np.where(kind == "lens", 0.7 * lensed, left)
    width = np.where(kind == "lens", np.hypot(psfsize / 2.3548, 1.2 * theta_e), width)
    pixels = np.pi * (1.7 * width / schema.PIXEL_SCALE) ** 2
    per_pixel = left / pixels
    noise = variance * (1 + flux / pixels / sky)
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.where(noise > 0, per_pixel**2 / noise, 0)
    return np.clip(1 + 0.03 * normal() + excess, 0.7, 60)


def _infrared(out: np.ndarray, truth: pd.DataFrame, normal: Draw) -> None:
    w1 = np.where(out["TYPE"] == b"DUP", 0, truth.flux_w1.to_numpy(float))
    for band, ratio, ivar in (("W1", 1.0, 3.0), ("W2", 0.65, 0.7), ("W3", 0.5, 1.5e-3), ("W4", 0.5, 3e-5)):
        out[f"FLUX_{band}"] = w1 * ratio + normal() / np.sqrt(ivar)
        out[f"FLUX_IVAR_{band}"], out[f"NOBS_{band}"], out[f"RCHISQ_{band}"] = (
            ivar,
            160 if band < "W3" else 15,
            1 + 0.05 * normal(),
        )
    out["PSFDEPTH_W1"], out["PSFDEPTH_W2"] = 3.0, 0.7
    out["WISE_COADD_ID"] = b"mockp000"


def _gaia(out: np.ndarray, truth: pd.DataFrame, gaia: np.ndarray, rng: np.random.Generator, code: str) -> None:
    g = np.where(gaia, truth.gaia_g.to_numpy(float), 0)
    out["REF_CAT"] = np.where(gaia, code.encode(), b"  ")
    out["REF_ID"] = np.where(gaia, (out["BRICKID"].astype(np.int64) << 24) + out["OBJID"], 0)
    out["REF_EPOCH"] = np.where(gaia, 2016.0, 0)
    colour = (truth.mag_g - truth.mag_r).to_numpy(float)
    out["GAIA_PHOT_G_MEAN_MAG"] = g
    out["GAIA_PHOT_BP_MEAN_MAG"] = np.where(gaia, g + 0.5 * np.nan_to_num(colour), 0)
    out["GAIA_PHOT_RP_MEAN_MAG"] = np.where(gaia, g - 0.5 * np.nan_to_num(colour), 0)
    precision = np.where(gaia, 10 ** (3 - 0.15 * (g - 13)), 0)
    for name in ("G", "BP", "RP"):
        out[f"GAIA_PHOT_{name}_MEAN_FLUX_OVER_ERROR"] = precision
    out["GAIA_ASTROMETRIC_PARAMS_SOLVED"] = np.where(gaia, 31, 0)
    out["GAIA_PHOT_BP_RP_EXCESS_FACTOR"] = np.where(gaia, 1.2, 0)
    out["GAIA_ASTROMETRIC_SIGMA5D_MAX"] = np.where(gaia, 0.1 * 10 ** (0.2 * (g - 15)), 0)
    moving = gaia & (truth.kind == "star").to_numpy()
    for name, sigma in (("PARALLAX", 0.5), ("PMRA", 5.0), ("PMDEC", 5.0)):
        out[name] = np.where(moving, np.abs(sigma * rng.standard_normal(len(truth))), 0)
        out[f"{name}_IVAR"] = np.where(moving, 25.0, 0)


def _likelihoods(out: np.ndarray, snr: np.ndarray, kind_type: np.ndarray) -> None:
    """DCHISQ of the five models (PSF, REX, DEV, EXP, SER): the catalogued one wins."""
    share = {
        "PSF": (1.0, 0, 0, 0, 0),
        "REX": (0.9, 1.0, 0, 0, 0),
        "DEV": (0.7, 0.85, 1.0, 0.95, 0),
        "EXP": (0.7, 0.85, 0.95, 1.0, 0),
    }
    for index, name in enumerate(kind_type):
        out["DCHISQ"][index] = snr[index] ** 2 * np.array(
            share.get(name, (0.7, 0.85, 0.97, 0.96, 1.0) if name == "SER" else (0,) * 5)
        )


def duplicates(sweep: np.ndarray, bricks: pd.DataFrame, truth: pd.DataFrame, seed: int) -> np.ndarray:
    """Rows for objects near the border of a pair that the partner brick lists again, as overlapping bricks can."""
    extra = []
    for brick in bricks[bricks.side.isin(["E", "N"])].to_dict("records"):
        partner = bricks[bricks.brickid == brick["partner"]].iloc[0]
        own = truth[(truth.brickid == brick["brickid"]) & truth.kind.isin(["early", "compact", "disc"])]
        x, y = geometry.to_pixel(partner.ra, partner.dec, brick["pixels"], own.ra, own.dec)
        inside = (x > 0) & (y > 0) & (x < brick["pixels"] - 1) & (y < brick["pixels"] - 1)
        for number, objid in enumerate(own.objid[inside][:2]):
            row = sweep[(sweep["BRICKID"] == brick["brickid"]) & (sweep["OBJID"] == objid)].copy()
            rng = draws.generator(seed, "mock-duplicates", brick["brickid"] * 8 + number)
            row["BRICKID"], row["BRICKNAME"], row["RELEASE"] = partner.brickid, partner.brickname, partner.release
            row["OBJID"] = int((truth.brickid == partner.brickid).sum()) + number
            row["RA"] += 0.05 * _ARCSEC * rng.standard_normal()
            row["DEC"] += 0.05 * _ARCSEC * rng.standard_normal()
            for band in ("G", "R", "Z"):
                row[f"FLUX_{band}"] *= 1 + 0.003 * rng.standard_normal()
            for band in _forced(brick):
                own = draws.generator(seed, f"mock-duplicates-{band}", brick["brickid"] * 8 + number)
                row[f"FLUX_{band.upper()}"] *= 1 + 0.003 * own.standard_normal()
            extra.append(row)
    return np.concatenate(extra) if extra else sweep[:0]


def tile(ra: float, dec: float) -> str:
    """Name of the 5 x 5 degree sweep file that holds a position."""
    corner = lambda r, d: f"{r:03d}{'p' if d >= 0 else 'm'}{abs(d):03d}"  # noqa: E731
    r, d = int(ra // 5 * 5), int(dec // 5 * 5)
    return f"sweep-{corner(r, d)}-{corner(r + 5, d + 5)}.fits"


def by_tile(sweep: np.ndarray, repeated: int = 3) -> dict[str, np.ndarray]:
    """Rows by sweep file, by brick and object; a few rows of each file stand in the next one too,
    as a reader must expect.
    """
    sweep = sweep[np.lexsort((sweep["OBJID"], sweep["BRICKID"]))]
    names = np.array([tile(ra, dec) for ra, dec in zip(sweep["RA"], sweep["DEC"])])
    found = sorted(set(names))
    if len(found) < 2:
        raise InputError(
            f"the embedded sky lies in one sweep file ({found[0]}); change the seed or ask for more bricks"
        )
    parts = {name: sweep[names == name] for name in found}
    again = {
        name: parts[other][parts[other]["TYPE"] != b"PSF"][:repeated]
        for other, name in zip(found, found[1:] + found[:1])
    }
    return {name: np.concatenate([parts[name], again[name]]) for name in found}
