"""Columns of the survey's tables: name, type and unit, as the DR10 and DESI DR1 documentation lists them."""

from __future__ import annotations

import re

import numpy as np

from lenscal import schema

_SWEEP = """
RELEASE:i2 BRICKID:i4 BRICKNAME:S8 OBJID:i4 TYPE:S3 RA:f8:deg DEC:f8:deg RA_IVAR:f4:1/deg^2 DEC_IVAR:f4:1/deg^2
DCHISQ:5f4 EBV:f4:mag FLUX_G:f4:nanomaggy FLUX_R:f4:nanomaggy FLUX_I:f4:nanomaggy FLUX_Z:f4:nanomaggy
FLUX_W1:f4:nanomaggy FLUX_W2:f4:nanomaggy FLUX_W3:f4:nanomaggy FLUX_W4:f4:nanomaggy FLUX_IVAR_G:f4:1/nanomaggy^2
FLUX_IVAR_R:f4:1/nanomaggy^2 FLUX_IVAR_I:f4:1/nanomaggy^2 FLUX_IVAR_Z:f4:1/nanomaggy^2 FLUX_IVAR_W1:f4:1/nanomaggy^2
FLUX_IVAR_W2:f4:1/nanomaggy^2 FLUX_IVAR_W3:f4:1/nanomaggy^2 FLUX_IVAR_W4:f4:1/nanomaggy^2 MW_TRANSMISSION_G:f4
MW_TRANSMISSION_R:f4 MW_TRANSMISSION_I:f4 MW_TRANSMISSION_Z:f4 MW_TRANSMISSION_W1:f4 MW_TRANSMISSION_W2:f4
MW_TRANSMISSION_W3:f4 MW_TRANSMISSION_W4:f4 NOBS_G:i2 NOBS_R:i2 NOBS_I:i2 NOBS_Z:i2 NOBS_W1:i2 NOBS_W2:i2 NOBS_W3:i2
NOBS_W4:i2 RCHISQ_G:f4 RCHISQ_R:f4 RCHISQ_I:f4 RCHISQ_Z:f4 RCHISQ_W1:f4 RCHISQ_W2:f4 RCHISQ_W3:f4 RCHISQ_W4:f4
FRACFLUX_G:f4 FRACFLUX_R:f4 FRACFLUX_I:f4 FRACFLUX_Z:f4 FRACFLUX_W1:f4 FRACFLUX_W2:f4 FRACFLUX_W3:f4 FRACFLUX_W4:f4
FRACMASKED_G:f4 FRACMASKED_R:f4 FRACMASKED_I:f4 FRACMASKED_Z:f4 FRACIN_G:f4 FRACIN_R:f4 FRACIN_I:f4 FRACIN_Z:f4
ANYMASK_G:i2 ANYMASK_R:i2 ANYMASK_I:i2 ANYMASK_Z:i2 ALLMASK_G:i2 ALLMASK_R:i2 ALLMASK_I:i2 ALLMASK_Z:i2
WISEMASK_W1:u1 WISEMASK_W2:u1 PSFSIZE_G:f4:arcsec PSFSIZE_R:f4:arcsec PSFSIZE_I:f4:arcsec PSFSIZE_Z:f4:arcsec
PSFDEPTH_G:f4:1/nanomaggy^2 PSFDEPTH_R:f4:1/nanomaggy^2 PSFDEPTH_I:f4:1/nanomaggy^2 PSFDEPTH_Z:f4:1/nanomaggy^2
GALDEPTH_G:f4:1/nanomaggy^2 GALDEPTH_R:f4:1/nanomaggy^2 GALDEPTH_I:f4:1/nanomaggy^2 GALDEPTH_Z:f4:1/nanomaggy^2
PSFDEPTH_W1:f4:1/nanomaggy^2 PSFDEPTH_W2:f4:1/nanomaggy^2 WISE_COADD_ID:S8 SHAPE_R:f4:arcsec
SHAPE_R_IVAR:f4:1/arcsec^2 SHAPE_E1:f4 SHAPE_E1_IVAR:f4 SHAPE_E2:f4 SHAPE_E2_IVAR:f4 FIBERFLUX_G:f4:nanomaggy
FIBERFLUX_R:f4:nanomaggy FIBERFLUX_I:f4:nanomaggy FIBERFLUX_Z:f4:nanomaggy FIBERTOTFLUX_G:f4:nanomaggy
FIBERTOTFLUX_R:f4:nanomaggy FIBERTOTFLUX_I:f4:nanomaggy FIBERTOTFLUX_Z:f4:nanomaggy REF_CAT:S2 REF_ID:i8
REF_EPOCH:f4:yr GAIA_PHOT_G_MEAN_MAG:f4:mag GAIA_PHOT_G_MEAN_FLUX_OVER_ERROR:f4 GAIA_PHOT_BP_MEAN_MAG:f4:mag
GAIA_PHOT_BP_MEAN_FLUX_OVER_ERROR:f4 GAIA_PHOT_RP_MEAN_MAG:f4:mag GAIA_PHOT_RP_MEAN_FLUX_OVER_ERROR:f4
GAIA_ASTROMETRIC_EXCESS_NOISE:f4 GAIA_DUPLICATED_SOURCE:? GAIA_PHOT_BP_RP_EXCESS_FACTOR:f4
GAIA_ASTROMETRIC_SIGMA5D_MAX:f4:mas GAIA_ASTROMETRIC_PARAMS_SOLVED:u1 PARALLAX:f4:mas PARALLAX_IVAR:f4:1/mas^2
PMRA:f4:mas/yr PMRA_IVAR:f4:1/(mas/yr)^2 PMDEC:f4:mas/yr PMDEC_IVAR:f4:1/(mas/yr)^2 MASKBITS:i4 FITBITS:i2 SERSIC:f4
SERSIC_IVAR:f4
"""
_SURVEY_BRICKS = """
brickname:S8 ra:f8 dec:f8 nexp_g:i2 nexp_r:i2 nexp_i:i2 nexp_z:i2 nexphist_g:11i4 nexphist_r:11i4 nexphist_i:11i4
nexphist_z:11i4 nobjs:i4 npsf:i4 nsimp:i4 nrex:i4 nexp:i4 ndev:i4 ncomp:i4 nser:i4 ndup:i4 psfsize_g:f4 psfsize_r:f4
psfsize_i:f4 psfsize_z:f4 psfdepth_g:f4 psfdepth_r:f4 psfdepth_i:f4 psfdepth_z:f4 galdepth_g:f4 galdepth_r:f4
galdepth_i:f4 galdepth_z:f4 ebv:f4 trans_g:f4 trans_r:f4 trans_i:f4 trans_z:f4 cosky_g:f4 cosky_r:f4 cosky_i:f4
cosky_z:f4 ext_g:f4 ext_r:f4 ext_i:f4 ext_z:f4 wise_nobs:4i2 trans_wise:4f4 ext_w1:f4 ext_w2:f4 ext_w3:f4 ext_w4:f4
brickid:i4 ra1:f8 ra2:f8 dec1:f8 dec2:f8 area:f8 survey_primary:? in_desi:?
"""
_GEOMETRY = """
BRICKNAME:S8 BRICKID:i4 BRICKQ:i2 BRICKROW:i4 BRICKCOL:i4 RA:f8 DEC:f8 RA1:f8 RA2:f8 DEC1:f8 DEC2:f8
"""
_RANDOMS = """
RELEASE:i2 BRICKID:i4 BRICKNAME:S8 BRICK_OBJID:i4 RA:f8:deg DEC:f8:deg NOBS_G:i2 NOBS_R:i2 NOBS_I:i2 NOBS_Z:i2
PSFDEPTH_G:f4:1/nanomaggy^2 PSFDEPTH_R:f4:1/nanomaggy^2 PSFDEPTH_I:f4:1/nanomaggy^2 PSFDEPTH_Z:f4:1/nanomaggy^2
PSFSIZE_G:f4:arcsec PSFSIZE_R:f4:arcsec PSFSIZE_I:f4:arcsec PSFSIZE_Z:f4:arcsec MASKBITS:i4 EBV:f4:mag PHOTSYS:S1
"""
# The first 18 are those of the lens catalogue's page; the rest are of the DESI redshift catalogue it is cut from.
_VAC = """
TARGETID:i8 SURVEY:S7 PROGRAM:S6 HEALPIX:i4 SPGRPVAL:i4 Z:f8 ZERR:f8 ZWARN:i8 CHI2:f8 COEFF:10f8 NPIXELS:i8
SPECTYPE:S6 SUBTYPE:S20 NCOEFF:i8 DELTACHI2:f8 COADD_FIBERSTATUS:i4 TARGET_RA:f8:deg TARGET_DEC:f8:deg
PMRA:f4:mas/yr PMDEC:f4:mas/yr REF_EPOCH:f4:yr OBJTYPE:S3 RELEASE:i2 BRICKNAME:S8 BRICKID:i4 BRICK_OBJID:i4 MORPHTYPE:S4
EBV:f4:mag FLUX_G:f4:nanomaggy FLUX_R:f4:nanomaggy FLUX_Z:f4:nanomaggy FLUX_W1:f4:nanomaggy FLUX_W2:f4:nanomaggy
MASKBITS:i2 REF_ID:i8 REF_CAT:S2 PHOTSYS:S1 DESI_TARGET:i8 SCND_TARGET:i8 COADD_NUMEXP:i2 COADD_EXPTIME:f4:s
COADD_NUMNIGHT:i2 COADD_NUMTILE:i2 ZCAT_NSPEC:i2 ZCAT_PRIMARY:?
"""


def _parse(text: str) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """Name -> (NumPy type, shape of one cell, unit)."""
    columns = {}
    for entry in text.split():
        name, kind, *unit = entry.split(":", 2)
        count, base = re.fullmatch(r"(\d*)(S\d+|[iuf]\d|\?)", kind).groups()
        columns[name] = (base, (int(count),) if count else (), unit[0] if unit else "")
    return columns


SWEEP = _parse(_SWEEP)
SURVEY_BRICKS = _parse(_SURVEY_BRICKS)
GEOMETRY = _parse(_GEOMETRY)
VAC = _parse(_VAC)
RANDOMS = _parse(_RANDOMS)


def of(
    release: schema.Release, columns: dict[str, tuple[str, tuple[int, ...], str]]
) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """Those of a table in one region of a release: of bands that were observed, units as it spells them."""
    return {
        name: (base, shape, release.units.get(unit, unit))
        for name, (base, shape, unit) in columns.items()
        if release.observed(name)
    }


def empty(columns: dict[str, tuple[str, tuple[int, ...], str]], rows: int) -> np.ndarray:
    """Structured array of `rows` zeroed rows with these columns."""
    return np.zeros(rows, [(name, base, shape) for name, (base, shape, _) in columns.items()])


def units(columns: dict[str, tuple[str, tuple[int, ...], str]]) -> dict[str, str]:
    """Unit of each column that has one."""
    return {name: unit for name, (_, _, unit) in columns.items() if unit}
