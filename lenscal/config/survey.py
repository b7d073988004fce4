"""The section `survey`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    model_validator,
)

from lenscal import schema
from lenscal.config.section import Placement, Section
from lenscal.errors import InputError


class Service(Section):
    """A public cutout service that gives the pixels, instead of bricks on disk."""

    url: str = Field("https://www.legacysurvey.org/viewer/fits-cutout", pattern=r"^https?://[^?]+$")
    """Address that gives FITS cutouts; the layer asked for is `survey.layer`."""
    planes: list[Literal["invvar", "maskbits"]] = ["invvar", "maskbits"]
    """Planes asked for beside the image; leave out what the layer does not have (then there are no
    weights, or no mask bits).
    """
    requests_per_second: Annotated[float, Placement()] = Field(2.0, gt=0)
    """Largest rate of requests from one machine, all processes together."""
    attempts: Annotated[int, Placement()] = Field(8, ge=1)
    """How often a request is tried before the run stops; what is complete stays complete."""
    backoff_seconds: Annotated[float, Placement()] = Field(1.0, gt=0)
    """Wait after the first failed attempt; it doubles with each, and an answer's Retry-After goes before it."""
    timeout_seconds: Annotated[float, Placement()] = Field(60.0, gt=0)
    """How long an answer may take to begin, and may pause."""


class Survey(Section):
    """Where the pixels and the catalogue come from: a release of the survey, or sets of stamps."""

    layout: Literal["dr9", "dr10", "dr11", "stamps"] = "dr10"
    """`dr9`, `dr10`, `dr11`: the survey's own folders, as lenscal/releases.yaml declares them; `stamps`: sets of
    stamps described in lenscal/profiles.yaml.
    """
    region: Literal["south", "north", "both"] | None = None
    """`south` (DECam) or `north` (BASS and MzLS: DR9 and DR11, g r z) of a release, or `both` as one run (g r z).
    Where it is south or north, sweeps, bricks and random points of the other region are refused. `dr10` alone may
    leave it out: `layer` says it then.
    """
    bands: list[str] = list(schema.BANDS)
    """Bands of the cutouts and of all that is made of them: g, r, z, or g, r, i, z where the region has i (the south of
    DR10 and DR11). Written by wavelength. The embedded sky is drawn in these.
    """
    also: list[Literal["dr9", "dr10", "dr11"]] = []
    """Other releases that the sweeps may hold rows of; a mixture that is not named here is refused."""
    root: Annotated[str, Placement()]
    """Folder (relative to the run file); `{real_data}` stands for LENSCAL_REAL_DATA."""
    sweeps: Annotated[list[str], Placement()] = []
    """Only these sweep files, by name (`sweep-150p000-155p005`); all of the survey by default. `lenscal run --mini`
    takes those with the most known lenses.
    """
    profiles: list[str] = []
    """Stamps only: which profiles; all of `sets` where none is named."""
    profiles_file: Annotated[str | None, Placement()] = None
    """Stamps only: a file of profiles of your own, in place of lenscal/profiles.yaml."""
    sets: dict[str, dict[str, Any]] = {}
    """Stamps only: profiles of your own, name -> keys, as at the head of lenscal/profiles.yaml."""
    layer: str = "ls-dr10-south"
    """Name of the data, recorded with the pixels; a service is asked for this layer. Of a release or region beside the
    default: its own, as `ls-dr11-north`; of both regions `ls-dr11`, and each is asked for its own.
    """
    service: Service | None = None
    """Pixels from a cutout service; `root` then needs the catalogue and the table of bricks only."""
    mock: bool = False
    """True marks every product as made from the embedded sky."""
    randoms: Annotated[list[str], Placement()] = []
    """Files (or addresses) of random points: the area with each seeing and depth is then theirs, not
    that of the table of bricks.
    """
    randoms_density: Annotated[float | None, Placement()] = Field(None, gt=0)
    """Points to the square degree in each of them, where its header has no DENSITY; refused where one has another."""

    @model_validator(mode="after")
    def _sets_of_stamps(self) -> Survey:
        if self.layout != "stamps":
            for name in ("sets", "profiles_file"):
                if getattr(self, name):
                    raise InputError(f"{name} declares stamps, and layout is '{self.layout}'; expected layout: stamps")
        return self

    @model_validator(mode="before")
    @classmethod
    def _its_own_layer(cls, values: Any) -> Any:
        """The layer of the release and region that are given, where none is."""
        if not isinstance(values, dict) or "layer" in values:
            return values
        place = str(values.get("layout", "dr10")), str(values.get("region") or "south")
        found = {(one.name, one.region): one.layer for one in schema.of_layers().values()}.get(place)
        return values if found is None else values | {"layer": found}

    @model_validator(mode="after")
    def _one_place(self) -> Survey:
        if self.layout == "stamps":
            if self.region or self.also:
                raise InputError("stamps are of no region and no release; leave out region and also")
            return self
        own = self.release
        if self.region is None and not own.stands_for:
            raise InputError(
                f"layout '{self.layout}' has two regions and region is not given; say south or north, or both"
            )
        if self.layout in self.also:
            raise InputError(f"also names {self.layout}, which is the layout itself; leave it out")
        named = schema.of_layers().get(self.layer, own)
        if named.name not in (own.name, *own.stands_for) or self.region not in (None, named.region):
            raise InputError(
                f"layer '{self.layer}' is {named.words}, and layout and region say {own.words}; leave layer out, or "
                "correct layout and region"
            )
        return self

    @model_validator(mode="after")
    def _observed_bands(self) -> Survey:
        if problem := schema.bands_problem(self.bands):
            raise InputError(f"bands {problem}")
        own = self.release
        for release in (*own.regions, *schema.of_layers().get(self.layer, own).regions) if own is not None else ():
            if unseen := [band for band in self.bands if band not in release.bands]:
                raise InputError(
                    f"bands asks for {', '.join(unseen)}, and {release.words} ({release.telescopes}) was observed in "
                    f"{', '.join(release.bands)}; leave it out, or take a region that has it"
                )
        return self

    def content(self) -> dict:
        """As of every section; `region`, `also`, `sets` and `bands`, which came later, count where they are given, so
        that runs that were finished before have the addresses they had.
        """
        found = super().content()
        if self.bands == list(schema.BANDS):
            found.pop("bands")
        later = ("region", "also", "sets")
        return {name: value for name, value in found.items() if value or name not in later}

    @property
    def release(self) -> schema.Release | None:
        """What the files are like, in `regions` where the run reads both; None of stamps."""
        return None if self.layout == "stamps" else schema.release(self.layout, self.region or "south")

    @property
    def stated(self) -> schema.Release | None:
        """The release where the run file states the region as well, so that the other one is refused; else None."""
        return self.release if self.region else None

    @property
    def of_points(self) -> schema.Release | None:
        """The release and region whose random points count: as the run file states them, else as the layer is known to
        be of, else those of the layout; None of a layer of its own name that is of the north.
        """
        named = schema.of_layers().get(self.layer)
        if self.region or named is None:
            return self.release if self.region or "north" not in self.layer else None
        return self.release if named.region == self.release.region else named

    @model_validator(mode="after")
    def _points_of_a_survey(self) -> Survey:
        if self.randoms and self.layout == "stamps":
            raise InputError(f"randoms are points of a survey, and layout is '{self.layout}'; leave them out")
        return self
