"""The section `manifest`: the sample."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    field_validator,
)

from lenscal import schema
from lenscal.config.section import Section
from lenscal.errors import InputError


class Manifest(Section):
    """Pools, exclusion, splits, labels and hosts, with the limits of their gates."""

    types: list[str] = ["SER", "DEV", "REX"]
    """Tractor types that the pool N1 is drawn from."""
    mag_z_max: float = 20.0
    """N1 holds galaxies brighter than this in z, as observed."""
    nobs_min: int = Field(3, ge=0)
    """Galaxies with fewer exposures than this in a band of the cutouts are left out."""
    dec_range_degree: tuple[float, float] = (-18.0, 32.0)
    """Galaxies outside these declinations are left out."""
    exclusion_radius_arcsec: float = Field(11.0, gt=0)
    """No negative lies closer than this to any lens of any catalogue."""
    duplicate_radius_arcsec: float = Field(0.5, gt=0)
    """Objects of overlapping bricks or releases closer than this are one galaxy; a positive stays before others, then
    the one of the latest release.
    """
    positive_lenses: Literal["all", "imaging"] = "all"
    """Which lenses are positives; `imaging`: the DESI imaging candidates and the literature tier. All are
    excluded from the negatives.
    """
    negatives_per_positive: int = Field(100, ge=1)
    """Negatives drawn for each positive, within its stratum (bin of nobs_z, type)."""
    controls_per_positive: int = Field(0, ge=0)
    """Galaxies that fit N1 but that no pool took, kept for each positive as a labelled
    diagnostic and never as negatives.
    """
    n1_fraction: float = Field(0.85, gt=0, lt=1)
    """Share of the negatives that comes from N1 (ordinary galaxies); the rest comes from N2 (look-alikes)."""
    confuser_cuts: dict[str, dict[str, float]] = {}
    """Cuts of a look-alike class, class -> cut -> value, in place of those in lenscal/manifest/confusers.py."""
    required_classes: list[str] = ["edge_on", "face_on_disk", "blend_merger"]
    """Confuser classes that must have rows, else the run stops."""
    split_fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)
    """Shares of the sky, by HEALPix pixel, that train, val and test get."""
    guard_arcsec: float = Field(0.0, ge=0)
    """Rows closer than this to a pixel of another split are dropped."""
    tier_weights: dict[str, float] = {"literature": 1.0, "A": 0.95, "B": 0.5}
    """Weight of a lens in the training loss, by tier."""
    tier_targets: dict[str, float] = {"literature": 1.0, "A": 1.0, "B": 1.0}
    """What the network is taught to say of a lens, by tier (label smoothing)."""
    anchor_tiers: list[str] = ["literature"]
    """Lenses of these tiers are never trained on; they are kept to judge by."""
    host_types: list[str] = ["SER", "DEV", "REX"]
    """Tractor types that may carry injections."""
    host_splits: list[str] = ["val", "test"]
    """Splits that hosts come from; one that the detector was trained on makes a critical gate fail."""
    host_colour_gr_min: float | None = None
    """Only galaxies redder than this carry injections (dereddened g - r) [mag]."""
    host_mag_r_max: float | None = None
    """Only galaxies brighter than this in r carry injections [AB mag]."""
    rows_min: int = 0
    """Gate: rows of the manifest."""
    types_min: int = 3
    """Gate: Tractor types in it."""
    n1_range: tuple[float, float] = (0.75, 0.95)
    """Gate: share of N1 in the negatives."""
    train_range: tuple[float, float] | None = None
    """Gate: share of train; by default the fraction asked for, give or take the larger of 0.05 and
    three sigma of the pixels.
    """
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
            raise InputError(f"the fractions of train, val and test add to {sum(fractions):g}, not 1")
        return fractions

    @field_validator("required_classes", "confuser_cuts")
    @classmethod
    def _known_classes(cls, names: object) -> object:
        if unknown := set(names) - set(schema.CONFUSERS):
            raise InputError(f"{sorted(unknown)} are no confuser classes; known: {', '.join(schema.CONFUSERS)}")
        return names

    @field_validator("tier_weights", "tier_targets")
    @classmethod
    def _every_tier(cls, values: dict[str, float]) -> dict[str, float]:
        if set(values) != {tier for tier in schema.TIERS if tier}:
            raise InputError(f"has {sorted(values)}; one value is needed for each of {[t for t in schema.TIERS if t]}")
        if bad := {tier: v for tier, v in values.items() if not 0 <= v <= 1}:
            raise InputError(f"{bad} lie outside [0, 1]")
        return values

    @field_validator("anchor_tiers")
    @classmethod
    def _known_tiers(cls, names: list[str]) -> list[str]:
        if unknown := set(names) - set(schema.TIERS):
            raise InputError(f"{sorted(unknown)} are no tiers; known: {[t for t in schema.TIERS if t]}")
        return names

    @field_validator("dec_range_degree")
    @classmethod
    def _on_the_sky(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if limits[0] < -90 or limits[1] > 90:
            raise InputError(f"runs from {limits[0]:g} to {limits[1]:g}; declinations lie between -90 and 90 degrees")
        return limits

    @field_validator("host_splits")
    @classmethod
    def _known_splits(cls, names: list[str]) -> list[str]:
        if not names or set(names) - set(schema.SPLITS):
            raise InputError(
                f"{sorted(set(names) - set(schema.SPLITS)) or 'nothing'} is no split that hosts may come from; "
                f"known: {', '.join(schema.SPLITS)}"
            )
        return names

    @field_validator("types", "host_types")
    @classmethod
    def _known_types(cls, names: list[str]) -> list[str]:
        if unknown := set(names) - set(schema.TYPES):
            raise InputError(f"{sorted(unknown)} are no Tractor types; known: {', '.join(schema.TYPES)}")
        return names
