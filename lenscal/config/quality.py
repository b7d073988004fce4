"""The section `quality`."""

from __future__ import annotations

from pydantic import (
    Field,
    field_validator,
)

from lenscal import schema
from lenscal.config.section import Section
from lenscal.errors import InputError


class Quality(Section):
    """What makes a cutout fit for use."""

    central_radius_arcsec: float = Field(6.0, gt=0)
    """A cutout is unfit when a pixel within this radius was not observed."""
    mask_radius_px: float = Field(8.0, gt=0)
    """A cutout is unfit when a pixel within this radius has one of `centre_bits`."""
    masked_fraction_max: float = Field(0.02, ge=0, le=1)
    """A cutout is unfit when a larger share of its pixels has one of `area_bits`."""
    centre_bits: list[str] = ["BRIGHT", "SATUR_G", "SATUR_R", "SATUR_Z", "ALLMASK_G", "ALLMASK_R", "MEDIUM"]
    """Bits of MASKBITS that count near the centre."""
    area_bits: list[str] = [
        "BRIGHT",
        "SATUR_G",
        "SATUR_R",
        "SATUR_Z",
        "ALLMASK_G",
        "ALLMASK_R",
        "ALLMASK_Z",
        "BAILOUT",
        "MEDIUM",
        "GALAXY",
        "CLUSTER",
        "ALLMASK_I",
    ]
    """MASKBITS that count for the fraction."""
    sky_ring_px: tuple[float, float] = (33.0, 48.0)
    """Radii in pixels, from and to, between which the noise is measured; a cutout too small for it has the ring shrunk
    to end at its edge."""
    failed_fraction_max: float = Field(0.5, ge=0, le=1)
    """A block with a larger share of unfit cutouts stops the run and is named."""
    reason_fraction_max: dict[str, float] = {}
    """The same for single reasons, such as {"NaN in centre": 0.2}."""
    noise_ratio_limits: tuple[float, float] = (0.1, 10.0)
    """Of a block with 16 usable cutouts or more, in each band: the median of sigma^2 invvar of the sky."""
    cutout_noise_ratio_limits: tuple[float, float] = (0.001, 1000.0)
    """The same of each cutout, which is unfit beyond: a band in another unit than its weights (a galaxy that
    fills the ring has up to 90).
    """
    correlation_limits: tuple[float, float] = (0.5, 10.0)
    """The same for the summed autocorrelation of the noise."""
    off_histogram_max: float = Field(0.9, ge=0, le=1)
    """The same for the share without a number in, or beyond the ends of, a histogram of the annulus."""
    block: int = Field(256, ge=16)
    """Galaxies in one block of work."""

    @field_validator("noise_ratio_limits", "cutout_noise_ratio_limits", "correlation_limits")
    @classmethod
    def _ordered(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= limits[0] < limits[1]:
            raise InputError(f"expected 0 <= lower < upper, found {limits}")
        return limits

    @field_validator("centre_bits", "area_bits")
    @classmethod
    def _known_bits(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in schema.maskbits():
                raise InputError(f"'{name}' is no MASKBITS name; known: {', '.join(schema.maskbits())}")
        return names
