"""A whole run file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from lenscal import schema
from lenscal.config.cluster import Cluster
from lenscal.config.completeness import Completeness
from lenscal.config.cutouts import Cutouts
from lenscal.config.detector import Detector
from lenscal.config.failures import Failures
from lenscal.config.injections import Injections
from lenscal.config.manifest import Manifest
from lenscal.config.objects import Objects
from lenscal.config.quality import Quality
from lenscal.config.realism import Realism
from lenscal.config.report import Report
from lenscal.config.scores import Scores
from lenscal.config.section import Section
from lenscal.config.sky import Sky
from lenscal.config.survey import Survey
from lenscal.errors import InputError

BUCKET = {
    "use_listings_cache": False,  # what another process has written is seen
    "config_kwargs": {"retries": {"max_attempts": 8, "mode": "standard"}, "connect_timeout": 10, "read_timeout": 60},
}
"""How a bucket is spoken to: attempts with back-off (429, 5xx, broken connections), seconds
before an answer is given up.
"""


def _folder(place: object) -> object:
    """A folder, or a place in a bucket (s3://bucket/prefix; its endpoint and keys come from the
    environment, as of any S3 client).
    """
    if isinstance(place, str) and "://" in place:
        if not place.startswith("s3://"):
            raise InputError(f"'{place}' is neither a folder nor s3://bucket/prefix")
        from upath import UPath

        return UPath(place, **BUCKET)
    if isinstance(place, Path):
        return place
    if not isinstance(place, str) or not place:
        raise InputError("expected text: a folder, or s3://bucket/prefix")
    return Path(place)


class Settings(Section):
    """A whole run file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """Short name of the run."""
    about: str = ""
    """One sentence on the purpose; it stands in the products."""
    seed: int = Field(ge=0, lt=2**63)
    """Number from which every random draw comes, with the id of the object and the purpose of the draw."""
    timestamp: str = "1970-01-01T00:00:00Z"
    """Written as provenance; from here, so that bytes do not follow the clock."""
    stores: Annotated[Any, BeforeValidator(_folder), PlainSerializer(str)]
    """Folder of the products, relative to the run file, or s3://bucket/prefix."""
    keep_earlier_gb: float = Field(default=20.0, ge=0)
    """Results that a changed run file replaces are kept up to this size [GB], the newest first: `lenscal history` lists
    them, the settings of then (or `lenscal restore`) bring them back. 0 keeps none; in a bucket none are kept.
    """
    sky: Sky | None = None
    """The embedded sky that `lenscal mock` draws; its keys are listed below."""
    survey: Survey
    """Where pixels and catalogue come from; its keys are listed below."""
    objects: Objects
    """Outside catalogues; its keys are listed below."""
    manifest: Manifest = Manifest()
    """The sample; its keys are listed below."""
    cutouts: Cutouts = Cutouts()
    """Pixels; its keys are listed below."""
    quality: Quality = Quality()
    """What makes a cutout fit for use; its keys are listed below."""
    injections: Injections = Injections()
    """Trials; its keys are listed below."""
    detector: Detector = Detector()
    """What is audited; its keys are listed below."""
    scores: Scores = Scores()
    """How images are scored; its keys are listed below."""
    completeness: Completeness = Completeness()
    """The cube; its keys are listed below."""
    failures: Failures = Failures()
    """What is kept of failures; its keys are listed below."""
    realism: Realism = Realism()
    """Real lenses beside injections; its keys are listed below."""
    report: Report = Report()
    """The page; its keys are listed below."""
    cluster: Cluster = Cluster()
    """Who does the work; its keys are listed below."""

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.injections.size > self.cutouts.size:
            raise InputError(f"injections.size {self.injections.size} is larger than cutouts.size {self.cutouts.size}")
        if self.detector.size > self.injections.size:
            raise InputError(
                f"detector.size {self.detector.size} is larger than injections.size {self.injections.size}"
            )
        if (self.injections.source == "stamps") != (self.injections.source_stamps is not None):
            raise InputError(
                f"injections.source is '{self.injections.source}' and source_stamps "
                f"{self.injections.source_stamps!r}: stamps need a file, and only they"
            )
        depths = self.injections.grid.depth
        if self.report.depth is not None and not depths.edges[0] <= self.report.depth <= depths.edges[-1]:
            raise InputError(
                f"report.depth is {self.report.depth:g}, outside of the depths of the grid "
                f"({depths.edges[0]:g} to {depths.edges[-1]:g})"
            )
        if (release := self.survey.release) is not None:
            self._of_the_release(release)
        bands = self.survey.bands
        if missing := set(self.detector.bands) - set(bands):
            raise InputError(
                f"detector.bands names {sorted(missing)}; the cutouts hold {tuple(bands)}"
                + ("; ask for i in survey.bands" if missing == set(schema.MORE_BANDS) else "")
            )
        if self.injections.gain is not None and set(self.injections.gain) != set(bands):
            raise InputError(
                f"injections.gain names the bands {sorted(self.injections.gain)}, not {', '.join(bands)} (survey.bands)"
            )
        if absent := set(self.completeness.axes) - set(schema.in_bands(self.completeness.axes, bands)):
            raise InputError(
                f"completeness.axes names {', '.join(sorted(absent))}, and the run has the bands {', '.join(bands)} "
                "(survey.bands)"
            )
        if "region" in self.completeness.axes and self.survey.region != schema.BOTH:
            raise InputError(
                "completeness.axes names region, and the run reads one region; leave it out, or read both "
                "(survey.region: both)"
            )
        return self

    def _of_the_release(self, release: schema.Release) -> None:
        """What is asked for is there in this release and region.

        Raises
        ------
        InputError
            Naming what is not.
        """
        for part in release.regions:
            self._of_the_region(part)
        for key in ("centre_bits", "area_bits"):
            if lacking := [name for name in getattr(self.quality, key) if name not in release.maskbits]:
                raise InputError(
                    f"quality.{key} names {', '.join(lacking)}, and MASKBITS of {release.title} "
                    f"({release.maskbits_dtype}) end at bit {max(release.maskbits.values())}; leave it out"
                )
        drawn = None if self.sky is None or not self.survey.mock else schema.release(self.sky.release, self.sky.region)
        if drawn is not None and drawn != release:
            raise InputError(
                f"sky draws {drawn.words}, and survey reads {release.words}; give survey.layout and survey.region "
                "the values of sky.release and sky.region"
            )

    def _of_the_region(self, part: schema.Release) -> None:
        """As `_of_the_release`, of what each region has for itself."""
        if unseen := [band for band in self.detector.bands if band in schema.OPTICAL and band not in part.bands]:
            raise InputError(
                f"detector.bands asks for {', '.join(unseen)}, and {part.words} ({part.telescopes}) was observed in "
                f"{', '.join(part.bands)}; leave it out, or take a region that has it"
            )
        if self.survey.region and self.manifest.dec_range_degree[1] <= part.dec_from:
            left = f"no galaxy {'of it ' if self.survey.region == schema.BOTH else ''}would be left"
            raise InputError(
                f"manifest.dec_range_degree ends at {self.manifest.dec_range_degree[1]:g}, and {part.words} begins at "
                f"{part.dec_from:g}: {left}; widen it"
            )
