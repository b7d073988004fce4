"""The section `realism`."""

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


class Realism(Section):
    """Real lenses beside injections: how many, how they are matched, and the limits of each criterion."""

    anchor_tiers: list[str] = ["literature", "A", "B"]
    """Real lenses of these tiers are compared with injections."""
    anchors_min: int = Field(20, ge=2)
    """With fewer real lenses, or fewer injections matched to them, a criterion is not judged."""
    anchors_max: int = Field(300, ge=2)
    """Largest number of real lenses that are compared; more are thinned by id."""
    candidates: int = Field(16, ge=1)
    """Hosts nearest to a real lens in conditions and light, one injection each, from which its matches are chosen."""
    matches: int = Field(4, ge=1)
    """Injections kept for each real lens, each on another host."""
    radius_arcsec: tuple[float, float] = schema.ARC_RADIUS
    """Radii about the galaxy, from and to, between which the arc is measured."""
    arc_snr_min: float = Field(3.0, ge=0)
    """Colours and structure are measured only on arcs with at least this signal-to-noise ratio in g and r
    together, (g + r) / sqrt(2).
    """
    recovery_difference: float = Field(0.1, gt=0, lt=1)
    """Criterion: the shares recovered of injections and of the real lenses they are matched to differ by no more than
    this, at every threshold.
    """
    snr_ratio: tuple[float, float] = (0.5, 2.0)
    """Criterion: arc signal-to-noise ratios of injections over those of real lenses, at the 10, 50 and 90 % points,
    lie within these limits.
    """
    colour_difference: float = Field(0.2, gt=0)
    """Criterion: median colours of injections and real lenses differ by no more than this [mag]."""
    noise_distance_max: float = Field(0.05, gt=0, lt=1)
    """Criterion: largest Kolmogorov-Smirnov distance between the noise of injections and of real stamps."""
    p_min: float = Field(0.05, gt=0, lt=1)
    """Criterion: noise, structure and panel are told apart when their p-value is below this."""
    splits: int = Field(2000, ge=100)
    """Random half-splits and permutations from which a p-value is counted."""
    probe_window: int = Field(41, ge=21)
    """Side in pixels (odd) of the image that the probe sees; the whole image where that is smaller. The probe is a
    small classifier that tries to tell injections from real stamps."""
    probe_auc_max: float = Field(0.7, gt=0.5, lt=1)
    """Criterion: the probe tells injections from real stamps with an AUC of at most this."""
    morphologies: list[Literal["sersic", "clumpy", "stamps"]] = ["sersic", "clumpy", "stamps"]
    """Kinds of sources that completeness is compared for; `stamps` needs a file of stamps."""
    source_stamps: Annotated[str | None, Placement()] = None
    """File of galaxy stamps for that comparison; by default that of the injections, where they have one."""
    priors: list[str] = ["observed-colours", "rest-frame-colours", "compact-arcs", "anchor-snr"]
    """Sets of source priors that completeness is compared for."""
    moffat_betas: list[Annotated[float, Field(gt=1.1)]] = [2.5, 3.5, 4.5]
    """Moffat wings that completeness is compared for on hosts without a PSF image; all have the
    width that PSFSIZE says.
    """
    sensitivity_injections: int = Field(200, ge=2)
    """Injections rendered and scored again for each such change, each on another host."""
    morphology_change_max: float = Field(0.1, gt=0, le=1)
    """Criterion: the kind of source changes completeness by no more than this."""
    prior_change_max: float = Field(0.1, gt=0, le=1)
    """Criterion: the prior changes completeness by no more than this."""
    moffat_change_max: float = Field(0.1, gt=0, le=1)
    """Criterion: the wings of the PSF change completeness by no more than this, on hosts without a PSF image."""
    panel: int = Field(12, ge=1)
    """Real lenses, and as many injections, on the page that a reader judges blindly."""
    panel_judged: int | None = Field(None, ge=1)
    """How many images of the panel a reader has judged."""
    panel_correct: int | None = Field(None, ge=0)
    """How many of them the reader told right."""

    @model_validator(mode="after")
    def _sound(self) -> Realism:
        for name, (low, high) in (("radius_arcsec", self.radius_arcsec), ("snr_ratio", self.snr_ratio)):
            if not 0 < low < high:
                raise InputError(f"{name} runs from {low:g} to {high:g}; expected two growing numbers above 0")
        if (self.panel_judged is None) != (self.panel_correct is None) or (self.panel_correct or 0) > (
            self.panel_judged or 0
        ):
            raise InputError("panel_judged and panel_correct go together, the second no larger than the first")
        if self.probe_window % 2 == 0:
            raise InputError(
                f"probe_window is {self.probe_window}; expected an odd side, so that the galaxy is in its middle"
            )
        return self

    @field_validator("anchor_tiers")
    @classmethod
    def _known_tiers(cls, names: list[str]) -> list[str]:
        if unknown := set(names) - {tier for tier in schema.TIERS if tier}:
            raise InputError(f"{sorted(unknown)} are no tiers; known: {[t for t in schema.TIERS if t]}")
        return names
