"""The tables around the sweeps: bricks, known lenses, spectroscopic lenses, contaminants."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from lenscal import keys, schema
from lenscal.kernels import draws
from lenscal.mock import columns, conditions, galaxies, photometry, telescopes

LISTED_SHARE = 0.7  # of the spirals, rings ... that the catalogue of contaminants lists
_ARCSEC = 1 / 3600
_AWAY = ((201.4321, 12.3456), (17.2501, -21.7303), (230.0044, 55.1207))  # lenses elsewhere on the sky


def spectroscopic(index: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether a lens is in the spectroscopic catalogue."""
    return known & ((index % 5 < 2) | only_spectroscopic(index))


def only_spectroscopic(index: np.ndarray) -> np.ndarray:
    """Whether a lens is in that catalogue alone."""
    return index % 13 == 6


def _csv(table: pd.DataFrame) -> bytes:
    buffer = io.StringIO()
    table.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue().encode()


def known_lenses(truth: pd.DataFrame, seed: int) -> bytes:
    """Lenses in the columns of lenscat, its habits included: redshifts as text, many values in
    one cell, lenses elsewhere.
    """
    lenses = truth[(truth.kind == "lens") & truth.known].sort_values("lens_index")
    rows = []
    for lens in lenses.itertuples():
        index = int(lens.lens_index)
        if only_spectroscopic(np.array(index)):
            continue
        rng = draws.generator(seed, "mock-known-lenses", index)
        ra = lens.ra + 0.1 * _ARCSEC * rng.standard_normal() / np.cos(np.radians(lens.dec))
        dec = lens.dec + 0.1 * _ARCSEC * rng.standard_normal()
        z = lens.z_lens
        zlens = (
            "-",
            f"{z:.3f}?",
            "measured",
            f"{z:.3f} | {z + 0.001:.3f}",
            f"{z:.4f}",
            f"{z:.3f}? measured",
            f"{z:.6f}",
            f"{z:.2f}",
        )[index % 8]
        imaging = index % 4 != 3
        name = f"MOCK-DESI-{ra:08.4f}{dec:+08.4f}" if imaging else f"MOCK-J{ra:08.4f}{dec:+08.4f}"
        reference = (
            (
                "Mock after Huang et al. (2021)",
                "Mock after Storfer et al. (2022)",
                "Mock after Inchausti et al. (2025)",
            )[index % 3]
            if imaging
            else "Mock literature"
        )
        if index % 9 == 4:
            reference += " | Mock literature"
        rows.append(
            (
                name,
                round(ra, 6),
                round(dec, 6),
                zlens,
                "group" if lens.lens_theta_e > 2.4 else "galaxy",
                "confident" if index % 3 == 0 else "probable",
                reference,
            )
        )
    for ra, dec in _AWAY:
        rows.append((f"MOCK-J{ra:08.4f}{dec:+08.4f}", ra, dec, "-", "galaxy", "confident", "Mock literature"))
    return _csv(pd.DataFrame(rows, columns=["name", "RA [deg]", "DEC [deg]", "zlens", "type", "grading", "ref"]))


def spectroscopic_lenses(truth: pd.DataFrame, bricks: pd.DataFrame, seed: int, photsys: str = "S") -> np.ndarray:
    """Rows in the 45 columns of the DESI strong-lens catalogue: a lens fibre for each
    system, a source fibre for some. Region and RELEASE are those of the truth, where it has them.
    """
    import healpy

    lenses = truth[truth.kind == "lens"].sort_values("lens_index")
    lenses = lenses[spectroscopic(lenses.lens_index.to_numpy(int), lenses.known.to_numpy(bool))]
    release = bricks.set_index("brickid").release
    ebv = bricks.set_index("brickid").ebv
    rows = [(lens, False) for lens in lenses.itertuples()] + [
        (lens, True) for lens in lenses.itertuples() if int(lens.lens_index) % 7 == 1
    ]
    out = columns.empty(columns.VAC, len(rows))
    for k, (lens, of_source) in enumerate(rows):
        rng = draws.generator(seed, "mock-spectra", 2 * int(lens.lens_index) + of_source)
        off = min(lens.lens_theta_e, 1.4) if of_source else 0.0
        ra = lens.ra + (off + 0.05 * rng.standard_normal()) * _ARCSEC / np.cos(np.radians(lens.dec))
        dec = lens.dec + 0.05 * _ARCSEC * rng.standard_normal()
        row = out[k]
        objid = int(lens.objid) + (100_000 if of_source else 0)
        code = int(getattr(lens, "release", release[lens.brickid]))
        row["TARGETID"] = keys.pack(objid, int(lens.brickid), code)
        row["SURVEY"], row["PROGRAM"], row["SPECTYPE"], row["OBJTYPE"], row["PHOTSYS"] = (
            "mock",
            "dark",
            "GALAXY",
            "TGT",
            getattr(lens, "region", photsys)[0].upper(),
        )
        row["HEALPIX"] = healpy.ang2pix(64, ra, dec, nest=True, lonlat=True)
        row["Z"], row["ZERR"], row["CHI2"], row["DELTACHI2"] = (
            lens.z_source if of_source else lens.z_lens,
            1e-4,
            9000.0,
            rng.uniform(25, 900),
        )
        row["ZWARN"] = 4 if rng.uniform() < 0.08 else 0
        row["COEFF"], row["NPIXELS"], row["NCOEFF"] = rng.normal(size=10), 7900, 10
        row["TARGET_RA"], row["TARGET_DEC"], row["REF_EPOCH"] = ra, dec, 2015.5
        row["RELEASE"], row["BRICKNAME"], row["BRICKID"], row["BRICK_OBJID"] = (
            code,
            lens.brickname,
            lens.brickid,
            objid,
        )
        row["MORPHTYPE"], row["EBV"] = lens.type, ebv[lens.brickid]
        for band in schema.BANDS:
            row[f"FLUX_{band.upper()}"] = getattr(lens, f"lensed_flux_{band}" if of_source else f"flux_{band}")
        row["FLUX_W1"] = lens.flux_w1
        row["COADD_NUMEXP"], row["COADD_EXPTIME"], row["COADD_NUMNIGHT"], row["COADD_NUMTILE"] = 2, 2000.0, 1, 1
        row["ZCAT_NSPEC"], row["ZCAT_PRIMARY"] = 1, True
    return out


def contaminants(truth: pd.DataFrame, seed: int) -> bytes:
    """Look-alikes by category: name, ra, dec, category."""
    rows = []
    chosen = truth[truth.kind.isin(list(galaxies.CATEGORIES))].sort_values(["brickid", "objid"])
    key = keys.pack(chosen.objid.to_numpy(np.int64), chosen.brickid.to_numpy(np.int64))
    listed = draws.uniform(seed, "mock-listed", key) < LISTED_SHARE
    for number, item in enumerate(chosen[listed].itertuples()):
        category = galaxies.CATEGORIES[item.kind]
        rows.append((f"MOCK-{category}-{number:05d}", round(item.ra, 6), round(item.dec, 6), category))
    bright = truth[(truth.kind == "star") & (truth.gaia_g < 13)].sort_values(["brickid", "objid"])
    rows += [
        (f"MOCK-bright_star-{number:05d}", round(star.ra, 6), round(star.dec, 6), "bright_star")
        for number, star in enumerate(bright.itertuples())
    ]
    return _csv(pd.DataFrame(rows, columns=["name", "ra", "dec", "category"]))


def random_points(bricks: pd.DataFrame, release: schema.Release, seed: int, density: float = 2500.0) -> np.ndarray:
    """Rows of a file of random points over the bricks, those of their area that is primary."""
    rng = draws.generator(seed, "mock-randoms", 0)
    parts = []
    for brick in bricks.to_dict("records"):
        low, high = (np.sin(np.radians(brick[name])) for name in ("dec1", "dec2"))
        area = (brick["ra2"] - brick["ra1"]) * np.degrees(high - low)
        out = columns.empty(columns.of(release, columns.RANDOMS), rng.poisson(density * area))
        out["RA"] = rng.uniform(brick["ra1"], brick["ra2"], out.size)
        out["DEC"] = np.degrees(np.arcsin(rng.uniform(low, high, out.size)))
        out["RELEASE"], out["BRICKID"], out["BRICKNAME"] = brick["release"], brick["brickid"], brick["brickname"]
        out["BRICK_OBJID"], out["EBV"], out["PHOTSYS"] = np.arange(out.size), brick["ebv"], release.photsys
        for band in conditions.bands_of(brick):
            out[f"NOBS_{band.upper()}"] = brick[f"nobs_{band}"]
            out[f"PSFSIZE_{band.upper()}"] = brick[f"psfsize_{band}"]
            out[f"PSFDEPTH_{band.upper()}"] = conditions.depth_ivar(brick[f"depth_{band}"])
        parts.append(out)
    points = np.concatenate(parts)
    return points[rng.permutation(points.size)]


def brick_geometry(bricks: pd.DataFrame) -> np.ndarray:
    """Rows of `survey-bricks`."""
    out = columns.empty(columns.GEOMETRY, len(bricks))
    for name in ("brickname", "brickid", "ra", "dec", "ra1", "ra2", "dec1", "dec2"):
        out[name.upper()] = bricks[name].to_numpy(str if name == "brickname" else None)
    out["BRICKROW"] = ((bricks.dec + 90) / 0.25).astype(int)
    out["BRICKCOL"] = (bricks.ra / 0.25).astype(int)
    out["BRICKQ"] = out["BRICKROW"] % 2 * 2 + out["BRICKCOL"] % 2
    return out


def brick_summary(
    bricks: pd.DataFrame,
    sweep: np.ndarray,
    summaries: dict[int, dict],
    release: schema.Release = telescopes.DR10,
) -> np.ndarray:
    """Rows of the table of bricks of a region: depths as AB magnitudes, counts by type, exposures."""
    out = columns.empty(columns.of(release, columns.SURVEY_BRICKS), len(bricks))
    for name in ("brickname", "brickid", "ra", "dec", "ra1", "ra2", "dec1", "dec2", "ebv"):
        out[name] = bricks[name].to_numpy(str if name == "brickname" else None)
    for k, brick in enumerate(bricks.to_dict("records")):
        row, own = out[k], sweep[sweep["BRICKID"] == brick["brickid"]]
        row["nobjs"] = own.size
        for kind, column in (
            ("PSF", "npsf"),
            ("REX", "nrex"),
            ("EXP", "nexp"),
            ("DEV", "ndev"),
            ("SER", "nser"),
            ("DUP", "ndup"),
        ):
            row[column] = (own["TYPE"] == kind.encode()).sum()
        for band in conditions.bands_of(brick):
            summary = summaries[brick["brickid"]]
            row[f"nexp_{band}"], row[f"nexphist_{band}"] = summary[f"nexp_{band}"], summary[f"nexphist_{band}"]
            row[f"psfsize_{band}"], row[f"psfdepth_{band}"] = brick[f"psfsize_{band}"], brick[f"depth_{band}"]
            ivar = conditions.depth_ivar(brick[f"depth_{band}"])
            galaxy = photometry.galaxy_depth(np.array([ivar]), np.array([brick[f"psfsize_{band}"]]))[0]
            row[f"galdepth_{band}"] = schema.ZEROPOINT - 2.5 * np.log10(5 / np.sqrt(galaxy))
        for band in release.bands:
            row[f"ext_{band}"] = conditions.EXTINCTION[band] * brick["ebv"]
            row[f"trans_{band}"] = 10 ** (-0.4 * row[f"ext_{band}"])
        for number, band in enumerate(("w1", "w2", "w3", "w4")):
            row[f"ext_{band}"] = conditions.EXTINCTION[band] * brick["ebv"]
            row["trans_wise"][number] = 10 ** (-0.4 * row[f"ext_{band}"])
        row["wise_nobs"] = (160, 160, 15, 15)
        row["area"] = (brick["ra2"] - brick["ra1"]) * np.cos(np.radians(brick["dec"])) * (brick["dec2"] - brick["dec1"])
        row["survey_primary"], row["in_desi"] = True, True
    return out
