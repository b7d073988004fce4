"""A set of stamps as it lies on disk, and its pixels as bands g, r, z in nanomaggies, whatever it was written as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from astropy.io import fits
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lenscal import schema

DECLARED = Path(__file__).parents[2] / "profiles.yaml"
_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, fits.VerifyError)


class StampError(ValueError):
    """Stamps that cannot be used; one sentence."""


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Profile(_Declared):
    """One set of stamps; the keys are explained at the head of `profiles.yaml`."""

    name: str
    number: int = Field(ge=1, lt=1 << 20)
    about: str
    files: str
    array: str | None = None
    axes: list[Literal["band", "object", "y", "x"]]
    bands: list[str]
    pixel_scale: float | Literal["wcs"]
    flux_pixel: float | None = None
    zeropoint: float
    dereddened: bool = False
    stamp_size: int | None = None
    position: Literal["none", "wcs"] | dict[Literal["ra", "dec"], str]
    use: Literal["host", "anchor"]
    psf: list[Literal["star", "table"]]
    fields: dict[str, str] = {}

    @property
    def refusal(self) -> str | None:
        """Why lenscal cannot use the set, in one sentence; None when it can."""
        problems = []
        if missing := [band for band in schema.BANDS if band not in self.bands]:
            problems.append(f"has no {', '.join(missing)} band (it holds {', '.join(self.bands)}; {', '.join(schema.BANDS)} are required)")
        if self.stamp_size is not None and self.stamp_size < 64:
            problems.append(f"has stamps of {self.stamp_size} px (64 or more are required)")
        if self.dereddened:
            problems.append("has dereddened pixels (observed ones are required)")
        if not problems:
            return None
        return f"profile '{self.name}' {' and '.join(problems)}; take it out of survey.profiles"


class Conditions(_Declared):
    """A table of PSF widths by position."""

    file: str
    radius_degree: float
    ra: str
    dec: str
    psfsize_r: str
    width_of_band: dict[str, float]


class PsfModels(_Declared):
    """Real PSF models by band."""

    pixel_scale: float
    g: list[str]
    r: list[str]
    z: list[str]


@dataclass(frozen=True)
class Declarations:
    """All of a profiles file."""

    profiles: dict[str, Profile]
    conditions: Conditions
    psf_models: PsfModels


def load_profiles(path: str | Path = DECLARED) -> Declarations:
    """The declared sets, the conditions table and the PSF models.

    Raises
    ------
    StampError
        Naming the keys that are unknown, missing or wrong.
    """
    raw = yaml.safe_load(Path(path).read_text())
    try:
        conditions = Conditions.model_validate(raw.pop("conditions"))
        models = PsfModels.model_validate(raw.pop("psf_models"))
        profiles = {name: Profile.model_validate({"name": name, **body}) for name, body in raw.items()}
    except (ValidationError, KeyError) as error:
        raise StampError(f"'{path}' is no file of stamp profiles: {error}") from None
    numbers = [profile.number for profile in profiles.values()]
    if len(set(numbers)) < len(numbers):
        raise StampError(f"'{path}': two profiles have the same number, so their galaxies would have the same galaxy_id")
    return Declarations(profiles, conditions, models)


def choose(profiles: dict[str, Profile], names: Sequence[str]) -> list[Profile]:
    """The profiles of these names, in the order given.

    Raises
    ------
    StampError
        For a name that is not declared, and for a set that lenscal refuses.
    """
    if not names:
        raise StampError(f"survey.profiles is empty; name some of {', '.join(profiles)}")
    for name in names:
        if name not in profiles:
            raise StampError(f"survey.profiles names '{name}', which profiles.yaml does not declare; it declares {', '.join(profiles)}")
        if refusal := profiles[name].refusal:
            raise StampError(refusal)
    return [profiles[name] for name in names]


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
    folder, pattern = (root / profile.files).parent, Path(profile.files).name
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise StampError(f"profile '{profile.name}': no file '{profile.files}' in '{root}'; correct survey.root")
    return [stamp for path in paths for stamp in _read_file(profile, path, path.relative_to(root).as_posix())]


def _read_file(profile: Profile, path: Path, name: str) -> Iterator[Stamp]:
    try:
        array, header, keys = _read_npz(profile, path) if path.suffix == ".npz" else _read_fits(path)
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
    _same_bands(profile, name, header, keys)
    scale, ra, dec = _geometry(profile, name, header, keys, array.shape[-2:])
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


def _read_fits(path: Path) -> tuple[np.ndarray, dict, dict]:
    with fits.open(path, memmap=False) as hdus:
        if hdus[0].data is None:
            raise ValueError("its primary HDU holds no image")
        return np.asarray(hdus[0].data), dict(hdus[0].header), {}


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
