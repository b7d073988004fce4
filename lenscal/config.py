"""A run file becomes checked settings: unknown keys, wrong types and missing files are refused before any work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lenscal import schema


class ConfigError(ValueError):
    """A run file that cannot be used; the message names the key, what was found and what was expected."""


class Section(BaseModel):
    """Settings of one stage; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sky(Section):
    """The embedded sky that `lenscal mock` draws (a mock survey; every product made from it says so)."""

    bricks: int = Field(132, ge=4)
    brick_pixels: int = Field(900, ge=300, le=3600)
    galaxies_per_brick: int = Field(60, ge=1)
    lenses: int = Field(64, ge=0)
    overlapping_pairs: int = Field(6, ge=0)
    psfsize_r_arcsec: tuple[float, float] = (0.9, 1.8)
    psfdepth_r_mag: tuple[float, float] = (22.5, 24.5)


class Survey(Section):
    """Where the pixels and the catalogue come from: the DR10 layout, or sets of stamps."""

    layout: Literal["dr10", "stamps"] = "dr10"
    root: str
    profiles: list[str] = []  # stamps only: names in lenscal/profiles.yaml
    layer: str = "ls-dr10-south"
    mock: bool = False


class LensCatalogue(Section):
    """One catalogue of lenses."""

    name: str
    source: str  # "lenscat" (the package) or a path
    format: Literal["lenscat", "desi-sl-vac", "csv"] = "lenscat"
    channel: Literal["imaging-ml", "spectroscopic", "visual", "literature"] = "literature"
    columns: dict[str, str] = {}  # csv only: our name -> its name (ra, dec, name, zlens, grade, reference)


class ContaminantCatalogue(Section):
    """One catalogue of look-alikes."""

    name: str
    source: str
    category: str  # a category, or "column:<name>"
    columns: dict[str, str] = {}


class Objects(Section):
    lenses: list[LensCatalogue]
    contaminants: list[ContaminantCatalogue] = []
    match_radius_arcsec: float = Field(5.0, gt=0, le=60)
    merge_radius_arcsec: float = Field(2.0, gt=0, le=60)
    match_rate_min: float = Field(0.9, ge=0, le=1)
    galaxy_tables: list[str] = []  # further real rows to match against (CSV or FITS), never a pool


class Manifest(Section):
    types: list[str] = ["SER", "DEV", "REX"]
    mag_z_max: float = 20.0
    nobs_min: int = Field(3, ge=0)
    dec_range_degree: tuple[float, float] = (-18.0, 32.0)
    exclusion_radius_arcsec: float = Field(11.0, gt=0)
    negatives_per_positive: int = Field(100, ge=1)
    n1_fraction: float = Field(0.85, gt=0, lt=1)
    split_fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)
    guard_arcsec: float = Field(0.0, ge=0)
    tier_weights: dict[str, float] = {"literature": 1.0, "A": 0.95, "B": 0.5}
    tier_targets: dict[str, float] = {"literature": 1.0, "A": 1.0, "B": 1.0}
    anchor_tiers: list[str] = ["literature"]  # kept from training everywhere, evaluation only
    host_types: list[str] = ["SER", "DEV", "REX"]
    host_splits: list[str] = ["val", "test"]
    host_colour_gr_min: float | None = None
    host_mag_r_max: float | None = None
    rows_min: int = 0
    types_min: int = 3


class Cutouts(Section):
    size: int = Field(101, ge=21, le=512)
    psf_beta: float = Field(2.5, gt=1.1)
    block: int = Field(256, ge=16, multiple_of=16)


class Quality(Section):
    central_radius_arcsec: float = Field(6.0, gt=0)
    mask_radius_px: float = Field(8.0, gt=0)
    masked_fraction_max: float = Field(0.02, ge=0, le=1)
    centre_bits: list[str] = ["BRIGHT", "SATUR_G", "SATUR_R", "SATUR_Z", "ALLMASK_G", "ALLMASK_R", "MEDIUM"]
    area_bits: list[str] = [
        "NPRIMARY", "BRIGHT", "SATUR_G", "SATUR_R", "SATUR_Z", "ALLMASK_G", "ALLMASK_R", "ALLMASK_Z", "BAILOUT",
        "MEDIUM", "GALAXY", "CLUSTER", "ALLMASK_I",
    ]  # fmt: skip
    sky_ring_px: tuple[float, float] = (33.0, 48.0)
    failed_fraction_max: float = Field(0.5, ge=0, le=1)  # of one block, else the run stops with its name
    block: int = Field(256, ge=16)

    @field_validator("centre_bits", "area_bits")
    @classmethod
    def _known_bits(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in schema.MASKBITS:
                raise ValueError(f"'{name}' is no MASKBITS name; known: {', '.join(schema.MASKBITS)}")
        return names


class Axis(Section):
    """Bin centres from start to stop (both included), one step apart; edges half a step away."""

    start: float
    stop: float
    step: float = Field(gt=0)

    @model_validator(mode="after")
    def _whole_steps(self) -> Axis:
        steps = (self.stop - self.start) / self.step
        if self.stop < self.start or abs(steps - round(steps)) > 1e-6:
            raise ValueError(f"from {self.start} to {self.stop} is not a whole number of steps of {self.step}")
        return self

    @property
    def centres(self) -> np.ndarray:
        count = round((self.stop - self.start) / self.step) + 1
        return np.round(self.start + self.step * np.arange(count), 6)

    @property
    def edges(self) -> np.ndarray:
        return np.round(np.append(self.centres - self.step / 2, self.centres[-1] + self.step / 2), 6)


class Grid(Section):
    theta_e: Axis = Axis(start=0.5, stop=3.0, step=0.25)
    psf_fwhm: Axis = Axis(start=0.9, stop=1.8, step=0.15)
    depth: Axis = Axis(start=22.5, stop=24.5, step=0.5)


class Injections(Section):
    grid: Grid = Grid()
    trials: int = Field(200, ge=1)
    prior: str = "observed-colours"  # a name in lenscal/injections/priors.yaml
    source: Literal["sersic", "clumpy", "stamps"] = "sersic"
    size: int = Field(64, ge=21)
    magnification: tuple[float, float] = (5.0, 30.0)
    hosts_min: int = Field(30, ge=1)
    inner_images: bool = True
    shot_noise: bool = True
    keep_images: bool = False
    source_stamps: str | None = None


class Training(Section):
    epochs: int = Field(20, ge=1)
    patience: int = Field(8, ge=1)
    batch: int = Field(64, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    positives_per_epoch: int | None = 120
    negatives_per_epoch: int | None = 400
    val_negatives: int | None = 400


class Detector(Section):
    architecture: str = "resnet18"
    size: int = Field(64, ge=21)
    bands: list[str] = list(schema.BANDS)
    frozen: str | None = None  # folder of a frozen detector; when given nothing is trained
    training: Training = Training()
    scientific: bool = False  # False marks every product "not scientific" (requirement M.3)


class Scores(Section):
    batch: int = Field(128, ge=1)


class Completeness(Section):
    false_positive_rates: list[Annotated[float, Field(gt=0, lt=1)]] = [0.01]
    prior: Literal["jeffreys", "uniform"] = "jeffreys"
    trials_min: int = Field(200, ge=1)
    hosts_min: int = Field(30, ge=1)


class Failures(Section):
    gallery: int = Field(24, ge=0)


class Report(Section):
    title: str = "Detector audit"
    depth: float | None = None


class Cluster(Section):
    workers: int = Field(1, ge=1)
    threads: int | None = None
    memory_limit: str = "4GB"
    dashboard: bool = True


class Settings(Section):
    """A whole run file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    about: str = ""
    seed: int = Field(ge=0)
    timestamp: str = "1970-01-01T00:00:00Z"  # written as provenance; from the run file, so that bytes do not follow the clock
    stores: Path
    sky: Sky | None = None
    survey: Survey
    objects: Objects
    manifest: Manifest = Manifest()
    cutouts: Cutouts = Cutouts()
    quality: Quality = Quality()
    injections: Injections = Injections()
    detector: Detector = Detector()
    scores: Scores = Scores()
    completeness: Completeness = Completeness()
    failures: Failures = Failures()
    report: Report = Report()
    cluster: Cluster = Cluster()

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.injections.size > self.cutouts.size:
            raise ValueError(f"injections.size {self.injections.size} is larger than cutouts.size {self.cutouts.size}")
        if self.detector.size > self.injections.size:
            raise ValueError(f"detector.size {self.detector.size} is larger than injections.size {self.injections.size}")
        if missing := set(self.detector.bands) - set(schema.BANDS):
            raise ValueError(f"detector.bands names {sorted(missing)}; the cutouts hold {schema.BANDS}")
        return self


def real_data() -> Path | None:
    """Folder of the real data: `LENSCAL_REAL_DATA`, else `../shared/data` beside the checkout, else None."""
    named = os.environ.get("LENSCAL_REAL_DATA")
    if named:
        if not Path(named).is_dir():
            raise ConfigError(f"LENSCAL_REAL_DATA is '{named}', which is no folder")
        return Path(named)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return beside if beside.is_dir() else None


def _place(text: str, folder: Path) -> str:
    """A path of a run file: URLs and package names as they are, others relative to the run file."""
    if "{real_data}" in text:
        root = real_data()
        if root is None:
            raise ConfigError(
                f"'{text}' needs the real data: set LENSCAL_REAL_DATA to its folder, or put it at ../shared/data beside the checkout"
            )
        text = text.replace("{real_data}", str(root))
    if "://" in text or text == "lenscat":
        return text
    return str((folder / Path(text).expanduser()).resolve())


def load(path: str | Path) -> Settings:
    """Settings of a run file, paths made absolute.

    Raises
    ------
    ConfigError
        One sentence per key that is unknown, missing or wrong.
    """
    path = Path(path)
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"run file '{path}' cannot be read: {error.strerror}") from None
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"run file '{path}' is not YAML: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"run file '{path}' holds {type(raw).__name__}, not a mapping of sections")
    folder = path.resolve().parent
    try:
        raw = _with_places(raw, folder)
        return Settings.model_validate(raw)
    except ValidationError as error:
        lines = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
            found = "" if item["type"] in ("missing", "extra_forbidden") else f" (found {item['input']!r})"
            message = "unknown key; see docs/run-files.md" if item["type"] == "extra_forbidden" else item["msg"]
            lines.append(f"  {key}: {message}{found}")
        raise ConfigError(f"run file '{path}':\n" + "\n".join(lines)) from None


def _with_places(raw: dict, folder: Path) -> dict:
    """The raw run file with its paths made absolute, where they are there as text."""
    raw = dict(raw)

    def fix(mapping: object, *keys: str) -> object:
        if not isinstance(mapping, dict):
            return mapping
        return {k: _place(v, folder) if k in keys and isinstance(v, str) else v for k, v in mapping.items()}

    raw = fix(raw, "stores")
    raw["survey"] = fix(raw.get("survey"), "root")
    raw["detector"] = fix(raw.get("detector", {}), "frozen")
    raw["injections"] = fix(raw.get("injections", {}), "source_stamps")
    if isinstance(raw.get("objects"), dict):
        objects = dict(raw["objects"])
        for key in ("lenses", "contaminants"):
            if isinstance(objects.get(key), list):
                objects[key] = [fix(item, "source") for item in objects[key]]
        if isinstance(objects.get("galaxy_tables"), list):
            objects["galaxy_tables"] = [_place(t, folder) if isinstance(t, str) else t for t in objects["galaxy_tables"]]
        raw["objects"] = objects
    return raw
