"""The true lenses: which bricks hold them, which Tractor types they have, and everything about their arcs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.errors import InputError
from lenscal.kernels import draws
from lenscal.mock import galaxies, raytracing

TYPES = ("SER", "DEV", "REX")
UNKNOWN_EVERY = 16  # one lens of so many is in no catalogue
ARC_ROW_EVERY = 6  # one of so many has a row of its own for an arc, as Tractor often makes one


def deal(bricks: pd.DataFrame, supply: pd.DataFrame, count: int) -> pd.DataFrame:
    """Brick and Tractor type of each lens, dealt so that each stratum has as many negatives to a lens as any other.

    Parameters
    ----------
    bricks : DataFrame
        With conditions.
    supply : DataFrame
        Galaxies that can be negatives: columns brickid and type.
    count : int
        Lenses.

    Returns
    -------
    DataFrame
        Columns brickid, type, nobs_bin; highest averages (D'Hondt) over (exposure bin, type), and within a bin spread
        evenly along the split hash, so that every split has its share.
    """
    usable = bricks[~bricks.special.isin(["no-coverage-z", "no-coverage", "nan", "few-exposures", "many-exposures"])]
    low, _, name = (np.array(column) for column in zip(*schema.NOBS_BINS))
    bin_of = pd.Series(name[np.searchsorted(low, usable.nobs_z, side="right") - 1], index=usable.brickid)
    rows = supply[supply.brickid.isin(bin_of.index) & supply.type.isin(TYPES)]
    if count and rows.empty:
        raise InputError("the embedded sky has no galaxies to set its lenses among; ask for more bricks or galaxies")
    size = rows.groupby([rows.brickid.map(bin_of), rows.type]).size()
    seats = dict.fromkeys(size.index, 0)
    for _ in range(count):
        best = max(seats, key=lambda stratum: (size[stratum] / (seats[stratum] + 1), stratum))
        seats[best] += 1
    dealt = []
    for nobs_bin in sorted({stratum[0] for stratum in seats}):
        homes = usable.brickid[usable.brickid.map(bin_of) == nobs_bin].to_numpy()
        types = [name for (where, name), number in sorted(seats.items()) if where == nobs_bin for _ in range(number)]
        places = ((np.arange(len(types)) + 0.5) * homes.size / max(len(types), 1)).astype(int)
        # Stepping through the types with a stride keeps any one of them from gathering in one split.
        turn = np.argsort((np.arange(len(types)) * 0.6180339887) % 1, kind="stable")
        dealt += [
            {"brickid": int(homes[place]), "type": types[k], "nobs_bin": nobs_bin} for place, k in zip(places, turn)
        ]
    return pd.DataFrame(dealt, columns=["brickid", "type", "nobs_bin"])


COMPACT = 0.4  # size of a compact source over that of a spiral


def parameters(index: int, kind_type: str, seed: int, population: config.LensPopulation) -> dict:
    """Deflector, mass, source and catalogue entries of one lens.

    Magnitudes are dereddened; the source is scaled so that its images together have the drawn `lensed_mag_r`. What the
    population does not change has the same random numbers in each: lens 7 has its theta_E and its place whatever its
    host or source is like.
    """
    rng = draws.generator(seed, "mock-lens", index)
    theta_e = float(np.clip(1.65 * np.exp(0.33 * rng.standard_normal()), 0.6, 2.8))
    mag_z = float(np.clip(19.3 - 0.75 * (theta_e - 1) + 0.3 * rng.standard_normal(), 17.6, 19.8))
    colour_gr, colour_rz = 1.5 + 0.12 * rng.standard_normal(), 0.85 + 0.08 * rng.standard_normal()
    r_e = 10 ** (0.25 - 0.13 * (mag_z - 18) + 0.08 * rng.standard_normal())
    q = 1.0 if kind_type == "REX" else float(np.clip(0.8 + 0.1 * rng.standard_normal(), 0.5, 0.98))
    pa = float(rng.uniform(0, 180))
    n = {"DEV": 4.0, "REX": 1.0}.get(kind_type, round(float(rng.uniform(2.5, 5.5)), 1))
    lens = {
        "theta_e": theta_e,
        "q": float(np.clip((q if q < 1 else 0.85) + 0.05 * rng.standard_normal(), 0.5, 0.97)),
        "phi": float(np.radians(pa + 90 + 8 * rng.standard_normal())),
        "gamma1": 0.04 * float(rng.standard_normal()),
        "gamma2": 0.04 * float(rng.standard_normal()),
    }
    low, high = population.offsets
    offset = theta_e * float(np.sqrt(rng.uniform(low**2, high**2)))
    direction = float(rng.uniform(0, 2 * np.pi))
    source = _source(offset * np.cos(direction), offset * np.sin(direction), rng, population)
    _, magnification = raytracing.lensed(lens, source, half_width(theta_e, source["r_e"]))
    lensed_r = float(rng.uniform(*population.lensed_mag_r))
    lensed_gr, lensed_rz = (
        population.lensed_colour_gr + 0.2 * float(rng.standard_normal()),
        0.1 + 0.15 * float(rng.standard_normal()),
    )
    lensed = {"g": lensed_r + lensed_gr, "r": lensed_r, "z": lensed_r - lensed_rz}
    if population.hosts != "massive":
        kind = {"ordinary": "early", "blue": "disc"}[population.hosts]
        light = galaxies.light(
            np.array([kind], object), np.array([kind_type], object), draws.generator(seed, "mock-lens-host", index)
        )
        mag_z, colour_gr, colour_rz = (
            float(v[0]) for v in (light["mag_z"], light["mag_g"] - light["mag_r"], light["mag_r"] - light["mag_z"])
        )
        r_e = float(light["r_e"][0])
    z_lens = float(np.clip(0.35 + 0.12 * (mag_z - 18) + 0.06 * rng.standard_normal(), 0.15, 0.95))
    return {
        "kind": "lens",
        "type": kind_type,
        "mag_g": mag_z + colour_rz + colour_gr,
        "mag_r": mag_z + colour_rz,
        "mag_z": mag_z,
        "mag_w1": mag_z - 1.1,
        "r_e": float(np.clip(r_e, 0.5, 0.95 if kind_type == "REX" else 3.0)),
        "q": q,
        "pa": pa,
        "n": n,
        "lens_index": index,
        **{f"lens_{name}": value for name, value in lens.items()},
        **{f"source_{name}": value for name, value in source.items()},
        "magnification": magnification,
        **{f"lensed_mag_{band}": value for band, value in lensed.items()},
        **{f"source_mag_{band}": value + 2.5 * np.log10(magnification) for band, value in lensed.items()},
        "z_lens": z_lens,
        "z_source": z_lens + float(rng.uniform(0.5, 1.8)),
        "known": index % UNKNOWN_EVERY != UNKNOWN_EVERY // 2,
    }


def _source(x: float, y: float, rng: np.random.Generator, population: config.LensPopulation) -> dict:
    """The source at a place: what the population does not change is drawn for each alike."""
    source = {
        "x": x,
        "y": y,
        "r_e": float(rng.uniform(0.18, 0.38)),
        "n": float(rng.uniform(0.8, 1.5)),
        "q": float(rng.uniform(0.45, 1.0)),
        "phi": float(rng.uniform(0, np.pi)),
        "arms": float(rng.uniform(0.0, 0.7)),
        "knots": int(rng.integers(2, 7)),
        "knot_seed": int(rng.integers(2**31)),
    }
    if population.sources != "spiral":
        source |= {"arms": 0.0, "knots": 0}
    if population.sources == "compact":
        source["r_e"] *= COMPACT
    return source


def half_width(theta_e: float, source_r_e: float) -> float:
    """Half side [arcsec] of the square that holds every image."""
    return 2.2 * theta_e + 6 * source_r_e + 0.5


def split_keys(row: dict) -> tuple[dict, dict]:
    """Mass and source parameters of a row of the truth table, under the names the ray tracer uses."""
    lens = {name: row[f"lens_{name}"] for name in ("theta_e", "q", "phi", "gamma1", "gamma2")}
    source = {name: row[f"source_{name}"] for name in ("x", "y", "r_e", "n", "q", "phi", "arms", "knots", "knot_seed")}
    return lens, source
