"""Sets of stamps as they are declared: where each lies, how its files are laid out, and why some cannot serve."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from lenscal import schema
from lenscal.errors import InputError, LenscalError
from lenscal.io import folders

DECLARED = Path(__file__).parents[3] / "profiles.yaml"
_OWN = 1 << 19  # numbers of sets that name none lie from here on
OURS = ("type", "pool", "confuser_class", "tier", "lens_id", "split", "nobs_z", "brickname")  # told of each stamp


class StampError(LenscalError, ValueError):
    """Stamps that cannot be used; one sentence."""


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PsfImage(_Declared):
    """PSF images that come with the stamps, or one for all."""

    image: str | int
    """Array of the file, HDU, or a file below survey.root; (object, band, y, x), (band, y, x) or (y, x)."""


class PsfWidth(_Declared):
    """A Moffat PSF of a width [arcsec]: one for all, by band, or by the name of what holds it."""

    fwhm: float | dict[str, float] | str


class PsfSize(_Declared):
    """A Moffat PSF of a PSFSIZE [arcsec], as the survey has it: the width of the Gaussian of its noise-equivalent area,
    which is 1.4 times the full width at half maximum of a Moffat profile."""

    psfsize: float | dict[str, float] | str


class PsfModel(_Declared):
    """PSFEx models below survey.root, by band."""

    model: dict[str, str]


Psf = Literal["star", "table"] | PsfImage | PsfWidth | PsfSize | PsfModel
Planes = str | int | list[str | int]


def _is_width(item: Psf) -> bool:
    return isinstance(item, PsfWidth | PsfSize)


class Profile(_Declared):
    """One set of stamps; the keys are explained at the head of `profiles.yaml`."""

    name: str
    number: int = Field(ge=1, lt=1 << 20)
    about: str = ""
    files: str
    array: str | None = None
    hdus: list[str | int] | None = None
    hdu: str | int | None = None
    axes: list[Literal["band", "object", "y", "x"]] | None = None
    bands: list[str] = list(schema.BANDS)
    pixel_scale: float | Literal["wcs"] = schema.PIXEL_SCALE
    flux_pixel: float | None = None
    zeropoint: float | None = schema.ZEROPOINT
    units: str = "nanomaggy"
    dereddened: bool = False
    stamp_size: int | None = None
    centre: Literal["pixel", "middle"] | None = None
    position: Literal["none", "wcs"] | dict[Literal["ra", "dec"], str] = "none"
    use: Literal["host", "negative", "positive", "anchor"] = "host"
    psf: list[Psf] = ["star"]
    depth: float | dict[str, float] | str | None = None
    weight: Planes | None = None
    mask: Planes | None = None
    maskbits: str | int | None = None
    table: str | None = None
    type: str | None = None
    pool: Literal["N1", "N2"] | None = None
    confuser_class: str | None = None
    tier: Literal["literature", "A", "B"] | None = None
    split: Literal["train", "val", "test", "none"] | None = None
    fields: dict[str, str] = {}
    _asked: tuple[str, ...] = PrivateAttr(schema.BANDS)

    def asking(self, bands: Sequence[str]) -> Profile:
        """The same set, read in these bands."""
        found = self.model_copy()
        found._asked = tuple(bands)
        return found

    @property
    def asked(self) -> tuple[str, ...]:
        """Bands that are read, in the order in which they come back."""
        return self._asked

    @model_validator(mode="before")
    @classmethod
    def _numbered(cls, values: Any) -> Any:
        """A set without a number has one by its name, whatever sets stand beside it; one PSF needs no list."""
        if isinstance(values, dict):
            values = dict(values)
            if "number" not in values and isinstance(values.get("name"), str):
                digest = hashlib.blake2b(values["name"].encode(), digest_size=4).digest()
                values["number"] = _OWN + int.from_bytes(digest, "little") % _OWN
            if "psf" in values and not isinstance(values["psf"], list):
                values["psf"] = [values["psf"]]
        return values

    @model_validator(mode="after")
    def _sound(self) -> Profile:
        for given in (self.depth, self.width):
            numbers = given.values() if isinstance(given, dict) else [given] if isinstance(given, float) else []
            if isinstance(given, dict) and (lacking := [band for band in schema.BANDS if band not in given]):
                raise InputError(f"lacks {', '.join(lacking)}; expected a number for each of {', '.join(schema.BANDS)}")
            if any(not number > 0 for number in numbers):
                raise InputError(f"holds {list(numbers)}; expected numbers above 0")
        for item in self.psf:
            known = {*schema.BANDS, *schema.MORE_BANDS}
            if isinstance(item, PsfModel) and not set(schema.BANDS) <= set(item.model) <= known:
                raise InputError(f"psf.model has {sorted(item.model)}; expected a file for each of g, r, z")
        if unknown := sorted(set(self.fields) - {*OURS, "cutout_url", "download_timestamp"}):
            raise InputError(f"fields names '{unknown[0]}', which nothing reads; expected some of {', '.join(OURS)}")
        if self.confuser_class is not None and self.confuser_class not in schema.CONFUSERS:
            raise InputError(f"confuser_class is '{self.confuser_class}'; known are {', '.join(schema.CONFUSERS)}")
        if self.type is not None and self.type not in schema.TYPES:
            raise InputError(f"type is '{self.type}'; known are {', '.join(schema.TYPES)}")
        return self

    @property
    def width(self) -> float | dict[str, float] | str | None:
        """Width of the PSF, or the name of what holds it: `fwhm`, or `psfsize`."""
        found = (item.fwhm if isinstance(item, PsfWidth) else item.psfsize for item in self.psf if _is_width(item))
        return next(found, None)

    @property
    def more_files(self) -> list[str]:
        """Files beside the stamps that it names, below survey.root; of PSFs that may be keys or HDUs, all names."""
        images = [str(item.image) for item in self.psf if isinstance(item, PsfImage)]
        models = [name for item in self.psf if isinstance(item, PsfModel) for name in item.model.values()]
        return [*([self.table] if self.table else []), *images, *models]

    @property
    def is_positive(self) -> bool:
        return self.use in ("positive", "anchor")

    @property
    def refusal(self) -> str | None:
        """Why lenscal cannot use the set, in one sentence; None when it can."""
        problems = []
        if missing := [band for band in self.asked if band not in self.bands]:
            problems.append(
                f"has no {', '.join(missing)} band (it holds {', '.join(self.bands)}; "
                f"{', '.join(self.asked)} are required)"
            )
        models = [item.model for item in self.psf if isinstance(item, PsfModel)]
        for what, given in (
            ("depth", self.depth),
            ("width of the PSF", self.width),
            *(("psf.model", m) for m in models),
        ):
            if isinstance(given, dict) and (lacking := [band for band in self.asked if band not in given]):
                problems.append(f"has no {what} in {', '.join(lacking)}")
        if self.stamp_size is not None and self.stamp_size < 64:
            problems.append(f"has stamps of {self.stamp_size} px (64 or more are required)")
        if self.zeropoint is None:
            problems.append("has no known zero point")
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
    i: list[str] = []


@dataclass(frozen=True)
class Declarations:
    """All of a profiles file; the table of conditions and the models are for sets whose PSF comes from them."""

    profiles: dict[str, Profile]
    conditions: Conditions | None
    psf_models: PsfModels | None


def load_profiles(path: str | Path = DECLARED, sets: Mapping[str, Mapping[str, Any]] | None = None) -> Declarations:
    """The declared sets, the conditions table and the PSF models.

    Parameters
    ----------
    path : path
        A file of profiles.
    sets : mapping, optional
        Further ones, as a run file declares them: name -> keys.

    Raises
    ------
    StampError
        Naming the keys that are unknown, missing or wrong, or two sets of one name or number.
    """
    raw = _raw(Path(path))
    if sets and (twice := sorted(set(raw) & set(sets))):
        raise StampError(f"survey.sets declares '{twice[0]}', and so does '{path}'; take another name")
    try:
        conditions = Conditions.model_validate(raw.pop("conditions")) if "conditions" in raw else None
        models = PsfModels.model_validate(raw.pop("psf_models")) if "psf_models" in raw else None
        profiles = {name: Profile.model_validate({"name": name, **body}) for name, body in raw.items()}
    except (ValidationError, TypeError) as error:
        raise StampError(f"'{path}' is no file of stamp profiles: {_said(error)}") from None
    try:
        profiles |= {name: Profile.model_validate({"name": name, **body}) for name, body in (sets or {}).items()}
    except (ValidationError, TypeError) as error:
        raise StampError(
            f"survey.sets of the run file: {_said(error)}; see the head of lenscal/profiles.yaml"
        ) from None
    numbers = [profile.number for profile in profiles.values()]
    if len(set(numbers)) < len(numbers):
        raise StampError(
            f"'{path}': two profiles have the same number, so their galaxies would have the same galaxy_id; give one "
            "another `number`"
        )
    return Declarations(profiles, conditions, models)


def _said(error: ValidationError | TypeError) -> str:
    """What is wrong with which key, in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        unknown = item["type"] == "extra_forbidden"
        lines.append(f"{key}: unknown key" if unknown else f"{key}: {item['msg']}" if key else str(item["msg"]))
    return "; ".join(lines)


def _raw(path: Path) -> dict:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        folders.pass_on(error, path)
        raise StampError(f"'{path}' cannot be read as a file of stamp profiles ({error})") from None
    if not isinstance(raw, dict):
        raise StampError(f"'{path}' is no file of stamp profiles: it holds {type(raw).__name__}, expected a mapping")
    return raw


def choose(profiles: dict[str, Profile], names: Sequence[str], bands: Sequence[str] = schema.BANDS) -> list[Profile]:
    """The profiles of these names, in the order given, read in these bands.

    Raises
    ------
    StampError
        For a name that is not declared, and for a set that lenscal refuses.
    """
    if not names:
        raise StampError(f"survey.profiles is empty; name some of {', '.join(profiles)}, or declare your own (sets)")
    for name in names:
        if name not in profiles:
            raise StampError(
                f"survey.profiles names '{name}', which profiles.yaml does not declare; it "
                f"declares {', '.join(profiles)}: declare it in survey.sets, or in a file (survey.profiles_file)"
            )
        if refusal := profiles[name].asking(bands).refusal:
            raise StampError(refusal)
    return [profiles[name].asking(bands) for name in names]
