"""Sets of stamps as they are declared: where each lies, how its files are laid out, and why some cannot serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lenscal import schema
from lenscal.errors import LenscalError

DECLARED = Path(__file__).parents[3] / "profiles.yaml"


class StampError(LenscalError, ValueError):
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
    hdus: list[str] | None = None
    axes: list[Literal["band", "object", "y", "x"]]
    bands: list[str]
    pixel_scale: float | Literal["wcs"]
    flux_pixel: float | None = None
    zeropoint: float | None
    units: str = "nanomaggy"
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
            problems.append(
                f"has no {', '.join(missing)} band (it holds {', '.join(self.bands)}; "
                f"{', '.join(schema.BANDS)} are required)"
            )
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
        raise StampError(
            f"'{path}': two profiles have the same number, so their galaxies would have the same galaxy_id"
        )
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
            raise StampError(
                f"survey.profiles names '{name}', which profiles.yaml does not declare; it "
                f"declares {', '.join(profiles)}"
            )
        if refusal := profiles[name].refusal:
            raise StampError(refusal)
    return [profiles[name] for name in names]
