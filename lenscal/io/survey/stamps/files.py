"""Stamps as they lie on disk, and their pixels in nanomaggies, in the bands of the run, however they were written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lenscal import schema
from lenscal.io import folders, planes, units
from lenscal.io.empty import unobserved
from lenscal.io.survey.stamps import arrays, centring, given, placing
from lenscal.io.survey.stamps.arrays import Content
from lenscal.io.survey.stamps.given import Given
from lenscal.io.survey.stamps.profiles import OURS, Profile, StampError

_BROKEN = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, zlib.error, fits.VerifyError)


@dataclass(frozen=True)
class Stamp:
    """Pixels of one object.

    `image` is (band, y, x) in the bands that its profile is asked for: nanomaggy per pixel of `pixel_scale` arcsec, NaN
    where nothing was observed. The object is on pixel n // 2 of both axes, or, at another scale than the survey's, in
    the middle.
    """

    image: np.ndarray
    pixel_scale: float
    ra: float
    dec: float
    file: str
    row: int
    fields: dict[str, object] = field(default_factory=dict)
    given: Given = field(default_factory=Given)


def paths_of(profile: Profile, root: Path) -> list[Path]:
    """Files of the first band of a set, in order.

    Raises
    ------
    StampError
        There is none.
    """
    first = profile.files.replace("{band}", profile.bands[0])
    paths = folders.matching((root / first).parent, Path(first).name)
    if not paths:
        raise StampError(f"profile '{profile.name}': no file '{first}' in '{root}'; correct survey.root")
    return paths


def read_stamps(profile: Profile, root: Path) -> list[Stamp]:
    """All stamps of a set, by file name and then by place in the file.

    Raises
    ------
    StampError
        A missing file, an unreadable one, or one that is not as the profile says.
    """
    told = given.Told(profile, root)
    found: list[Stamp] = []
    for path in paths_of(profile, root):
        found += _read_file(profile, path, path.relative_to(root).as_posix(), told, len(found))
    told.check(len(found))
    return found


def _read_file(
    profile: Profile, path: Path, name: str, told: given.Told | None = None, before: int = 0
) -> Iterator[Stamp]:
    """Stamps of one file; `before` of the set lie in earlier ones."""
    told = told or given.Told(profile, path.parent)
    try:
        content = arrays.read(profile, path)
    except StampError:
        raise
    except _BROKEN as error:
        folders.pass_on(error, path)
        raise StampError(f"profile '{profile.name}': '{name}' cannot be read ({error}); copy it again") from None
    array = _ordered(profile, name, content.array)
    if array.shape[1] != len(profile.bands):
        raise StampError(
            f"profile '{profile.name}': '{name}' has {array.shape[1]} bands; expected {', '.join(profile.bands)}"
        )
    keys = {**content.keys, **told.columns(name, before, len(array))}
    try:
        _same_bands(profile, name, content)
        _same_units(profile, name, content.headers)
        placed = placing.planes_of(profile, name, content.headers, array.shape[-2:])
        scale = placing.scale_of(profile, name, placed, keys)
        centre = placing.centre_of(profile, name, content.headers, array.shape[-2:])
        positions = placing.positions_of(profile, name, placed, keys, array.shape, centre)
        placing.check_centre(profile, name, placed, positions, centre)
    except KeyError as error:
        raise StampError(
            f"profile '{profile.name}': '{name}' has no {error}, where its scale and place are read; "
            f"{_held(content, keys)}"
        ) from None
    factor = 10 ** (-0.4 * (profile.zeropoint - schema.ZEROPOINT))
    if profile.flux_pixel is not None:
        factor *= (scale / profile.flux_pixel) ** 2
    for ours, theirs in profile.fields.items():
        if placing.key_of(keys, theirs) is None:
            raise StampError(
                f"profile '{profile.name}': '{name}' has no '{theirs}', which `fields` names for {ours}; "
                f"{_held(content, keys)}"
            )
    fields = _fields(profile, name, keys, len(array))
    of_set = told.of_file(name, content, keys, array.shape, factor)
    bands = [profile.bands.index(band) for band in profile.asked]
    for row, pixels in enumerate(array):
        image = pixels[bands].astype(np.float64)
        image[unobserved(image)] = np.nan
        if of_set[row].weight is not None:
            image[of_set[row].weight == 0] = np.nan
        here = {ours: values[row] for ours, values in fields.items()}
        stamp = Stamp(image * factor, scale, *positions[row], name, row, here, of_set[row])
        yield centring.centred(profile, stamp, centre)


def _ordered(profile: Profile, name: str, array: np.ndarray) -> np.ndarray:
    """The array as (object, band, y, x)."""
    expected = profile.axes or (["object", "band", "y", "x"] if array.ndim == 4 else ["band", "y", "x"])
    if array.ndim != len(expected):
        raise StampError(
            f"profile '{profile.name}': '{name}' has shape {array.shape}; expected the axes {', '.join(expected)}"
        )
    axes = ["object", "band", "y", "x"]
    if "object" not in expected:
        array, expected = array[None], ["object", *expected]
    return np.transpose(array, [expected.index(axis) for axis in axes])


def _fields(profile: Profile, name: str, keys: Mapping[str, Any], count: int) -> dict[str, list[Any]]:
    """What is told of each stamp, under our names: of the profile's fields, and columns of its table that have them."""
    found = {ours: placing.of_objects(profile, name, keys, theirs, count) for ours, theirs in profile.fields.items()}
    for ours in OURS:
        if ours not in found and profile.table is not None and ours in keys:
            found[ours] = placing.of_objects(profile, name, keys, ours, count)
    for ours, known in _KNOWN.items():
        said = {str(value).strip() for value in found.get(ours, ()) if value is not None and value == value} - {""}
        if unknown := sorted(said - set(known)):
            raise StampError(
                f"profile '{profile.name}': '{name}' has the {ours} '{unknown[0]}'; expected one of {', '.join(known)}"
            )
    return found


def _held(content: Content, keys: Mapping[str, Any]) -> str:
    """What a file, its headers and the table of its set hold, by name."""
    structure = {card for header in content.headers for card in header if card not in header.copy(strip=True)}
    held = [name for name in dict.fromkeys([*content.names, *keys]) if name and name not in structure]
    return f"expected one of {', '.join(held)}" if held else "it holds nothing but pixels"


_KNOWN = {
    "pool": ("N1", "N2"),
    "tier": tuple(tier for tier in schema.TIERS if tier),
    "split": schema.SPLITS,
    "confuser_class": schema.CONFUSERS,
}
"""Words that some fields may hold."""


def _same_bands(profile: Profile, name: str, content: Content) -> None:
    """The file says the same bands as the profile, where it says any: in a key or BANDS of all of them, in EXTNAME
    or FILTER of each plane.
    """
    headers, keys = content.headers, content.keys
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
    bands = np.asarray(bands).reshape(-1)
    texts = [band.decode() if isinstance(band, bytes) else str(band) for band in bands.tolist()]
    return list(texts[0].replace(",", "").replace(" ", "")) if len(texts) == 1 else [band.strip() for band in texts]


def _same_units(profile: Profile, name: str, headers: Sequence[fits.Header]) -> None:
    """The file says the same unit and zero point as the profile, where it says any."""
    for header in headers:
        stated = units.stated(header.get("BUNIT"))
        if stated and stated != profile.units and (problem := units.problem(stated, profile.units)):
            raise StampError(f"profile '{profile.name}': '{name}' {problem.replace(', not', '; expected')}")
        if "MAGZERO" in header and not abs(float(header["MAGZERO"]) - profile.zeropoint) <= 1e-6:
            raise StampError(
                f"profile '{profile.name}': '{name}' has zero point {header['MAGZERO']}; expected {profile.zeropoint}"
            )
