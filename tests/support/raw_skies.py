"""What several test modules build on; taken by those of `test_leaves.py` first."""

import healpy
import numpy as np
import pandas as pd
from astropy.io import fits

from lenscal import config, schema
from lenscal.io import sweeps

ARCSEC = 1 / 3600


def astride(rng, order, count, step):
    """Pairs of positions a step apart, each on another side of a border of pixels of an order."""
    ra, dec = 20 + 4 * rng.random(400_000), -2 + 4 * rng.random(400_000)
    angle = 2 * np.pi * rng.random(ra.size)
    ra_2, dec_2 = ra + step * ARCSEC * np.cos(angle) / np.cos(np.radians(dec)), dec + step * ARCSEC * np.sin(angle)
    one, two = (healpy.ang2pix(1 << order, *p, nest=True, lonlat=True) for p in ((ra, dec), (ra_2, dec_2)))
    some = np.flatnonzero(one != two)[:count]
    assert some.size == count
    return np.concatenate([ra[some], ra_2[some]]), np.concatenate([dec[some], dec_2[some]])


def raw_sky():
    """Sweep columns of a sky of 16 square degrees: plain and confusing objects, and bright pairs astride borders."""
    rng = np.random.default_rng(11)
    plain, pairs = 6000, 60
    ra_p, dec_p = astride(rng, 5, pairs, 5.5)
    ra = np.concatenate([20 + 4 * rng.random(plain), ra_p])
    dec = np.concatenate([-2 + 4 * rng.random(plain), dec_p])
    rows = ra.size
    pair = np.arange(rows) >= plain
    bright = pair | (rng.random(rows) < 0.3)
    out = {}
    for name in sweeps.SWEEP_COLUMNS:
        variable = schema.GALAXIES.variables.get(name.lower())
        dtype = "f4" if variable is None else variable.dtype
        out[name] = np.full(rows, "0000p000", "S8") if dtype == "str" else np.ones(rows, dtype)
    types = np.array(["SER", "REX", "DEV", "EXP", "PSF"])[rng.choice(5, rows, p=[0.35, 0.3, 0.15, 0.15, 0.05])]
    out |= {
        "RELEASE": np.full(rows, 10000, "i2"),
        "BRICKID": (1 + (ra * 4).astype("i4") * 40 + ((dec + 2) * 4).astype("i4")).astype("i4"),
        "OBJID": np.arange(rows, dtype="i4"),
        "TYPE": np.where(pair, "REX", types).astype("S3"),
        "RA": ra,
        "DEC": dec,
        "FLUX_G": np.where(bright, 12, 2).astype("f4"),
        "FLUX_R": np.where(bright, 40, 5).astype("f4"),
        "FLUX_Z": np.where(bright, 80, 12).astype("f4"),
        "FRACFLUX_R": np.zeros(rows, "f4"),
        "FRACIN_R": np.ones(rows, "f4"),
        "SHAPE_R": np.where(pair, 0.5, rng.uniform(0.3, 3, rows)).astype("f4"),
        "SHAPE_R_IVAR": np.full(rows, 1e4, "f4"),
        "SHAPE_E1": np.where(pair, 0, rng.normal(0, 0.3, rows)).astype("f4"),
        "SHAPE_E2": np.zeros(rows, "f4"),
        "SERSIC": rng.uniform(0.8, 5, rows).astype("f4"),
        "FITBITS": np.zeros(rows, "i2"),
        "MASKBITS": np.zeros(rows, "i4"),
        "GAIA_PHOT_G_MEAN_MAG": np.where((types == "PSF") & ~pair, 14, 0).astype("f4"),
    }
    out["FLUX_G"][rng.random(rows) < 0.02] = -1  # legal, and without a magnitude
    for band in "GRZ":
        out[f"NOBS_{band}"] = rng.choice([2, 3, 4, 7], rows, p=[0.05, 0.4, 0.3, 0.25]).astype("i2")
        out[f"PSFDEPTH_{band}"], out[f"GALDEPTH_{band}"] = np.full(rows, 1000, "f4"), np.full(rows, 600, "f4")
        out[f"PSFSIZE_{band}"] = rng.uniform(1.1, 1.6, rows).astype("f4")
    return pd.DataFrame(out), pair


def write_sweep(path, raw):
    columns = [
        fits.Column(
            name, _format(raw[name]), array=np.asarray(raw[name].tolist() if raw[name].dtype == object else raw[name])
        )
        for name in raw
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.BinTableHDU.from_columns(columns).writeto(path)


def _format(column):
    if column.dtype == object:
        return f"{max(map(len, column), default=8)}A"
    return {"i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}[column.dtype.str[1:]]


def settings_of(folder, name, **changes):
    order, chunk = changes.pop("order", 5), changes.pop("chunk", 262144)
    return config.Settings(
        name="leaves",
        seed=5,
        stores=folder / name,
        survey={"layout": "dr10", "root": str(folder / "survey")},
        objects={
            "lenses": [
                {
                    "name": "tests",
                    "source": str(folder / "lenses.csv"),
                    "format": "csv",
                    "columns": {"name": "name", "grade": "grade", "reference": "reference"},
                }
            ],
            "partition_order": order,
            "chunk_rows": chunk,
            **changes.pop("objects", {}),
        },
        manifest={"negatives_per_positive": 20, "required_classes": ["edge_on", "blend_merger"], **changes},
    )
