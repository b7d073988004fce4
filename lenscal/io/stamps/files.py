"""Stamps as they lie on disk, and their pixels as bands g, r, z in nanomaggies, whatever they were written as."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits

from lenscal import schema
from lenscal.io.stamps.profiles import Profile, StampError

_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, fits.VerifyError)


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
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise StampError(f"profile '{profile.name}': no file '{first}' in '{root}'; correct survey.root")
    return [stamp for path in paths for stamp in _read_file(profile, path, path.relative_to(root).as_posix())]


def _read_file(profile: Profile, path: Path, name: str) -> Iterator[Stamp]:
    try:
        array, header, keys = _read_npz(profile, path) if path.suffix == ".npz" else _read_planes(profile, path)
    except _BROKEN as error:
        raise StampError(f"profile '{profile.name}': '{name}' cannot be read ({error}); copy it again") from None
    if array.ndim != len(profile.axes):
        raise StampError(f"profile '{profile.name}': '{name}' has shape {array.shape}; expected the axes {', '.join(profile.axes)}")
    axes = ["object", "band", "y", "x"]
    if "object" not in profile.axes:
        array = array[None]
    order = profile.axes if "object" in profile.axes else ["object", *profile.axes]
    array = np.transpose(array, [order.index(axis) for axis in axes])
    if array.shape[1] != len(profile.bands):
        raise StampError(f"profile '{profile.name}': '{name}' has {array.shape[1]} bands; expected {', '.join(profile.bands)}")
    try:
        _same_bands(profile, name, header, keys)
        _same_units(profile, name, header)
        scale, ra, dec = _geometry(profile, name, header, keys, array.shape[-2:])
    except KeyError as error:
        raise StampError(f"profile '{profile.name}': '{name}' has no {error}, where its scale and place are read") from None
    factor = 10 ** (-0.4 * (profile.zeropoint - schema.ZEROPOINT))
    if profile.flux_pixel is not None:
        factor *= (scale / profile.flux_pixel) ** 2
    bands = [profile.bands.index(band) for band in schema.BANDS]
    fields = {ours: keys[theirs] for ours, theirs in profile.fields.items() if theirs in keys}
    for row, pixels in enumerate(array):
        image = pixels[bands].astype(np.float64)
        # Coadds and the viewer write exact zeros where there is no coverage.
        image[(image == 0) | ~np.isfinite(image)] = np.nan
        yield Stamp(image * factor, scale, ra, dec, name, row, fields)


def _read_npz(profile: Profile, path: Path) -> tuple[np.ndarray, dict, dict]:
    with np.load(path, allow_pickle=False) as file:
        if profile.array not in file:
            raise KeyError(f"no array '{profile.array}'; it holds {', '.join(file.files)}")
        return file[profile.array], {}, {key: file[key] for key in file.files if key != profile.array}


def _read_planes(profile: Profile, path: Path) -> tuple[np.ndarray, dict, dict]:
    """The primary image of a FITS file, or the bands of several HDUs or files together; the header is that of the first."""
    if profile.hdus is None and "{band}" not in profile.files:
        return *_read_fits(path, 0), {}
    if profile.hdus is not None:
        planes = [_read_fits(path, hdu) for hdu in profile.hdus]
    else:
        planes = [_read_fits(_of_band(profile, path, band), 0) for band in profile.bands]
    if len(shapes := sorted({image.shape for image, _ in planes})) > 1:
        raise ValueError(f"its bands have the shapes {', '.join(map(str, shapes))}")
    if len(units := sorted({str(header.get("BUNIT", "")) for _, header in planes})) > 1:
        raise ValueError(f"its bands are in {', '.join(map(repr, units))}")
    return np.stack([image for image, _ in planes]), planes[0][1], {}


def _read_fits(path: Path, hdu: str | int) -> tuple[np.ndarray, dict]:
    with fits.open(path, memmap=False) as hdus:
        if hdus[hdu].data is None:
            raise ValueError("its primary HDU holds no image" if hdu == 0 else f"its HDU '{hdu}' holds no image")
        return np.asarray(hdus[hdu].data), dict(hdus[hdu].header)


def _of_band(profile: Profile, path: Path, band: str) -> Path:
    """The file of another band beside that of the first."""
    form = Path(profile.files).name
    stars = re.fullmatch(re.escape(form.replace("{band}", profile.bands[0])).replace(r"\*", "(.*)"), path.name).groups()
    filled = iter(stars)
    return path.with_name(re.sub(r"\*", lambda _: next(filled), form.replace("{band}", band)))


def _same_bands(profile: Profile, name: str, header: dict, keys: dict) -> None:
    """The file says the same bands as the profile, where it says any."""
    if "bands" in keys:
        said = [str(band) for band in keys["bands"]]
    elif "meta_bands_requested" in keys:
        said = list(str(keys["meta_bands_requested"]))
    elif "BANDS" in header:
        said = list(str(header["BANDS"]).strip())
    else:
        return
    if said != profile.bands:
        raise StampError(f"profile '{profile.name}': '{name}' says its bands are {', '.join(said)}; expected {', '.join(profile.bands)}")


def _same_units(profile: Profile, name: str, header: dict) -> None:
    """The file says the same unit and zero point as the profile, where it says any."""
    units = str(header.get("BUNIT", "")).strip()
    if units and units != profile.units:
        raise StampError(f"profile '{profile.name}': '{name}' is in '{units}'; expected '{profile.units}'")
    if "MAGZERO" in header and abs(float(header["MAGZERO"]) - profile.zeropoint) > 1e-6:
        raise StampError(f"profile '{profile.name}': '{name}' has zero point {header['MAGZERO']}; expected {profile.zeropoint}")


def _geometry(profile: Profile, name: str, header: dict, keys: dict, shape: tuple[int, int]) -> tuple[float, float, float]:
    """Pixel scale in arcsec, and the position of the stamp's centre in degrees."""
    if profile.pixel_scale == "wcs" or profile.position == "wcs":
        matrix = [header.get(key, 0.0) for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2")]
        scale = 3600 * abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]) ** 0.5
        if scale == 0 or not np.isclose(abs(matrix[0]), abs(matrix[3]), rtol=1e-3) or matrix[0] > 0 or matrix[3] < 0:
            raise StampError(f"profile '{profile.name}': '{name}' has the CD matrix {matrix}; expected square pixels, North up, East left")
        centre = (shape[1] + 1) / 2, (shape[0] + 1) / 2
        if profile.position == "wcs" and max(abs(header["CRPIX1"] - centre[0]), abs(header["CRPIX2"] - centre[1])) > 0.01:
            raise StampError(f"profile '{profile.name}': '{name}' is not centred on its reference pixel, so its object is not at the centre")
    if profile.pixel_scale != "wcs":
        scale = float(profile.pixel_scale)
        for key in ("pixscale", "meta_pixel_scale"):
            if key in keys and not np.isclose(float(keys[key]), scale, rtol=1e-3):
                raise StampError(f"profile '{profile.name}': '{name}' says {float(keys[key])} arcsec per pixel; expected {scale}")
    if profile.position == "none":
        return scale, np.nan, np.nan
    if profile.position == "wcs":
        return scale, float(header["CRVAL1"]) % 360, float(header["CRVAL2"])
    return scale, float(keys[profile.position["ra"]]) % 360, float(keys[profile.position["dec"]])
