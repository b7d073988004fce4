"""The pixels of one brick: every object convolved with the PSF of its place, noise, masks and gaps; then the files."""

from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
from astropy.io import fits

from lenscal import schema
from lenscal.kernels import draws
from lenscal.mock import conditions, files, galaxies, geometry, noise, shapes, stars, telescopes

PATCHES = 3  # the seeing varies by a few per cent over a 3 x 3 grid of patches
_PATCH_SCATTER = 0.008
_WISE_RADIUS = 1.3  # of the optical mask radius
_ALL = {"satur": 1 << 1, "bleed": 1 << 6}  # bits of ALLMASK
_PSF_REACH = 8.4  # arcsec
_DITHER = {"g": 0, "r": 1, "z": 2, "i": 5000}  # of the quantisation of images, beside three times the brick's number


def psf_patches(brick: dict, seed: int) -> dict[str, np.ndarray]:
    """PSFSIZE [arcsec] of the patches of a brick, (3, 3) for each band."""
    out, shared = {}, draws.generator(seed, "mock-psf-patches", brick["brickid"])
    for band in conditions.bands_of(brick):
        own = band in schema.MORE_BANDS
        rng = draws.generator(seed, f"mock-psf-patches-{band}", brick["brickid"]) if own else shared
        scatter = np.clip(_PATCH_SCATTER * rng.standard_normal((PATCHES, PATCHES)), -0.02, 0.02)
        out[band] = np.round(brick[f"psfsize_{band}"] * (1 + scatter - scatter.mean()), 5)
    return out


def patch_of(n: int, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the patch of zero-based pixels."""
    return tuple(np.clip((np.round(c) * PATCHES // n).astype(int), 0, PATCHES - 1) for c in (y, x))


def exposures(brick: dict, band: str, seed: int) -> np.ndarray:
    """(n, n) int16 number of exposures: whole, with a chip gap, or with a strip or corner that none of them reached."""
    n, special = brick["pixels"], brick["special"]
    count = np.full((n, n), brick[f"nobs_{band}"], np.int16)
    rng = draws.generator(seed, "mock-coverage", brick["brickid"])
    place = rng.uniform(0.3, 0.7)
    if special == "chip-gap" and brick[f"nobs_{band}"] not in (2, 3, 6):  # never into another bin of exposures
        start = int(place * n)
        count[:, start : start + n // 9] -= 1
    elif special == "no-coverage" or (special == "no-coverage-z" and band == "z"):
        y, x = np.mgrid[:n, :n]
        count[(x + 0.35 * y) > (0.95 + 0.2 * place) * n] = 0
    return count


def _stamp(profile: galsim.GSObject, flux: float, x: float, y: float, reach: float, image: galsim.Image) -> None:
    """Add a profile to the image about a zero-based pixel position, as far as `reach` [arcsec]."""
    half = int(np.ceil(reach / schema.PIXEL_SCALE)) + 1
    bounds = galsim.BoundsI(round(x) - half, round(x) + half, round(y) - half, round(y) + half)
    common = bounds & image.bounds
    if not common.isDefined():
        return
    stamp = galsim.ImageD(bounds, scale=schema.PIXEL_SCALE)
    profile.withFlux(flux).drawImage(stamp, method="no_pixel", center=galsim.PositionD(x, y))
    image[common] += stamp[common]


def model(brick: dict, objects: list[dict], sizes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Noiseless image of each band [nanomaggy per pixel]; objects hold x, y (zero-based pixels) and their truth."""
    n, bands = brick["pixels"], conditions.bands_of(brick)
    images = {
        band: galsim.ImageD(galsim.BoundsI(0, n - 1, 0, n - 1), scale=schema.PIXEL_SCALE, init_value=0)
        for band in bands
    }
    psfs = {
        (band, i, j): galsim.Moffat(
            beta=brick[f"beta_{band}"],
            fwhm=conditions.moffat_fwhm(sizes[band][i, j], brick[f"beta_{band}"]),
            gsparams=shapes.ACCURACY,
        )
        for band in bands
        for i in range(PATCHES)
        for j in range(PATCHES)
    }
    for row in objects:
        if not row["drawn"]:
            continue
        flux = np.array([row[f"flux_{band}"] for band in bands])
        i, j = (int(k) for k in patch_of(n, row["x"], row["y"]))
        for profile, part, reach in shapes.components(row, flux, bands):
            brightest = max(float(value) for band, value in zip(bands, part) if band in schema.BANDS)
            wings = _PSF_REACH * max(1.0, (brightest / 20) ** 0.3)  # a bright object's PSF shows further out
            for band, value in zip(bands, part):
                psf = psfs[band, i, j]
                seen = psf if profile is None else galsim.Convolve([profile, psf], gsparams=shapes.ACCURACY)
                _stamp(seen, float(value), row["x"], row["y"], reach + min(wings, 70.0), images[band])
    return {band: image.array for band, image in images.items()}


def _header(brick: dict) -> fits.Header:
    n = brick["pixels"]
    scale = schema.PIXEL_SCALE / 3600
    header = fits.Header([files.MOCK_CARD])
    header["SURVEY"] = ("lenscal mock", "mock survey")
    header["DRVERSIO"] = (brick["release"], "release number; mock")
    header["BRICKNAM"], header["BRICKID"] = brick["brickname"], brick["brickid"]
    header["BRICKRA"], header["BRICKDEC"] = brick["ra"], brick["dec"]
    header["RAMIN"], header["RAMAX"] = brick["ra1"], brick["ra2"]
    header["DECMIN"], header["DECMAX"] = brick["dec1"], brick["dec2"]
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = brick["ra"], brick["dec"]
    header["CRPIX1"] = header["CRPIX2"] = (n + 1) / 2
    header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = -scale, 0.0, 0.0, scale
    header["CUNIT1"] = header["CUNIT2"] = "deg"
    header["RADESYS"], header["EQUINOX"] = "ICRS", 2000.0
    return header


def _masks(
    brick: dict, objects: list[dict], saturated: dict[str, np.ndarray], seed: int, release: schema.Release
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Optical mask bits, WISE bits (W1, W2) of one brick; bleed trails widen `saturated` in place.

    What is saturated in i has no bit: the survey does not set those of a band in which it only measures forced fluxes.
    """
    n = brick["pixels"]
    bright = [row for row in objects if row["kind"] == "star" and row["gaia_g"] < 16]  # NaN is no star of Gaia
    x, y, gaia = (np.array([row[name] for row in bright]) for name in ("x", "y", "gaia_g"))
    mask = stars.star_mask(n, x, y, gaia)
    wise = [np.zeros((n, n), np.uint8), np.zeros((n, n), np.uint8)]
    yy, xx = np.mgrid[:n, :n]
    for x_k, y_k, g in zip(x, y, gaia):
        if g < 14.5:
            radius = _WISE_RADIUS * float(stars.mask_radius(g)) / schema.PIXEL_SCALE
            for number, plane in enumerate(wise):
                plane[np.hypot(xx - x_k, yy - y_k) < radius * (1 - 0.2 * number)] |= 1  # BRIGHT
            wise[0][(np.abs(xx - x_k) < 1.5) & (np.abs(yy - y_k) < 1.6 * radius)] |= 2  # SPIKE
            mask[(wise[0] & 1) > 0] |= 1 << schema.MASKBITS["WISEM1"]
            mask[(wise[1] & 1) > 0] |= 1 << schema.MASKBITS["WISEM2"]
        for plane in saturated.values():
            column = round(x_k)
            if 0 <= column < n and plane[max(0, int(y_k) - 3) : int(y_k) + 4, column].any():
                length = int(6 * 10 ** (0.2 * (16 - g)))
                plane[max(0, int(y_k) - length) : int(y_k) + length + 1, max(0, column - 1) : column + 2] = True
    for band in schema.BANDS:
        mask[saturated[band]] |= (
            1 << schema.MASKBITS[f"SATUR_{band.upper()}"] | 1 << schema.MASKBITS[f"ALLMASK_{band.upper()}"]
        )
    mask[geometry.shared(brick["side"], n)] |= 1 << schema.MASKBITS["NPRIMARY"]
    if brick["release"] in release.whole:
        mask |= 1 << release.maskbits[release.whole[brick["release"]]]
    for name, start in (("BAILOUT", n // 8), ("RESOLVED", n // 2), ("WISE_GAIA", 0)):  # the last over whole bricks
        rare = draws.uniform(seed, f"mock-{name.lower()}", np.array([brick["brickid"]]))[0] < 0.05
        if rare and name in release.maskbits:
            stop = start + 40 if start else n
            mask[start:stop, start:stop] |= 1 << release.maskbits[name]
    return mask, wise[0], wise[1]


def _holes(brick: dict, objects: list[dict]) -> np.ndarray:
    """(n, n) bool: pixels that hold NaN, in the core of one galaxy and at the rim of the stamps of others."""
    n = brick["pixels"]
    holes = np.zeros((n, n), bool)
    if brick["special"] == "nan":
        spoiled = [row for row in objects if row["kind"] in galaxies.KINDS]
        for k, row in enumerate(spoiled[:4]):
            x, y = int(row["x"]) + (2, 40, 2, -44)[k], int(row["y"]) + (1, 30, -44, 3)[k]
            holes[max(0, y) : max(0, y + 5), max(0, x) : max(0, x + 7)] = True
    return holes


_WISE_BITS = ("BRIGHT", "SPIKE", "GHOST", "LATENT", "LATENT2", "HALO", "SATUR", "SPIKE2")


def draw(brick: dict, objects: list[dict], root: str, seed: int, release: schema.Release = telescopes.DR10) -> dict:
    """Draw and write one brick.

    Parameters
    ----------
    brick : dict
        Row of the table of bricks with conditions.
    objects : list of dict
        Rows of the truth table that may reach into the brick, with x and y in its zero-based pixels.
    root : str
        Of the survey.
    seed : int
        Of the run.
    release : Release
        In whose files, and under whose telescopes.

    Returns
    -------
    dict
        `files` (place, SHA-256), `samples` (planes at the positions of the brick's own objects, in their order), and
        `summary` (numbers of the brick table).
    """
    galsim.set_omp_threads(1)
    n, name, optics = brick["pixels"], brick["brickname"], telescopes.of(release)
    sizes = psf_patches(brick, seed)
    light = model(brick, objects, sizes)
    holes = _holes(brick, objects)
    saturated = {band: plane > stars.SATURATION[band] for band, plane in light.items()}
    mask, wise1, wise2 = _masks(brick, objects, saturated, seed, release)
    header = _header(brick)
    planes: dict[str, dict[str, np.ndarray]] = {"weight": {}, "nexp": {}, "psfsize": {}}
    written = []
    folder = f"{release.region}/coadd/{name[:3]}/{name}"
    root_path = Path(root)

    def write(product: str, content: bytes) -> None:
        written.append(files.write(root_path, f"{folder}/legacysurvey-{name}-{product}.fits.fz", content))

    for band in light:
        size, beta = brick[f"psfsize_{band}"], brick[f"beta_{band}"]
        nominal = conditions.pixel_sigma(conditions.depth_ivar(brick[f"depth_{band}"]), size)
        nexp = exposures(brick, band, seed)
        invvar = (nexp / (brick[f"nobs_{band}"] * nominal**2)).astype(np.float32)
        stamp = galsim.Moffat(beta=beta, fwhm=conditions.moffat_fwhm(size, beta)).drawImage(
            nx=65, ny=65, scale=schema.PIXEL_SCALE, method="no_pixel"
        )
        planes["weight"][band] = invvar.copy()  # what the exposures give, saturated or not
        covered = nexp > 0
        sigma = np.zeros((n, n), np.float32)
        sigma[covered] = 1 / np.sqrt(invvar[covered] * noise.excess(stamp.array, optics.noise[band]))
        # Shot noise of the objects: as much variance more as they are brighter than the sky.
        sigma *= np.sqrt(1 + np.maximum(light[band], 0) / optics.sky[band])
        rng = draws.generator(seed, f"mock-noise-{band}", brick["brickid"])
        image = (light[band] + sigma * noise.unit(n, rng, optics.noise[band])).astype(np.float32)
        image = np.minimum(image, np.float32(stars.SATURATION[band]))
        invvar *= np.float32(release.camera_pixel_area([band])[0])  # of resampled pixels, which share noise
        invvar[saturated[band]] = 0
        image[~covered] = 0
        image[holes & covered] = np.nan
        invvar[holes] = 0
        row, column = np.mgrid[:n, :n] * PATCHES // n
        psfsize = np.where(covered, sizes[band][row, column], 0).astype(np.float32)
        planes["nexp"][band], planes["psfsize"][band] = nexp, psfsize
        cards = {"FILTER": band, "BUNIT": "nanomaggy"}
        dither = 1 + (3 * brick["brickid"] + _DITHER[band]) % 10_000
        write(f"image-{band}", files.images([(f"IMAGE-{band}", image, cards)], header, sigma=nominal, seed=dither))
        write(f"invvar-{band}", files.images([(f"INVVAR-{band}", invvar, cards | {"BUNIT": "1/nanomaggy^2"})], header))
        write(f"nexp-{band}", files.images([(f"NEXP-{band}", nexp, cards | {"BUNIT": "exposures"})], header))
        write(f"psfsize-{band}", files.images([(f"PSFSIZE-{band}", psfsize, cards | {"BUNIT": "arcsec"})], header))
    bits = {f"MBIT_{bit}": bit_name for bit_name, bit in release.named_bits.items()}
    wise_bits = {f"WBIT_{bit}": bit_name for bit, bit_name in enumerate(_WISE_BITS)}
    masks = [("MASKBITS", mask, bits), ("WISEM1", wise1, wise_bits), ("WISEM2", wise2, wise_bits)]
    write("maskbits", files.images(masks, header))
    own = [row for row in objects if row["brickid"] == brick["brickid"]]
    return {
        "files": written,
        "samples": _sample(own, n, planes, mask, wise1, wise2, saturated),
        "summary": _summary(planes, brick),
    }


def _sample(
    own: list[dict], n: int, planes: dict, mask: np.ndarray, wise1: np.ndarray, wise2: np.ndarray, saturated: dict
) -> dict:
    """The planes at the pixel of each of the brick's own objects."""
    x, y = (np.clip(np.round([row[name] for row in own]).astype(int), 0, n - 1) for name in ("x", "y"))
    out = {"maskbits": mask[y, x], "wisemask_w1": wise1[y, x], "wisemask_w2": wise2[y, x]}
    for band in planes["nexp"]:
        out[f"nobs_{band}"] = planes["nexp"][band][y, x]
        out[f"psfsize_{band}"] = planes["psfsize"][band][y, x]
        out[f"invvar_{band}"] = planes["weight"][band][y, x]
        out[f"allmask_{band}"] = np.where(saturated[band][y, x], _ALL["satur"] | _ALL["bleed"], 0)
    return out


def _summary(planes: dict, brick: dict) -> dict:
    out = {}
    for band in planes["nexp"]:
        counts = np.bincount(np.clip(planes["nexp"][band].ravel(), 0, 10), minlength=11)
        out[f"nexphist_{band}"] = counts.astype(np.int32)
        out[f"nexp_{band}"] = int(np.median(planes["nexp"][band]))
    return out
