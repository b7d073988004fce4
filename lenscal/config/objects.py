"""The section `objects`: outside catalogues."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from lenscal import schema
from lenscal.config.section import Placement, Section
from lenscal.errors import InputError


class LensCatalogue(Section):
    """One catalogue of lenses."""

    name: str
    """Name under which its rows are counted and shown."""
    source: Annotated[str, Placement()]
    """`lenscat` (the package) or a file."""
    format: Literal["lenscat", "desi-sl-vac", "csv"] = "lenscat"
    """Which columns to expect: those of lenscat, of the DESI spectroscopic catalogue, or those named in `columns`."""
    channel: Literal["imaging-ml", "spectroscopic", "follow-up", "visual", "literature"] = "literature"
    """How its lenses were selected. `follow-up`: spectra of imaging candidates, which are no independent selection."""
    columns: dict[str, str] = {}
    """Names of its columns: our name -> its name."""
    units: dict[Literal["ra", "dec"], Literal["deg", "hourangle", "rad", "hms", "dms"]] = {}
    """Units of ra and dec where the file states none; another one than it states is refused. Without them degrees are
    taken, unless the numbers say otherwise. `hms` and `dms` are sexagesimal texts, such as 10:22:33.4.
    """
    hdu: str | int | None = None
    """HDU of a FITS file (or table of a VOTable) by name or number; by default the first table with the columns that
    are sought.
    """
    grades: dict[str, str] = {}
    """Grade as the catalogue writes it -> tier (literature, A, B), or a grade that is known (confirmed, confident,
    probable, ...); `""`: as a row without a grade.
    """
    known_crossmatch: tuple[int, int] | None = None
    """Spectroscopic only: entries of high quality with and without an imaging candidate, as known
    for this very file; a gate.
    """

    def content(self) -> dict:
        """See `Section.content`; keys that came later are in no address where they say nothing."""
        return _said(super().content(), ("hdu",))

    @field_validator("grades")
    @classmethod
    def _known_grades(cls, grades: dict[str, str]) -> dict[str, str]:
        known = {*schema.TIERS, *schema.TIER_OF_GRADE}
        for theirs, ours in grades.items():
            if ours not in known and ours.strip().lower() not in known:
                raise InputError(
                    f"maps '{theirs}' to '{ours}', which is no tier and no known grade; known are "
                    f"{', '.join(tier for tier in schema.TIERS if tier)}, and {', '.join(schema.TIER_OF_GRADE)}"
                )
        return grades

    @model_validator(mode="after")
    def _follow_up(self) -> LensCatalogue:
        if self.format == "desi-sl-vac" and self.channel != "follow-up":
            raise InputError(
                f"channel is '{self.channel}', but this catalogue holds spectra of imaging candidates: it is "
                "`follow-up`, not independent"
            )
        return self


class ContaminantCatalogue(Section):
    """One catalogue of look-alikes."""

    name: str
    """Name under which its rows are counted and shown."""
    source: Annotated[str, Placement()]
    """A file."""
    category: str
    """A category for all rows, or `column:NAME`."""
    columns: dict[str, str] = {}
    """Names of its columns: our name -> its name."""
    units: dict[Literal["ra", "dec"], Literal["deg", "hourangle", "rad", "hms", "dms"]] = {}
    """Units of ra and dec where the file states none; another one than it states is refused. Without them degrees are
    taken, unless the numbers say otherwise. `hms` and `dms` are sexagesimal texts, such as 10:22:33.4.
    """
    hdu: str | int | None = None
    """As of lenses."""
    categories: dict[str, str] = {}
    """Category as the catalogue writes it -> ours; others stay as they are."""

    def content(self) -> dict:
        """See `Section.content`; keys that came later are in no address where they say nothing."""
        return _said(super().content(), ("hdu", "categories"))


class GalaxyTable(Section):
    """One table of real rows that stands in for the survey."""

    source: Annotated[str, Placement()]
    """A file."""
    columns: dict[Literal["ra", "dec"], str] = {}
    """Names of its columns: our name -> its name."""
    units: dict[Literal["ra", "dec"], Literal["deg", "hourangle", "rad", "hms", "dms"]] = {}
    """As of lenses."""
    hdu: str | int | None = None
    """As of lenses."""


def _said(content: dict, names: tuple[str, ...]) -> dict:
    """A content without some keys where they hold nothing."""
    return {name: value for name, value in content.items() if name not in names or value not in (None, {})}


class Objects(Section):
    """Outside catalogues, and how they meet the survey."""

    lenses: list[LensCatalogue]
    """Catalogues of lenses; all are excluded from the negatives."""
    contaminants: list[ContaminantCatalogue] = []
    """Catalogues of look-alikes, from which the pool N2 is drawn."""
    match_radius_arcsec: float = Field(5.0, gt=0, le=60)
    """A lens and an object of the survey closer than this are one."""
    merge_radius_arcsec: float = Field(2.0, gt=0, le=60)
    """Entries of two catalogues closer than this are one lens."""
    match_rate_min: float = Field(0.9, ge=0, le=1)
    """Gate: matched share of the positives inside the footprint."""
    usable_min: float = Field(0.9, ge=0, le=1)
    """Gate: of each catalogue, table and sweep, the share of the rows that have a position (and a key, a type, a
    category where they need one).
    """
    footprint_rows_min: int = Field(1, ge=0)
    """Gate: of each catalogue, rows inside the footprint. 0 where none need lie there."""
    partition_order: int = Field(5, ge=0, le=10)
    """HEALPix order of the Parquet leaves (5: 3.4 square degrees, some 500,000 objects of the survey)."""
    margin_arcsec: float = Field(20.0, gt=0, le=300)
    """Rim of its neighbours that each leaf carries; at least the largest distance at which
    neighbours are asked about.
    """
    chunk_rows: int = Field(262144, ge=1024)
    """Rows of a sweep file in memory at a time."""
    checksums: Annotated[bool, Placement()] = True
    """Hold each sweep file, while it is read, against the SHA-256 list beside it (`*.sha256sum`,
    sha256sums.txt), where there is one.
    """
    galaxy_tables: Annotated[list[str | GalaxyTable], Placement()] = []
    """Further tables of real rows to match against (ra, dec); never a pool. Each is a file, or a file with the names,
    units or HDU of its columns.
    """

    @model_validator(mode="after")
    def _own_names(self) -> Objects:
        names = [item.name for item in (*self.lenses, *self.contaminants)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(
                f"two catalogues are named '{twice[0]}'; each needs a name of its own, under which its rows are counted"
            )
        return self
