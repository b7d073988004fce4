"""A run file becomes checked settings: unknown keys, wrong types and missing files are refused before any work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from lenscal import schema


class ConfigError(ValueError):
    """A run file that cannot be used; the message names the key, what was found and what was expected."""


class Section(BaseModel):
    """Settings of one stage; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Sky(Section):
    """The embedded sky that `lenscal mock` draws (a mock survey; every product made from it says so)."""

    bricks: int = Field(132, ge=4)
    """Bricks, most in a HEALPix pixel of their own."""
    brick_pixels: int = Field(900, ge=300, le=3600)
    """Side of a brick in pixels (3600 in the survey)."""
    galaxies_per_brick: int = Field(60, ge=1)
    """Galaxies in a brick, on average."""
    lenses: int = Field(64, ge=0)
    """True lenses; a few are in no catalogue."""
    overlapping_pairs: int = Field(6, ge=0)
    """Pairs of bricks that overlap."""
    psfsize_r_arcsec: tuple[float, float] = (0.9, 1.8)
    """Range of PSFSIZE_R over the bricks."""
    psfdepth_r_mag: tuple[float, float] = (22.5, 24.5)
    """Range of PSFDEPTH_R over the bricks."""


class Service(Section):
    """A public cutout service that gives the pixels, instead of bricks on disk."""

    url: str = Field("https://www.legacysurvey.org/viewer/fits-cutout", pattern=r"^https?://[^?]+$")
    """Of its FITS cutouts; the layer asked for is `survey.layer`."""
    planes: list[Literal["invvar", "maskbits"]] = ["invvar", "maskbits"]
    """Beside the image; leave out what the layer does not have (then no weights, no mask bits)."""
    requests_per_second: float = Field(2.0, gt=0)
    """At most, on one machine, all processes together."""
    attempts: int = Field(8, ge=1)
    """Before the run stops; what is complete stays complete."""
    backoff_seconds: float = Field(1.0, gt=0)
    """Wait after the first failed attempt, doubled after each; an answer's Retry-After goes before it."""
    timeout_seconds: float = Field(60.0, gt=0)
    """For an answer to begin, and between its bytes."""


class Survey(Section):
    """Where the pixels and the catalogue come from: the DR10 layout, or sets of stamps."""

    layout: Literal["dr10", "stamps"] = "dr10"
    """`dr10`: the survey's own folders; `stamps`: sets of stamps described in lenscal/profiles.yaml."""
    root: str
    """Folder (relative to the run file); `{real_data}` stands for LENSCAL_REAL_DATA."""
    profiles: list[str] = []
    """Stamps only: which profiles."""
    layer: str = "ls-dr10-south"
    """Name recorded as provenance; of a service the layer asked for."""
    service: Service | None = None
    """Pixels from a cutout service; `root` then needs the catalogue and the table of bricks only."""
    mock: bool = False
    """True marks every product as made from the embedded sky."""


class LensCatalogue(Section):
    """One catalogue of lenses."""

    name: str
    """Name in products."""
    source: str
    """`lenscat` (the package) or a file."""
    format: Literal["lenscat", "desi-sl-vac", "csv"] = "lenscat"
    """Columns: lenscat's, the DESI spectroscopic catalogue's, or named in `columns`."""
    channel: Literal["imaging-ml", "spectroscopic", "follow-up", "visual", "literature"] = "literature"
    """How its lenses were selected. `follow-up`: spectra of imaging candidates, which are no independent selection."""
    columns: dict[str, str] = {}
    """csv only: our name -> its name (ra, dec, name, zlens, grade, reference)."""
    known_crossmatch: tuple[int, int] | None = None
    """Spectroscopic only: entries of high quality with and without an imaging candidate, as known for this very file; a gate."""

    @model_validator(mode="after")
    def _follow_up(self) -> LensCatalogue:
        if self.format == "desi-sl-vac" and self.channel != "follow-up":
            raise ValueError(
                f"channel is '{self.channel}', but this catalogue holds spectra of imaging candidates: it is `follow-up`, not independent"
            )
        return self


class ContaminantCatalogue(Section):
    """One catalogue of look-alikes."""

    name: str
    """Name in products."""
    source: str
    """A file."""
    category: str
    """A category for all rows, or `column:NAME`."""
    columns: dict[str, str] = {}
    """Our name -> its name (ra, dec, name)."""


class Objects(Section):
    """Outside catalogues, and how they meet the survey."""

    lenses: list[LensCatalogue]
    """Catalogues of lenses; all are excluded from the negatives."""
    contaminants: list[ContaminantCatalogue] = []
    """Catalogues of look-alikes."""
    match_radius_arcsec: float = Field(5.0, gt=0, le=60)
    """Lens to survey object."""
    merge_radius_arcsec: float = Field(2.0, gt=0, le=60)
    """Same system in two catalogues."""
    match_rate_min: float = Field(0.9, ge=0, le=1)
    """Gate: matched share of the positives inside the footprint."""
    partition_order: int = Field(5, ge=0, le=10)
    """HEALPix order of the Parquet leaves (5: 3.4 square degrees, some 500,000 objects of the survey)."""
    margin_arcsec: float = Field(20.0, gt=0, le=300)
    """Rim of its neighbours that each leaf carries; at least the largest distance at which neighbours are asked about."""
    chunk_rows: int = Field(262144, ge=1024)
    """Rows of a sweep file in memory at a time."""
    galaxy_tables: list[str] = []
    """Further tables of real rows to match against (ra, dec); never a pool."""


class Manifest(Section):
    """Pools, exclusion, splits, labels and hosts, with the limits of their gates."""

    types: list[str] = ["SER", "DEV", "REX"]
    """Tractor types of N1."""
    mag_z_max: float = 20.0
    """Faint limit of N1, observed z."""
    nobs_min: int = Field(3, ge=0)
    """Least exposures in g, r and z."""
    dec_range_degree: tuple[float, float] = (-18.0, 32.0)
    """Footprint in declination."""
    exclusion_radius_arcsec: float = Field(11.0, gt=0)
    """Around every lens of every catalogue."""
    duplicate_radius_arcsec: float = Field(0.5, gt=0)
    """The same sky fitted twice, in overlapping bricks or releases."""
    positive_lenses: Literal["all", "imaging"] = "all"
    """Which lenses are positives; `imaging`: the DESI imaging candidates and the literature tier. All are excluded from the negatives."""
    negatives_per_positive: int = Field(100, ge=1)
    """Per stratum (nobs_z bin, type)."""
    controls_per_positive: int = Field(0, ge=0)
    """Per stratum: galaxies of the rule of N1 that no pool took, kept as a labelled diagnostic and never as negatives."""
    n1_fraction: float = Field(0.85, gt=0, lt=1)
    """Of the negatives; the rest is N2."""
    confuser_cuts: dict[str, dict[str, float]] = {}
    """Class -> cut -> value, in place of those of lenscal/manifest/confusers.py."""
    required_classes: list[str] = ["edge_on", "face_on_disk", "blend_merger"]
    """Confuser classes that must have rows, else the run stops."""
    split_fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)
    """Train, val, test by HEALPix pixel."""
    guard_arcsec: float = Field(0.0, ge=0)
    """Rows closer than this to a pixel of another split are dropped."""
    tier_weights: dict[str, float] = {"literature": 1.0, "A": 0.95, "B": 0.5}
    """Weight in the loss."""
    tier_targets: dict[str, float] = {"literature": 1.0, "A": 1.0, "B": 1.0}
    """Target of the loss (label smoothing)."""
    anchor_tiers: list[str] = ["literature"]
    """Tiers kept for evaluation only."""
    host_types: list[str] = ["SER", "DEV", "REX"]
    """Types that may carry injections."""
    host_splits: list[str] = ["val", "test"]
    """Splits they may come from."""
    host_colour_gr_min: float | None = None
    """Red hosts only, dereddened g-r."""
    host_mag_r_max: float | None = None
    """Bright hosts only."""
    rows_min: int = 0
    """Gate: rows of the manifest."""
    types_min: int = 3
    """Gate: Tractor types in it."""
    n1_range: tuple[float, float] = (0.75, 0.95)
    """Gate: share of N1 in the negatives."""
    train_range: tuple[float, float] | None = None
    """Gate: share of train; by default the fraction asked for, give or take the larger of 0.05 and three sigma of the pixels."""
    shortfall_max: float = Field(0.1, ge=0, le=1)
    """Gate: negatives that no stratum could give, as a share of those asked for."""
    balance_max: float = Field(0.5, gt=0)
    """Gate: largest shift of a condition's median between splits, over its interquartile range."""
    overlap_min: float = Field(0.9, ge=0, le=1)
    """Gate: least share of the positives in conditions that the negatives have too."""

    @field_validator("split_fractions")
    @classmethod
    def _whole(cls, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
            raise ValueError(f"the fractions of train, val and test add to {sum(fractions):g}, not 1")
        return fractions

    @field_validator("required_classes", "confuser_cuts")
    @classmethod
    def _known_classes(cls, names: object) -> object:
        if unknown := set(names) - set(schema.CONFUSERS):
            raise ValueError(f"{sorted(unknown)} are no confuser classes; known: {', '.join(schema.CONFUSERS)}")
        return names

    @field_validator("tier_weights", "tier_targets")
    @classmethod
    def _every_tier(cls, values: dict[str, float]) -> dict[str, float]:
        if set(values) != {tier for tier in schema.TIERS if tier}:
            raise ValueError(f"has {sorted(values)}; one value is needed for each of {[t for t in schema.TIERS if t]}")
        if bad := {tier: v for tier, v in values.items() if not 0 <= v <= 1}:
            raise ValueError(f"{bad} lie outside [0, 1]")
        return values

    @field_validator("anchor_tiers")
    @classmethod
    def _known_tiers(cls, names: list[str]) -> list[str]:
        if unknown := set(names) - set(schema.TIERS):
            raise ValueError(f"{sorted(unknown)} are no tiers; known: {[t for t in schema.TIERS if t]}")
        return names

    @field_validator("types", "host_types")
    @classmethod
    def _known_types(cls, names: list[str]) -> list[str]:
        if unknown := set(names) - set(schema.TYPES):
            raise ValueError(f"{sorted(unknown)} are no Tractor types; known: {', '.join(schema.TYPES)}")
        return names


class Cutouts(Section):
    """Pixels about each row of the manifest."""

    size: int = Field(101, ge=21, le=512)
    """Side in pixels."""
    psf_beta: float = Field(2.5, gt=1.1)
    """Moffat beta where there is no PSF image."""
    broken: Literal["stop", "count"] = "stop"
    """What a missing or broken file of a brick does: stop the run, or keep its galaxies as failed rows, counted."""
    block: int = Field(256, ge=16, multiple_of=16)
    """Galaxies per block of work and per shard."""
    rounding_nanomaggy: float | None = Field(None, gt=0)
    """Images are rounded to multiples of the power of two at or below this, to compress better; refused where it is not far below the noise."""


class Quality(Section):
    """What makes a cutout fit for use."""

    central_radius_arcsec: float = Field(6.0, gt=0)
    """No unobserved pixel within."""
    mask_radius_px: float = Field(8.0, gt=0)
    """No masked pixel within."""
    masked_fraction_max: float = Field(0.02, ge=0, le=1)
    """Of the stamp."""
    centre_bits: list[str] = ["BRIGHT", "SATUR_G", "SATUR_R", "SATUR_Z", "ALLMASK_G", "ALLMASK_R", "MEDIUM"]
    """MASKBITS that exclude at the centre."""
    area_bits: list[str] = [
        "NPRIMARY", "BRIGHT", "SATUR_G", "SATUR_R", "SATUR_Z", "ALLMASK_G", "ALLMASK_R", "ALLMASK_Z", "BAILOUT",
        "MEDIUM", "GALAXY", "CLUSTER", "ALLMASK_I",
    ]  # fmt: skip
    """MASKBITS that count for the fraction."""
    sky_ring_px: tuple[float, float] = (33.0, 48.0)
    """Ring for the noise, for a 101 px stamp."""
    failed_fraction_max: float = Field(0.5, ge=0, le=1)
    """A block beyond it stops the run."""
    block: int = Field(256, ge=16)
    """Galaxies per block."""

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
    """Einstein radius [arcsec]."""
    psf_fwhm: Axis = Axis(start=0.9, stop=1.8, step=0.15)
    """PSFSIZE_R [arcsec]."""
    depth: Axis = Axis(start=22.5, stop=24.5, step=0.5)
    """PSFDEPTH_R [AB mag]."""


class Injections(Section):
    """Lensed arcs put into real galaxies, cell by cell."""

    grid: Grid = Grid()
    """Bin centres: start, stop, step."""
    trials: int = Field(200, ge=1)
    """Per cell."""
    prior: str = "observed-colours"
    """A name in lenscal/injections/priors.yaml or in `prior_file`."""
    prior_file: str | None = None
    """YAML with further prior sets, such as `lenscal calibrate-prior` writes."""
    source: Literal["sersic", "clumpy", "stamps"] = "sersic"
    """`sersic`, or `stamps` of real galaxies."""
    size: int = Field(64, ge=21)
    """Side of the injected image."""
    magnification: tuple[float, float] = (5.0, 30.0)
    """Range enforced by rejection."""
    hosts_min: int = Field(30, ge=1)
    """Gate: distinct hosts in every populated cell."""
    inner_images: bool = True
    """False suppresses them (ablation)."""
    shot_noise: bool = True
    """Of the arc."""
    gain: dict[str, Annotated[float, Field(gt=0)]] | None = None
    """Electrons per nanomaggy of the sum of exposures, by band; checked against the pixels. Null takes it from the pixels."""
    moffat_beta: float | None = Field(None, gt=1)
    """For hosts without a PSF image, with the core width that their PSFSIZE then has; null takes the cutouts' own."""
    on_failure: Literal["count", "stop"] = "count"
    """A trial that cannot be made: `count` it and go on, or `stop` the run with its name."""
    keep_images: bool = False
    """Store pixels; else they are rendered again when needed."""
    source_stamps: str | None = None
    """File of galaxy stamps, when source is `stamps`."""

    @property
    def more_priors(self) -> str:
        """Text of `prior_file`; empty without one."""
        return Path(self.prior_file).read_text() if self.prior_file else ""

    @field_validator("prior_file")
    @classmethod
    def _readable(cls, path: str | None) -> str | None:
        if path is not None and not Path(path).is_file():
            raise ValueError("names no file")
        return path

    @field_validator("gain")
    @classmethod
    def _every_band(cls, gain: dict[str, float] | None) -> dict[str, float] | None:
        if gain is not None and set(gain) != set(schema.BANDS):
            raise ValueError(f"names the bands {sorted(gain)}, not {', '.join(schema.BANDS)}")
        return gain


class Training(Section):
    """How a detector is trained."""

    epochs: int = Field(20, ge=1)
    """At most."""
    patience: int = Field(8, ge=1)
    """Epochs without a better validation before stopping."""
    batch: int = Field(64, ge=2)
    """Images per step."""
    learning_rate: float = Field(1e-3, gt=0)
    """At the start of the cosine."""
    weight_decay: float = Field(1e-4, ge=0)
    """AdamW."""
    positives_per_epoch: int | None = Field(120, ge=1)
    """Drawn with repetition and augmentation; null takes each once."""
    negatives_per_epoch: int | None = Field(400, ge=1)
    """Drawn afresh each epoch; null takes all."""
    val_negatives: int | None = Field(400, ge=1)
    """Cap on validation negatives; null takes all."""
    memory_gb: float = Field(4.0, gt=0)
    """Pixels beyond this are read again, batch by batch."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    mixed_precision: Literal["auto", "on", "off"] = "auto"
    """bfloat16 in training; `auto`: on a GPU only."""


class Detector(Section):
    """What is audited: trained here, or brought frozen."""

    architecture: str = "resnet18"
    """`resnet18`."""
    size: int = Field(64, ge=21)
    """Side of the image it sees."""
    bands: list[str] = list(schema.BANDS)
    """In order."""
    frozen: str | None = None
    """Folder of a frozen detector: nothing is trained."""
    training: Training = Training()
    """See below."""
    scientific: bool = False
    """False marks every product "not scientific"."""


class Scores(Section):
    """How images are scored."""

    batch: int = Field(128, ge=1)
    """Images per call."""


class Completeness(Section):
    """Thresholds, posterior and sufficiency of the cube."""

    false_positive_rates: list[Annotated[float, Field(gt=0, lt=1)]] = Field([0.01], min_length=1)
    """Thresholds are set at these rates of validation negatives."""
    prior: Literal["jeffreys", "uniform"] = "jeffreys"
    """Of the binomial posterior."""
    interval: Literal["equal-tailed", "hpd", "wilson", "clopper-pearson"] = "equal-tailed"
    """Kind of `lower` and `upper`; the first two are of the posterior."""
    trials_min: int = Field(200, ge=1)
    """Fewer: insufficient."""
    hosts_min: int = Field(30, ge=1)
    """Fewer distinct hosts: insufficient."""


class Failures(Section):
    """What is kept of missed and false detections."""

    gallery: int = Field(24, ge=0)
    """Rows of each kind to show."""


class Realism(Section):
    """Real lenses beside injections: how many, how they are matched, and the limits of each criterion."""

    anchor_tiers: list[str] = ["literature", "A", "B"]
    """Tiers of the real lenses to compare with."""
    anchors_min: int = Field(20, ge=2)
    """Fewer real lenses (or matched injections): not judged."""
    anchors_max: int = Field(300, ge=2)
    """At most so many, drawn by id."""
    candidates: int = Field(16, ge=1)
    """Injections looked at for each real lens."""
    matches: int = Field(4, ge=1)
    """Of them, kept for each real lens, no host twice."""
    radius_arcsec: tuple[float, float] = (0.6, 3.2)
    """Where the arc's annulus is looked for."""
    arc_snr_min: float = Field(3.0, ge=0)
    """Arc SNR in g and r together, (g + r) / sqrt(2), from which colours and structure are measured."""
    snr_ratio: tuple[float, float] = (0.5, 2.0)
    """Limits of the ratios of arc SNR at 10, 50 and 90 %."""
    colour_difference: float = Field(0.2, gt=0)
    """Limit of the difference of median colours [mag]."""
    noise_distance_max: float = Field(0.05, gt=0, lt=1)
    """Limit of the KS distance of the noise."""
    p_min: float = Field(0.05, gt=0, lt=1)
    """Limit of the p of noise, structure and panel."""
    splits: int = Field(2000, ge=100)
    """Half-splits and permutations behind a p."""
    probe_window: int = Field(41, ge=21)
    """Side in pixels of what the probe sees, odd; the whole image where that is smaller."""
    probe_auc_max: float = Field(0.7, gt=0.5, lt=1)
    """Limit of the probe's AUC."""
    morphologies: list[Literal["sersic", "clumpy", "stamps"]] = ["sersic", "clumpy", "stamps"]
    """The bracket of sources; stamps need a file of stamps."""
    source_stamps: str | None = None
    """File of galaxy stamps for the bracket; that of the injections, where they have one, by default."""
    priors: list[str] = ["observed-colours", "rest-frame-colours", "compact-arcs", "anchor-snr"]
    """Sets of priors to compare."""
    sensitivity_injections: int = Field(200, ge=2)
    """Injections rendered and scored again for each change, one per host."""
    morphology_change_max: float = Field(0.1, gt=0, le=1)
    """Limit of the change of completeness by the source."""
    prior_change_max: float = Field(0.1, gt=0, le=1)
    """Limit of the change of completeness by the prior."""
    panel: int = Field(12, ge=1)
    """Real lenses, and as many injections, of the blind panel."""
    panel_judged: int | None = Field(None, ge=1)
    """Images of the panel that a reader has judged."""
    panel_correct: int | None = Field(None, ge=0)
    """Of them, told right."""

    @model_validator(mode="after")
    def _sound(self) -> Realism:
        for name, (low, high) in (("radius_arcsec", self.radius_arcsec), ("snr_ratio", self.snr_ratio)):
            if not 0 < low < high:
                raise ValueError(f"{name} runs from {low:g} to {high:g}; expected two growing numbers above 0")
        if (self.panel_judged is None) != (self.panel_correct is None) or (self.panel_correct or 0) > (self.panel_judged or 0):
            raise ValueError("panel_judged and panel_correct go together, the second no larger than the first")
        if self.probe_window % 2 == 0:
            raise ValueError(f"probe_window is {self.probe_window}; expected an odd side, so that the galaxy is in its middle")
        return self

    @field_validator("anchor_tiers")
    @classmethod
    def _known_tiers(cls, names: list[str]) -> list[str]:
        if unknown := set(names) - {tier for tier in schema.TIERS if tier}:
            raise ValueError(f"{sorted(unknown)} are no tiers; known: {[t for t in schema.TIERS if t]}")
        return names


class Report(Section):
    """The page."""

    title: str = "Detector audit"
    """Of the page."""
    depth: float | None = None
    """Depth of the headline figure; the middle one by default."""


class Cluster(Section):
    """Where blocks of work are done."""

    workers: int | None = Field(None, ge=1)
    """Processes; one per core by default (reading FITS holds the interpreter's lock, so threads would wait for each other)."""
    threads: int | None = Field(None, ge=1)
    """Per process; the cores shared out by default."""
    memory_limit: str = "4GB"
    """Per process."""
    address: str | None = None
    """Of a running Dask scheduler, such as `tcp://10.0.0.1:8786`; its workers do the work, and see the same paths."""
    dashboard: bool = True
    """Serve Dask's dashboard on localhost."""


BUCKET = {
    "use_listings_cache": False,  # what another process has written is seen
    "config_kwargs": {"retries": {"max_attempts": 8, "mode": "standard"}, "connect_timeout": 10, "read_timeout": 60},
}
"""How a bucket is spoken to: attempts with back-off (429, 5xx, broken connections), seconds before an answer is given up."""


def _folder(place: object) -> object:
    """A folder, or a place in a bucket (s3://bucket/prefix; its endpoint and keys come from the environment, as of any S3 client)."""
    if isinstance(place, str) and "://" in place:
        if not place.startswith("s3://"):
            raise ValueError(f"'{place}' is neither a folder nor s3://bucket/prefix")
        from upath import UPath

        return UPath(place, **BUCKET)
    return Path(place) if isinstance(place, str) else place


class Settings(Section):
    """A whole run file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """Short name of the run."""
    about: str = ""
    """One sentence."""
    seed: int = Field(ge=0)
    """Of every draw."""
    timestamp: str = "1970-01-01T00:00:00Z"
    """Written as provenance; from here, so that bytes do not follow the clock."""
    stores: Annotated[Any, BeforeValidator(_folder), PlainSerializer(str)]
    """Folder of the products, relative to the run file, or s3://bucket/prefix."""
    sky: Sky | None = None
    """What `lenscal mock` draws."""
    survey: Survey
    """Pixels and catalogue."""
    objects: Objects
    """See `Objects`."""
    manifest: Manifest = Manifest()
    """See `Manifest`."""
    cutouts: Cutouts = Cutouts()
    """See `Cutouts`."""
    quality: Quality = Quality()
    """See `Quality`."""
    injections: Injections = Injections()
    """See `Injections`."""
    detector: Detector = Detector()
    """See `Detector`."""
    scores: Scores = Scores()
    """See `Scores`."""
    completeness: Completeness = Completeness()
    """See `Completeness`."""
    failures: Failures = Failures()
    """See `Failures`."""
    realism: Realism = Realism()
    """See `Realism`."""
    report: Report = Report()
    """See `Report`."""
    cluster: Cluster = Cluster()
    """See `Cluster`."""

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.injections.size > self.cutouts.size:
            raise ValueError(f"injections.size {self.injections.size} is larger than cutouts.size {self.cutouts.size}")
        if self.detector.size > self.injections.size:
            raise ValueError(f"detector.size {self.detector.size} is larger than injections.size {self.injections.size}")
        if (self.injections.source == "stamps") != (self.injections.source_stamps is not None):
            raise ValueError(f"injections.source is '{self.injections.source}' and source_stamps {self.injections.source_stamps!r}: stamps need a file, and only they")
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


class _Loader(yaml.SafeLoader):
    """Of plain YAML; a key given twice is refused, not overwritten."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"key '{sorted(map(str, twice))[0]}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


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
        raw = _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise ConfigError(f"run file '{path}' is not the YAML of a run file: {error}") from None
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
    for section in ("injections", "realism"):
        raw[section] = fix(raw.get(section, {}), "source_stamps", "prior_file")
    if isinstance(raw.get("objects"), dict):
        objects = dict(raw["objects"])
        for key in ("lenses", "contaminants"):
            if isinstance(objects.get(key), list):
                objects[key] = [fix(item, "source") for item in objects[key]]
        if isinstance(objects.get("galaxy_tables"), list):
            objects["galaxy_tables"] = [_place(t, folder) if isinstance(t, str) else t for t in objects["galaxy_tables"]]
        raw["objects"] = objects
    return raw


def page() -> str:
    """The page of run files, in Markdown."""
    lines = [
        "# Run files", "",
        "A run file is YAML; unknown keys are refused. Written from `lenscal/config.py` (`python -m lenscal.config`); do not edit by hand.", "",
    ]  # fmt: skip
    models = [Settings, Sky, Survey, Service, Objects, LensCatalogue, ContaminantCatalogue, Manifest, Cutouts, Quality, Injections, Grid, Axis,
              Detector, Training, Scores, Completeness, Failures, Realism, Report, Cluster]  # fmt: skip
    for model in models:
        heading = "The whole" if model is Settings else f"`{model.__name__}`"
        lines += [f"## {heading}", "", (model.__doc__ or "").strip().split("\n")[0], "", "| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for name, field in model.model_fields.items():
            default = "required" if field.is_required() else f"`{field.default!r}`" if not isinstance(field.default, Section) else "see its section"
            kind = getattr(field.annotation, "__name__", str(field.annotation)) if "[" not in str(field.annotation) else str(field.annotation)
            kind = kind.replace("typing.", "").replace("lenscal.config.", "").replace("__main__.", "").replace("|", "or")
            lines.append(f"| `{name}` | {kind} | {default.replace('|', 'or')} | {field.description or ''} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    (Path(__file__).resolve().parent.parent / "docs" / "run-files.md").write_text(page())
