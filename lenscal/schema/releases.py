"""Releases of the Legacy Surveys, region by region, as lenscal/releases.yaml declares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from lenscal.errors import InputError

DECLARED = Path(__file__).parents[1] / "releases.yaml"
OPTICAL = "griz"
PIXEL_SCALE = 0.262  # arcsec per pixel of the coadds, of every release
REGIONS = ("south", "north")
BOTH = "both"
"""The region of a run that reads the south and the north of a release."""
_POLE = 192.85948, 27.12825  # of the Galaxy, ICRS [degree]


@dataclass(frozen=True)
class Release:
    """What one region of a release is like on disk; the keys are those of lenscal/releases.yaml."""

    name: str
    region: str
    title: str
    family: int
    layer: str
    photsys: str
    telescopes: str
    bands: str
    sweeps: str
    codes: tuple[int, ...]
    bricks: tuple[str, ...]
    reference: Mapping[str, str]
    maskbits: Mapping[str, int]
    maskbits_dtype: str
    blobs: Mapping[str, str | int]
    stands_for: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    drawn: tuple[int, ...] = ()
    drawn_randoms: str = ""
    whole: Mapping[int, str] = field(default_factory=dict)
    camera_pixel: Mapping[str, float] = field(default_factory=dict)
    dec_from: float = -90.0
    parts: tuple[Release, ...] = ()
    """South and north, of both together."""

    @property
    def words(self) -> str:
        """What it is called in messages."""
        return f"the {' and the '.join(REGIONS) if self.parts else self.region} of {self.title}"

    @property
    def regions(self) -> tuple[Release, ...]:
        """Its regions one by one."""
        return self.parts or (self,)

    def region_at(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Region whose objects the survey keeps at each position: the north from the declination where it begins, north
        of the plane of the Galaxy; the south everywhere else, and of both regions wherever they overlap one alone.

        Parameters
        ----------
        ra, dec : (n,) arrays
            In degree; without a position, the south.
        """
        ra, dec = np.asarray(ra, float), np.asarray(dec, float)
        begins = min((part.dec_from for part in self.parts if part.dec_from > -90), default=np.inf)
        pole, d = np.deg2rad(_POLE[1]), np.deg2rad(dec)
        height = np.sin(pole) * np.sin(d) + np.cos(pole) * np.cos(d) * np.cos(np.deg2rad(ra - _POLE[0]))
        return np.where((dec >= begins) & (height > 0), "north", self.region if not self.parts else "south")

    @property
    def named_bits(self) -> dict[str, int]:
        """MASKBITS that headers name: those of bands that were not observed are not."""
        return {name: bit for name, bit in self.maskbits.items() if self.observed(name)}

    def observed(self, name: str) -> bool:
        """Whether a column or bit is of no optical band, or of one that was observed."""
        band = name[-1].lower() if name[-2:-1] == "_" else ""
        return band not in OPTICAL or not band or band in self.bands

    def camera_pixel_area(self, bands: Sequence[str]) -> np.ndarray:
        """Area of a pixel of the camera over that of one of the coadds, (band,). Inverse variances of a coadd are
        those of its own pixels; where they are finer than the camera's they share its noise, and the sum of their
        inverse variances is that many times too large.
        """
        return np.array([(self.camera_pixel.get(band, PIXEL_SCALE) / PIXEL_SCALE) ** 2 for band in bands])

    def bits_problem(self, dtype: np.dtype) -> str | None:
        """What is wrong with the type of MASKBITS in a file of this release; None where it holds every bit."""
        if dtype.kind not in "iu" or 8 * dtype.itemsize > max(self.maskbits.values()):
            return None
        lost = ", ".join(f"{bit} {name}" for name, bit in self.maskbits.items() if bit >= 8 * dtype.itemsize)
        return (
            f"MASKBITS is {dtype.newbyteorder('=')}, and {self.title} has bits beyond ({lost}); expected "
            f"{self.maskbits_dtype}: take the survey's own file"
        )


@cache
def releases() -> dict[tuple[str, str], Release]:
    """All that are declared, by name and region."""
    import yaml

    declared = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))
    found = {}
    for name, entry in declared["releases"].items():
        regions, bits = entry.pop("regions"), entry.pop("bits")
        entry["maskbits"] = {bit: number for number, bit in enumerate(declared["maskbits"][:bits])}
        for region, more in regions.items():
            values = {key: tuple(value) if isinstance(value, list) else value for key, value in (entry | more).items()}
            found[name, region] = Release(name=name, region=region, **values)
    return found


def release(name: str, region: str) -> Release:
    """One region of a release, or both.

    Raises
    ------
    InputError
        It was not observed, or not released.
    """
    if region == BOTH:
        return _both(name)
    found = releases().get((name, region))
    if found is None:
        known = ", ".join(f"{one} {where}" for one, where in releases())
        raise InputError(f"there is no {region} of {name}; expected one of: {known}")
    return found


@cache
def _both(name: str) -> Release:
    """Both regions of a release as one: bands that both have, everything else of each in `parts`."""
    south, north = parts = tuple(release(name, region) for region in REGIONS)
    return replace(
        south,
        region=BOTH,
        layer=f"ls-{name}",
        photsys="",
        telescopes="; ".join(part.telescopes for part in parts),
        bands="".join(band for band in south.bands if band in north.bands),
        sweeps=" and ".join(part.sweeps for part in parts),
        codes=(*south.codes, *north.codes),
        drawn=(),
        parts=parts,
    )


def of_layers() -> dict[str, Release]:
    """What the survey's own layers show, by their name; of both regions together where a release has them."""
    whole = [release(name, BOTH) for name, region in releases() if region == "north"]
    return {one.layer: one for one in (*releases().values(), *whole)}


def release_of_code(code: int) -> Release | None:
    """The release that a RELEASE belongs to, in the region whose code it is known for, else in any; None of an
    unknown one.
    """
    of_family = [one for one in releases().values() if one.family == code // 1000]
    return next((one for one in of_family if code in one.codes), of_family[0] if of_family else None)


def maskbits() -> dict[str, int]:
    """MASKBITS of all releases together, by name."""
    return {name: bit for one in releases().values() for name, bit in one.maskbits.items()}
