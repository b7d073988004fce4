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
    """Tiers of the real lenses to compare with."""
    anchors_min: int = Field(20, ge=2)
    """Fewer real lenses (or matched injections): not judged."""
    anchors_max: int = Field(300, ge=2)
    """At most so many, drawn by id."""
    candidates: int = Field(16, ge=1)
    """Injections looked at for each real lens."""
    matches: int = Field(4, ge=1)
    """Of them, kept for each real lens, no host twice."""
    radius_arcsec: tuple[float, float] = schema.ARC_RADIUS
    """Where the arc's annulus is looked for."""
    arc_snr_min: float = Field(3.0, ge=0)
    """Arc SNR in g and r together, (g + r) / sqrt(2), from which colours and structure are measured."""
    recovery_difference: float = Field(0.1, gt=0, lt=1)
    """Limit of the difference of recovery between injections and the real lenses they are matched to, at every threshold."""
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
    source_stamps: Annotated[str | None, Placement()] = None
    """File of galaxy stamps for the bracket; that of the injections, where they have one, by default."""
    priors: list[str] = ["observed-colours", "rest-frame-colours", "compact-arcs", "anchor-snr"]
    """Sets of priors to compare."""
    moffat_betas: list[Annotated[float, Field(gt=1.1)]] = [2.5, 3.5, 4.5]
    """The bracket of profiles for hosts without a PSF image, all of the width that PSFSIZE says."""
    sensitivity_injections: int = Field(200, ge=2)
    """Injections rendered and scored again for each change, one per host."""
    morphology_change_max: float = Field(0.1, gt=0, le=1)
    """Limit of the change of completeness by the source."""
    prior_change_max: float = Field(0.1, gt=0, le=1)
    """Limit of the change of completeness by the prior."""
    moffat_change_max: float = Field(0.1, gt=0, le=1)
    """Limit of the change of completeness by the profile, of hosts without a PSF image."""
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
                raise InputError(f"{name} runs from {low:g} to {high:g}; expected two growing numbers above 0")
        if (self.panel_judged is None) != (self.panel_correct is None) or (self.panel_correct or 0) > (self.panel_judged or 0):
            raise InputError("panel_judged and panel_correct go together, the second no larger than the first")
        if self.probe_window % 2 == 0:
            raise InputError(f"probe_window is {self.probe_window}; expected an odd side, so that the galaxy is in its middle")
        return self

    @field_validator("anchor_tiers")
    @classmethod
    def _known_tiers(cls, names: list[str]) -> list[str]:
        if unknown := set(names) - {tier for tier in schema.TIERS if tier}:
            raise InputError(f"{sorted(unknown)} are no tiers; known: {[t for t in schema.TIERS if t]}")
        return names
