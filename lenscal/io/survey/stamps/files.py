"""Stamps as they lie on disk, and their pixels as bands g, r, z in nanomaggies, whatever they were written as."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits

from lenscal import schema
from lenscal.errors import InputError
from lenscal.io import folders, orientation, planes, units
from lenscal.io.empty import unobserved
from lenscal.io.survey.stamps.profiles import Profile, StampError

_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error, fits.VerifyError)


@dataclass(frozen=True)
class Stamp:
    """Pixels of one object.

    `image` is (band, y, x) in g, r, z: nanomaggy per pixel of `pixel_scale` arcsec, NaN where nothing was observed.
    """

    image: np.ndarray
    pixel_scale: float
    ra: float
    dec: float
    file: str
    row: int
    fields: dict[str, object] = field(default_factory=dict)


def read_stamps(profile: Profile, root: Path) -> list[Stamp]:
    """All stamps of a set, by file name and then by place in the file.

    Raises
    ------
    StampError
        A missing file, an unreadable one, or one that is not as the profile says.
    """
    first = profile.files.replace("{band}", profile.bands[0])
    folder, pattern = (root / first).parent, Path(first).name
    paths = folders.matching(folder, pattern)
    if not paths:
        raise StampError(f"profile '{profile.name}': no file '{first}' in '{root}'; correct survey.root")
    return [stamp for path in paths for stamp in _read_file(profile, path, path.relative_to(root).as_posix())]


def _read_file(profile: Profile, path: Path, name: str) -> Iterator[Stamp]:
    try:
        array, headers, keys = _read_npz(profile, path) if path.suffix == ".npz" else _read_planes(profile, path)
    except _BROKEN as error:
        folders.pass_on(error, path)
        raise StampError(f"profile '{profile.name}': '{name}' cannot be read ({error}); copy it again") from None
    if array.ndim != len(profile.axes):
        raise StampError(
            f"profile '{profile.name}': '{name}' has shape {array.shape}; expected the axes {', '.join(profile.axes)}"
        )
    axes = ["object", "band", "y", "x"]
    if "object" not in profile.axes:
        array = array[None]
    order = profile.axes if "object" in profile.axes else ["object", *profile.axes]
    array = np.transpose(array, [order.index(axis) for axis in axes])
    if array.shape[1] != len(profile.bands):
        raise StampError(
            f"profile '{profile.name}': '{name}' has {array.shape[1]} bands; expected {', '.join(profile.bands)}"
        )
    try:
        _same_bands(profile, name, headers, keys)
        _same_units(profile, name, headers)
        placed = _planes(profile, name, headers, array.shape[-2:])
        scale = _scale(profile, name, placed, keys)
        positions = _positions(profile, name, placed, headers, keys, array.shape)
    except KeyError as error:
        raise StampError(
            f"profile '{profile.name}': '{name}' has no {error}, where its scale and place are read"
        ) from None
    factor = 10 ** (-0.4 * (profile.zeropoint - schema.ZEROPOINT))
    if profile.flux_pixel is not None:
        factor *= (scale / profile.flux_pixel) ** 2
    bands = [profile.bands.index(band) for band in schema.BANDS]
    fields = {
        ours: _of_objects(profile, name, keys, theirs, len(array))
        for ours, theirs in profile.fields.items()
        if theirs in keys
    }
    for row, pixels in enumerate(array):
        image = pixels[bands].astype(np.float64)
        image[unobserved(image)] = np.nan
        yield Stamp(
            image * factor, scale, *positions[row], name, row, {ours: values[row] for ours, values in fields.items()}
        )


def _read_npz(profile: Profile, path: Path) -> tuple[np.ndarray, list[fits.Header], dict]:
    """The array and the keys that are of use; another key is not opened, whatever it holds."""
    position = profile.position.values() if isinstance(profile.position, dict) else ()
    wanted = {"bands", "meta_bands_requested", "pixscale", "meta_pixel_scale", *position, *profile.fields.values()}
    with np.load(path, allow_pickle=False) as file:
        if profile.array not in file:
            raise KeyError(f"no array '{profile.array}'; it holds {', '.join(file.files)}")
        return file[profile.array], [], {key: file[key] for key in file.files if key in wanted and key != profile.array}


def _of_objects(profile: Profile, name: str, keys: dict, key: str, count: int) -> list[object]:
    """A key of an NPZ file as one value for each stamp.

    Raises
    ------
    StampError
        It holds another number of values than there are stamps.
    """
    values = np.asarray(keys[key])
    if values.size == 1 and count == 1:
        return [values.reshape(-1)[0].item()]
    if values.ndim == 0:
        return [values.item()] * count
    if values.shape != (count,):
        raise StampError(
            f"profile '{profile.name}': '{name}' has {count} stamp(s), and its key '{key}' the shape {values.shape}; "
            "expected one value for each stamp"
        )
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _read_planes(profile: Profile, path: Path) -> tuple[np.ndarray, list[fits.Header], dict]:
    """The primary image of a FITS file, or the bands of several HDUs or files together; a header for each."""
    if profile.hdus is None and "{band}" not in profile.files:
        image, header = _read_fits(path, 0)
        return image, [header], {}
    if profile.hdus is not None:
        read = [_read_fits(path, hdu) for hdu in profile.hdus]
    else:
        read = [_read_fits(_of_band(profile, path, band), 0) for band in profile.bands]
    if len(shapes := sorted({image.shape for image, _ in read})) > 1:
        raise InputError(f"its bands have the shapes {', '.join(map(str, shapes))}")
    stated = {units.unit(text) if (text := units.stated(header.get("BUNIT"))) else None for _, header in read}
    if len(stated) > 1:
        raise InputError(
            f"its bands are in {', '.join(map(repr, sorted({str(header.get('BUNIT', '')) for _, header in read})))}"
        )
    return np.stack([image for image, _ in read]), [header for _, header in read], {}


def _read_fits(path: Path, hdu: str | int) -> tuple[np.ndarray, fits.Header]:
    # A small packed file is unpacked in one go in half the time that reading piece by piece takes.
    content = io.BytesIO(gzip.decompress(path.read_bytes())) if path.suffix == ".gz" else path
    with fits.open(content, memmap=False) as hdus:
        if hdus[hdu].data is None:
            raise InputError("its primary HDU holds no image" if hdu == 0 else f"its HDU '{hdu}' holds no image")
        return np.asarray(hdus[hdu].data), hdus[hdu].header


def _of_band(profile: Profile, path: Path, band: str) -> Path:
    """The file of another band beside that of the first."""
    form = Path(profile.files).name
    stars = re.fullmatch(re.escape(form.replace("{band}", profile.bands[0])).replace(r"\*", "(.*)"), path.name).groups()
    filled = iter(stars)
    return path.with_name(re.sub(r"\*", lambda _: next(filled), form.replace("{band}", band)))


def _same_bands(profile: Profile, name: str, headers: list[fits.Header], keys: dict) -> None:
    """The file says the same bands as the profile, where it says any: in a key or BANDS of all of them, in EXTNAME
    or FILTER of each plane.
    """
    header = headers[0] if headers else {}
    if "bands" in keys:
        said = _letters(keys["bands"])
    elif "meta_bands_requested" in keys:
        said = _letters(keys["meta_bands_requested"])
    elif "BANDS" in header:
        said = list(str(header["BANDS"]).strip())
    else:
        said = profile.bands
    if len(headers) == len(profile.bands) > 1:
        said = [planes.band_of(header) or band for header, band in zip(headers, said)]
    if said != profile.bands:
        raise StampError(
            f"profile '{profile.name}': '{name}' says its bands are {', '.join(said)}; "
            f"expected {', '.join(profile.bands)}"
        )


def _letters(bands: object) -> list[str]:
    """Names of bands, given one by one or as one word."""
    bands = np.asarray(bands).reshape(-1).astype(str).tolist()
    return list(bands[0].replace(",", "").replace(" ", "")) if len(bands) == 1 else [band.strip() for band in bands]


def _same_units(profile: Profile, name: str, headers: list[fits.Header]) -> None:
    """The file says the same unit and zero point as the profile, where it says any."""
    for header in headers:
        stated = units.stated(header.get("BUNIT"))
        if stated and stated != profile.units and (problem := units.problem(stated, profile.units)):
            raise StampError(f"profile '{profile.name}': '{name}' {problem.replace(', not', '; expected')}")
        if "MAGZERO" in header and not abs(float(header["MAGZERO"]) - profile.zeropoint) <= 1e-6:
            raise StampError(
                f"profile '{profile.name}': '{name}' has zero point {header['MAGZERO']}; expected {profile.zeropoint}"
            )


def _planes(profile: Profile, name: str, headers: list[fits.Header], shape: tuple[int, int]) -> list[orientation.Plane]:
    """Where the planes lie, once they lie North up and upon each other; none where no header says so and the
    profile does not need it.

    Raises
    ------
    StampError
        They do not.
    KeyError
        The profile takes scale or place from a header that has none.
    """
    needed = "wcs" in (profile.pixel_scale, profile.position)
    found = []
    for header in headers:
        if not needed and not orientation.has_place(header):
            continue
        for card in ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2") if needed else ():
            if card not in header:
                raise KeyError(card)
        try:
            plane = orientation.plane(header, shape)
            plane.check(tolerance=orientation.TOLERANCE)
        except orientation.OrientationError as error:
            raise StampError(
                f"profile '{profile.name}': '{name}' {error}; expected square pixels, North up, East left"
            ) from None
        found.append(plane)
    for plane in found[1:]:
        if (away := found[0].away(plane)) > orientation.PLACE_TOLERANCE:
            raise StampError(
                f"profile '{profile.name}': '{name}' has planes that lie up to {away:.3g} pixels off each other; "
                "expected one place in all bands"
            )
    return found


def _scale(profile: Profile, name: str, found: list[orientation.Plane], keys: dict) -> float:
    """Pixel scale in arcsec: of the header, or of the profile, which file and header must not contradict."""
    if profile.pixel_scale == "wcs":
        return found[0].scale
    scale = float(profile.pixel_scale)
    said = [float(np.asarray(keys[key]).reshape(-1)[0]) for key in ("pixscale", "meta_pixel_scale") if key in keys]
    said += [plane.scale for plane in found]
    for other in said:
        if not np.isclose(other, scale, rtol=5e-3 if found else 1e-3):
            raise StampError(f"profile '{profile.name}': '{name}' says {other:.6g} arcsec per pixel; expected {scale}")
    return scale


def _positions(
    profile: Profile,
    name: str,
    found: list[orientation.Plane],
    headers: list[fits.Header],
    keys: dict,
    shape: tuple[int, ...],
) -> list[tuple[float, float]]:
    """RA and Dec [degree] of the centre of each stamp; NaN where nothing says them."""
    count = shape[0]
    if profile.position == "none":
        return [(np.nan, np.nan)] * count
    if profile.position == "wcs":
        header, middle = headers[0], ((shape[-1] + 1) / 2, (shape[-2] + 1) / 2)
        if not max(abs(float(header["CRPIX1"]) - middle[0]), abs(float(header["CRPIX2"]) - middle[1])) <= 0.01:
            raise StampError(
                f"profile '{profile.name}': '{name}' is not centred on its reference pixel, so "
                "its object is not at the centre"
            )
        return [found[0].centre] * count
    try:
        ra, dec = (
            [float(value) for value in _of_objects(profile, name, keys, profile.position[axis], count)]
            for axis in ("ra", "dec")
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, StampError):
            raise
        raise StampError(
            f"profile '{profile.name}': '{name}' has a position that is no number ({error}); expected degrees"
        ) from None
    for a, d in zip(ra, dec):
        if np.isfinite(a) and np.isfinite(d) and not (-180 <= a <= 360 and abs(d) <= 90):
            raise StampError(
                f"profile '{profile.name}': '{name}' has a stamp at ra {a:g}, dec {d:g}, which is no "
                "place on the sky; expected degrees"
            )
    return [(a % 360, d) for a, d in zip(ra, dec)]
