"""What lies in a file of stamps: the pixels, and whatever else the profile names, from FITS, NPZ, HDF5 or Zarr."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lenscal import extras
from lenscal.errors import InputError
from lenscal.io import orientation, units
from lenscal.io.survey.stamps.profiles import Planes, Profile, PsfImage

_OF_ONE_HDU = re.compile(
    r"|COMMENT|HISTORY|EXT(NAME|VER|LEVEL)|INHERIT|CHECKSUM|DATASUM|BLANK|DATAM(IN|AX)|FILTER|BAND"
)
"""Cards that say something of the HDU that they stand in alone."""
BUILT_IN = ("bands", "meta_bands_requested", "pixscale", "meta_pixel_scale")


@dataclass(frozen=True)
class Content:
    """Of one file: the pixels as they lie there, a header for each plane, values by key, further planes (weight, mask,
    maskbits, psf) as the profile names them, and the names of all that the file holds.
    """

    array: np.ndarray
    headers: list[fits.Header] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    planes: dict[str, np.ndarray] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


def kind_of(path: Path) -> str:
    """npz, hdf5, zarr or fits, by the ending of the name."""
    suffix = path.suffix.lower()
    kinds = {".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5", ".hdf": "hdf5", ".zarr": "zarr"}
    return kinds.get(suffix, "fits")


def read(profile: Profile, path: Path) -> Content:
    """Everything that a profile names of one file; what it does not name is not opened, whatever it holds."""
    if kind_of(path) == "fits":
        return _of_fits(profile, path)
    with _opened(path) as (names, get):
        array = profile.array or _only_array(names)
        if array not in names:
            raise KeyError(f"no array '{array}'; it holds {', '.join(names)}")
        keys = {key: get(key) for key in wanted(profile) if key in names and key != array}
        planes = {
            what: _stacked([get(name) for name in listed])
            for what, listed in _planes(profile).items()
            if all(isinstance(name, str) for name in listed) and _there(what, listed, names)
        }
        return Content(get(array), [], keys, planes, list(names))


def wanted(profile: Profile) -> set[str]:
    """Keys of a file that a profile makes use of."""
    position = profile.position.values() if isinstance(profile.position, dict) else ()
    keys = {key for key in (profile.width, profile.depth) if isinstance(key, str)}
    by_band = {key.replace("{band}", band) for key in keys for band in profile.bands}
    return {*BUILT_IN, *position, *profile.fields.values(), *keys, *by_band}


def _planes(profile: Profile) -> dict[str, list[str | int]]:
    """Names of further planes; that of the PSF may be a file instead."""
    given: dict[str, Planes | None] = {
        "weight": profile.weight,
        "mask": profile.mask,
        "maskbits": profile.maskbits,
        "psf": next((item.image for item in profile.psf if isinstance(item, PsfImage)), None),
    }
    return {what: value if isinstance(value, list) else [value] for what, value in given.items() if value is not None}


def _there(what: str, listed: list[str | int], names: Mapping[str, Any]) -> bool:
    """Whether planes are there; those of a PSF may lie in a file of their own."""
    if lacking := [name for name in listed if name not in names]:
        if what == "psf":
            return False
        raise KeyError(f"no array '{lacking[0]}' ({what}); it holds {', '.join(names)}")
    return True


def _stacked(planes: list[np.ndarray]) -> np.ndarray:
    return np.asarray(planes[0]) if len(planes) == 1 else np.stack([np.asarray(plane) for plane in planes])


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Callable[[str], np.ndarray]]]:
    """Names of what a file holds, and a function that reads one."""
    kind = kind_of(path)
    if kind == "npz":
        with np.load(path, allow_pickle=False) as file:
            yield dict.fromkeys(file.files), lambda name: file[name]
    elif kind == "hdf5":
        with extras.named():
            import h5py

        with h5py.File(path, "r") as file:
            names: dict[str, Any] = {}
            file.visititems(lambda name, item: names.update({name: item}) if isinstance(item, h5py.Dataset) else None)
            names |= {name: None for name in file.attrs if name not in names}
            yield names, lambda name: np.asarray(file[name][()] if name in file else file.attrs[name])
    else:
        import zarr

        group = zarr.open(path, mode="r")
        if isinstance(group, zarr.Array):
            yield {"": group}, lambda name: np.asarray(group[...])
            return
        arrays = {name: item for name, item in group.members(max_depth=None) if isinstance(item, zarr.Array)}
        yield (
            {**arrays, **{name: None for name in group.attrs if name not in arrays}},
            lambda name: np.asarray(arrays[name][...] if name in arrays else group.attrs[name]),
        )


def _only_array(names: Mapping[str, Any]) -> str:
    """The name of the one array that can be pixels, where there is one."""
    pixels = [name for name in names if name.rpartition("/")[2] in ("", "image", "images", "cutout", "cutouts", "data")]
    if len(pixels) != 1:
        raise KeyError(f"no `array` in its profile; it holds {', '.join(names)}")
    return pixels[0]


def _of_fits(profile: Profile, path: Path) -> Content:
    """An image of a FITS file, or the bands of several HDUs or files together; a header for each."""
    if profile.hdus is None and "{band}" not in profile.files:
        content = _unpacked(path)
        image, header = read_image(content, profile.hdu)
        return Content(image, [header], dict(header), _more(profile, content))
    if profile.hdus is not None:
        content = _unpacked(path)
        read_ = [read_image(content, hdu) for hdu in profile.hdus]
        more = _more(profile, content)
    else:
        read_ = [read_image(_unpacked(_of_band(profile, path, band)), profile.hdu) for band in profile.bands]
        more = {}
    if len(shapes := sorted({image.shape for image, _ in read_})) > 1:
        raise InputError(f"its bands have the shapes {', '.join(map(str, shapes))}")
    stated = {units.unit(text) if (text := units.stated(header.get("BUNIT"))) else None for _, header in read_}
    if len(stated) > 1:
        raise InputError(
            f"its bands are in {', '.join(map(repr, sorted({str(header.get('BUNIT', '')) for _, header in read_})))}"
        )
    headers = [header for _, header in read_]
    return Content(np.stack([image for image, _ in read_]), headers, dict(headers[0]), more)


def _more(profile: Profile, content: io.BytesIO | Path) -> dict[str, np.ndarray]:
    """Further planes of a FITS file, by HDU; a PSF whose HDU there is not lies in a file of its own."""
    found = {}
    for what, listed in _planes(profile).items():
        try:
            found[what] = _stacked([read_image(content, hdu)[0] for hdu in listed])
        except KeyError:
            if what != "psf":
                raise
    return found


def _unpacked(path: Path) -> io.BytesIO | Path:
    # A small packed file is unpacked in one go in half the time that reading piece by piece takes.
    return io.BytesIO(gzip.decompress(path.read_bytes())) if path.suffix.lower() == ".gz" else path


def read_image(content: io.BytesIO | Path, hdu: str | int | None) -> tuple[np.ndarray, fits.Header]:
    """An image and its header: of an HDU by name or number, else the first that holds one, packed (fpack) or not; with
    the cards of the primary header that its own lacks.
    """
    if isinstance(content, io.BytesIO):
        content.seek(0)
        content = io.BytesIO(content.getvalue())
    with fits.open(content, memmap=False) as hdus:
        if hdu is None:
            found = next((one for one in hdus if one.is_image and one.header.get("NAXIS", 0) > 0), None)
            if found is None:
                raise InputError("its primary HDU holds no image, nor does any other")
        else:
            found = hdus[hdu]
            if not found.is_image or found.data is None:
                raise InputError(f"its HDU '{hdu}' holds no image")
        first = hdus[0]
        return np.asarray(found.data), found.header if found is first else _inherited(found.header, first.header)


def _inherited(own: fits.Header, primary: fits.Header) -> fits.Header:
    """The header of an extension, and what the primary header says beyond it: of the file and not of an image there.
    Its place on the sky counts where neither an image nor a place of its own contradicts it.
    """
    header, placed = own.copy(), primary.get("NAXIS", 0) > 0 or bool(orientation.cards(own))
    skipped = set(orientation.cards(primary)) if placed else set()
    for card in primary.copy(strip=True).cards:
        if card.keyword not in header and card.keyword not in skipped and not _OF_ONE_HDU.fullmatch(card.keyword):
            header.append(card)
    return header


def _of_band(profile: Profile, path: Path, band: str) -> Path:
    """The file of another band beside that of the first."""
    form = Path(profile.files).name
    stars = re.fullmatch(re.escape(form.replace("{band}", profile.bands[0])).replace(r"\*", "(.*)"), path.name).groups()
    filled = iter(stars)
    return path.with_name(re.sub(r"\*", lambda _: next(filled), form.replace("{band}", band)))
